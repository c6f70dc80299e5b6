//! The answer that the caller of a request waits for, as the proxy must know it.

use mcp_message::{Capability, Era, Kind};

use crate::effects::{Effect, Effects};
use crate::request_budget::NotedId;

/// An answer that the caller waits for, and the form that it takes where the proxy itself gives it:
/// one for each of the notes that `local_reply_config` looks for
/// (`control-plane/server/src/envoy/local_reply.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AwaitedAnswer {
    /// A tool's result under 200, on a session-based revision.
    ToolResult,
    /// An error under 200, on a session-based revision.
    Error,
    /// An error under a status of HTTP's, on 2026-07-28.
    ErrorWithStatus,
}

/// A longer id is not noted for the proxy's own answers, which then carry none: every request in
/// flight would hold it.
const LONGEST_NOTED_ID: usize = 1024;

impl AwaitedAnswer {
    /// The answer to a message; none where it asks for none.
    pub(super) fn to(kind: Kind, era: Era, capability: Capability) -> Option<Self> {
        match (kind, era, capability) {
            (Kind::Notification | Kind::Response, ..) => None,
            (Kind::Request, Era::Modern, _) => Some(Self::ErrorWithStatus),
            (Kind::Request, Era::Legacy(_), Capability::Tool) => Some(Self::ToolResult),
            (Kind::Request, Era::Legacy(_), _) => Some(Self::Error),
        }
    }

    /// Notes the id of the request for the proxy.
    pub(super) fn note_id(self, id: &[u8], effects: &mut Effects) {
        if id.len() <= LONGEST_NOTED_ID {
            effects.push(Effect::Note {
                name: self.note(),
                value: NotedId::from_slice(id),
            });
        }
    }

    fn note(self) -> &'static str {
        match self {
            Self::ToolResult => "portcullis_call_id",
            Self::Error => "portcullis_request_id",
            Self::ErrorWithStatus => "portcullis_modern_id",
        }
    }
}
