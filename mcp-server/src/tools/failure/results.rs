//! Failures of kept results in the words of the tools.

use super::ToolFailure;
use crate::kept_results::{InvalidResultUri, UnknownResult, UnreadBlock};

impl From<InvalidResultUri> for ToolFailure {
    fn from(invalid: InvalidResultUri) -> Self {
        Self::invalid_arguments(invalid.to_string())
    }
}

impl From<UnknownResult> for ToolFailure {
    fn from(unknown: UnknownResult) -> Self {
        Self::not_found(unknown.to_string()).with_hint("run the query again")
    }
}

impl From<UnreadBlock> for ToolFailure {
    fn from(unread: UnreadBlock) -> Self {
        let message = unread.to_string();
        match unread {
            UnreadBlock::Beyond { .. } => Self::not_found(message),
            UnreadBlock::NotYet { .. } => {
                Self::new("not_yet", message).with_hint("read it again in a moment")
            }
            UnreadBlock::Disk(error) => Self::unavailable(message)
                .with_hint("try again, or run the query again")
                .with_log(error.to_string()),
        }
    }
}
