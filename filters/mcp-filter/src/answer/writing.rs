//! How an answer is written: as an HTTP answer, or as a message on a stream.

use mcp_message::reply;
use proxy_host::{Answering, LocalReply};

use super::{Answer, Form};

impl Answer {
    /// Sends the answer; `id` is the caller's, as it was sent, where it could be read.
    pub(crate) fn send(&self, host: &impl Answering, id: Option<&[u8]>) {
        self.write(id, |reply| host.reply(reply));
    }

    /// Hands the answer over as the proxy takes it.
    pub(crate) fn write(&self, id: Option<&[u8]>, reply_with: impl Fn(&LocalReply<'_>)) {
        let id = if self.wants_callers_id() { id } else { None };
        let body = self.message(id);
        let json = ("content-type", "application/json");
        let details = format!("portcullis_{}", self.reason);
        let send = |headers: &[(&str, &str)]| {
            reply_with(&LocalReply {
                status: self.status,
                headers,
                body: &body,
                details: &details,
            });
        };
        match &self.header {
            None => send(&[json]),
            Some((name, value)) => send(&[json, (name, value)]),
        }
    }

    /// The answer as a message, for a client that finds it by its id alone.
    pub(crate) fn body(&self, id: &[u8]) -> String {
        self.message(Some(id))
    }

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
