//! How an answer is written: as an HTTP answer, or as a message on a stream.

use mcp_message::reply;
use proxy_values::LocalReply;

use super::{Answer, Form};

/// An answer, and the id of the message that it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub(crate) answer: Answer,
    /// The caller's id, as it was sent, where it could be read.
    pub(crate) id: Option<Vec<u8>>,
}

impl Reply {
    /// The answer, without the id.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The answer as a message, for a client that finds it by its id alone.
    #[must_use]
    pub fn message(&self) -> String {
        self.answer.message(self.id.as_deref())
    }

    /// Hands the answer over as the proxy takes it.
    pub fn write(&self, reply_with: impl Fn(&LocalReply<'_>)) {
        let Answer { status, header, .. } = &self.answer;
        let id = self.id.as_deref();
        let id = id.filter(|_| self.answer.wants_callers_id());
        let body = self.answer.message(id);
        let json = ("content-type", "application/json");
        let details = format!("portcullis_{}", self.answer.reason);
        let send = |headers: &[(&str, &str)]| {
            reply_with(&LocalReply {
                status: *status,
                headers,
                body: &body,
                details: &details,
            });
        };
        match header {
            None => send(&[json]),
            Some((name, value)) => send(&[json, (name, value)]),
        }
    }
}

impl Answer {
    fn message(&self, id: Option<&[u8]>) -> String {
        match &self.form {
            Form::Error {
                code,
                message,
                data,
            } => reply::error(id, *code, message, data.as_deref()),
            Form::ToolError { text, era } => reply::tool_error(id, *era, text),
        }
    }
}
