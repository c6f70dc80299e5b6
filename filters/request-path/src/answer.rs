//! Every answer that the filter gives itself: HTTP status, JSON-RPC form, sentence. One table.
//!
//! Sentences stand on one line without double quotes, because some clients show them inside escaped
//! JSON; all that the caller must know is in them, because clients hide headers and `data`
//! (`docs/decisions/0001-status-codes.md`).

mod writing;

use mcp_message::{Era, ReadError, SUPPORTED, UnsupportedVersion, reply};
use policy_engine::{ItemKind, Refusal, echo};

use crate::request_budget::SLOW;

pub use writing::Reply;

const INVALID_REQUEST: i32 = -32600;
const INVALID_PARAMS: i32 = -32602;
const INTERNAL_ERROR: i32 = -32603;
const HEADER_MISMATCH: i32 = -32020;
const UNSUPPORTED_VERSION: i32 = -32022;
// Our own codes lie outside -32768…-32000, which JSON-RPC and MCP keep for themselves.
const FORBIDDEN: i32 = 40300;
const LIMITED: i32 = 42900;
const NOT_READY: i32 = 50300;

/// An answer of the filter's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    status: u16,
    header: Option<(&'static str, Box<str>)>,
    form: Form,
    id: EchoedId,
    reason: &'static str,
    /// The rule that refused, where one did.
    rule: Option<Box<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Error {
        code: i32,
        message: String,
        data: Option<Box<str>>,
    },
    /// A tool's result that says what was wrong, so that a model mends its call (SEP-1303).
    ToolError { text: String, era: Era },
}

/// Whose id an answer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EchoedId {
    /// The caller's, if it can be read.
    Callers,
    /// `null`: the message was not looked at, or is none.
    Null,
}

/// The reason against a message that does not name what it must.
const NAMELESS: &str = "nameless";

/// The reason against a message that cannot be read.
fn reason_of_unreadable(error: &ReadError) -> &'static str {
    match error {
        ReadError::TooLarge { .. } => "body_too_large",
        _ => "unreadable",
    }
}

impl Answer {
    /// The answer to a call that the engine refused.
    pub(crate) fn refused(refusal: &Refusal, era: Era) -> Self {
        let reason = refusal.reason();
        let sentence = refusal.sentence();
        match refusal {
            Refusal::UnknownTool { .. } | Refusal::NotNormal { .. } => {
                Self::error(200, INVALID_PARAMS, reason, sentence).with_callers_id()
            }
            Refusal::BadArguments { .. } => Self::tool_error(era, reason, sentence),
            Refusal::ArgumentsNotRead { .. } => {
                Self::error(200, INVALID_PARAMS, reason, sentence).for_call(era)
            }
            Refusal::Uncheckable { .. } => {
                Self::error(200, INTERNAL_ERROR, reason, sentence).for_call(era)
            }
            // A 403 would end the session of old SDKs.
            Refusal::ClosedMethod { .. } => {
                let status = if era == Era::Modern { 403 } else { 200 };
                Self::error(status, FORBIDDEN, reason, sentence).with_callers_id()
            }
            Refusal::Forbidden { kind, rule, .. } => Self::error(403, FORBIDDEN, reason, sentence)
                .with_rule(rule.as_ref())
                .for_item(*kind, era),
            Refusal::Limited {
                kind, rule, limit, ..
            } => {
                let seconds = refusal.retry_after_seconds().unwrap_or(1);
                let mut data = format!("{{\"retryAfterSeconds\":{seconds},\"rule\":");
                reply::push_string(&mut data, rule);
                data.push_str(",\"limit\":");
                reply::push_string(&mut data, limit);
                data.push('}');
                Self::error(429, LIMITED, reason, sentence)
                    .with_rule(Some(rule))
                    .with_header("retry-after", seconds.to_string())
                    .with_data(data)
                    .for_item(*kind, era)
            }
        }
    }

    /// The answer to a call while the state of its limits cannot be read or written.
    pub(crate) fn limits_unavailable(kind: ItemKind, era: Era) -> Self {
        let sentence =
            "the limits of this call cannot be checked at the moment; try again in 1 s".to_owned();
        Self::error(503, NOT_READY, "limits_unavailable", sentence)
            .with_header("retry-after", "1".to_owned())
            .for_item(kind, era)
    }

    /// No configuration is in force.
    pub(crate) fn not_ready() -> Self {
        let sentence = "this gateway has no configuration yet; try again in 1 s".to_owned();
        Self::error(503, NOT_READY, "not_ready", sentence)
            .with_header("retry-after", "1".to_owned())
    }

    /// The budget for unfinished requests is used up; or this one has to make way for another.
    pub(crate) fn no_room(reason: &'static str) -> Self {
        let seconds = SLOW.as_secs();
        let sentence = format!(
            "this gateway holds as many unfinished requests as it can; try again in {seconds} s, \
             and send the body at once"
        );
        Self::error(503, NOT_READY, reason, sentence)
            .with_header("retry-after", seconds.to_string())
    }

    /// The server's part of the budget for bodies that are not answered yet is used up.
    pub(crate) fn servers_behind() -> Self {
        let seconds = SLOW.as_secs();
        let sentence = format!(
            "the server behind this gateway has as many large calls to answer as there is room \
             for; try again in {seconds} s"
        );
        Self::error(503, NOT_READY, "servers_behind", sentence)
            .with_header("retry-after", seconds.to_string())
    }

    /// The body is not one readable message.
    pub(crate) fn unreadable(error: &ReadError) -> Self {
        let status = match error {
            ReadError::TooLarge { .. } => 413,
            _ => 400,
        };
        let reason = reason_of_unreadable(error);
        Self::error(status, error.code(), reason, error.to_string())
    }

    /// A request for a stream of events that is larger than any such request need be.
    pub(crate) fn stream_request_too_large(limit: usize, era: Era) -> Self {
        // Another status would end the session of old SDKs.
        let status = if era == Era::Modern { 413 } else { 200 };
        let sentence = format!(
            "a request that opens a stream of events has at most {limit} bytes; ask for fewer \
             events at once"
        );
        let code = ReadError::TooLarge { limit }.code();
        Self::error(status, code, "body_too_large", sentence).with_callers_id()
    }

    /// A message that can be read, but not be passed on.
    pub(crate) fn invalid(sentence: String) -> Self {
        Self::error(400, INVALID_REQUEST, "invalid_request", sentence).with_callers_id()
    }

    /// Not a method of HTTP that an MCP endpoint takes; `allow` lists those.
    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let sentence = format!("an MCP endpoint takes {allow}");
        Self::error(405, INVALID_REQUEST, "method_not_allowed", sentence)
            .with_header("allow", allow.to_owned())
    }

    /// The proxy did not hand over the headers, or lost some of them.
    pub(crate) fn headers_lost() -> Self {
        let sentence = "the headers could not be read; send the request again".to_owned();
        Self::error(400, INVALID_REQUEST, "headers_lost", sentence)
    }

    /// A path that some server might take for an MCP endpoint, and that is none.
    pub(crate) fn no_such_path() -> Self {
        let sentence =
            "there is nothing at this path; write the path of the MCP endpoint exactly".to_owned();
        Self::error(404, INVALID_REQUEST, "path", sentence)
    }

    /// A tunnel, where a message was expected.
    pub(crate) fn upgrade() -> Self {
        Self::error(
            400,
            INVALID_REQUEST,
            "upgrade",
            "an MCP endpoint takes no upgrade; send a POST".to_owned(),
        )
    }

    /// `Host` names another host.
    pub(crate) fn host_not_allowed(host: &[u8]) -> Self {
        let sentence = format!(
            "the host `{}` is not one that this gateway answers to",
            echo(host)
        );
        Self::error(403, INVALID_REQUEST, "host", sentence)
    }

    /// `Origin` names another origin.
    pub(crate) fn origin_not_allowed(origin: &[u8]) -> Self {
        let sentence = format!("the origin `{}` is not allowed here", echo(origin));
        Self::error(403, INVALID_REQUEST, "origin", sentence)
    }

    /// A header has a value that is not UTF-8.
    pub(crate) fn header_not_text(name: &[u8]) -> Self {
        let sentence = format!(
            "the header `{}` is not UTF-8 text; encode its value, or leave it out",
            echo(name)
        );
        Self::error(400, INVALID_REQUEST, "header_not_text", sentence).with_callers_id()
    }

    /// The body has a type that is not JSON.
    pub(crate) fn content_type() -> Self {
        let sentence =
            "the body must be JSON; send it as content-type application/json in UTF-8".to_owned();
        Self::error(415, INVALID_REQUEST, "content_type", sentence)
    }

    /// The body is compressed.
    pub(crate) fn content_encoding() -> Self {
        let sentence =
            "the body must not be compressed; send it without content-encoding".to_owned();
        Self::error(415, INVALID_REQUEST, "content_encoding", sentence)
            .with_header("accept-encoding", "identity".to_owned())
    }

    /// Trailers, which no MCP message has.
    pub(crate) fn trailers() -> Self {
        Self::error(
            400,
            INVALID_REQUEST,
            "trailers",
            "a message must not end in trailers; send the body alone".to_owned(),
        )
    }

    /// A body, or what is none but goes on all the same, where there must be nothing.
    pub(crate) fn unexpected_body() -> Self {
        Self::error(
            400,
            INVALID_REQUEST,
            "unexpected_body",
            "a GET or DELETE ends with its headers; send it without body, and ask for no upgrade"
                .to_owned(),
        )
    }

    /// The proxy did not hand over the body that it announced.
    pub(crate) fn body_lost() -> Self {
        Self::error(
            500,
            NOT_READY,
            "body_lost",
            "the body could not be read; send the request again".to_owned(),
        )
    }

    /// Headers that are missing, doubled or at odds with the body (2026-07-28, "Server
    /// Validation").
    pub(crate) fn header_mismatch(sentence: String) -> Self {
        Self::error(400, HEADER_MISMATCH, "header_mismatch", sentence).with_callers_id()
    }

    /// A protocol version that nobody here knows.
    pub(crate) fn unsupported_version(error: UnsupportedVersion, requested: &[u8]) -> Self {
        let mut data = "{\"supported\":[".to_owned();
        for (index, version) in SUPPORTED.iter().enumerate() {
            if index > 0 {
                data.push(',');
            }
            reply::push_string(&mut data, version);
        }
        data.push_str("],\"requested\":");
        reply::push_string(&mut data, &echo(requested));
        data.push('}');
        Self::error(
            400,
            UNSUPPORTED_VERSION,
            "unsupported_version",
            error.to_string(),
        )
        .with_callers_id()
        .with_data(data)
    }

    /// A modern request whose `_meta` lacks what every request must say.
    pub(crate) fn missing_meta() -> Self {
        let sentence = "`params._meta` must hold `io.modelcontextprotocol/protocolVersion`, the \
                        same as the header"
            .to_owned();
        Self::error(400, INVALID_PARAMS, "missing_meta", sentence).with_callers_id()
    }

    /// A method that is called on something, without its name.
    pub(crate) fn nameless(method: &str, lacks: &str) -> Self {
        Self::error(
            200,
            INVALID_PARAMS,
            NAMELESS,
            format!("`{method}` needs {lacks}"),
        )
        .with_callers_id()
    }

    /// A short fixed word, for statistics and the access log.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// The sentence for the caller.
    #[must_use]
    pub fn sentence(&self) -> &str {
        match &self.form {
            Form::Error { message, .. } => message,
            Form::ToolError { text, .. } => text,
        }
    }

    /// The rule that refused; none where a default did, or no policy.
    pub(crate) fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }

    pub(crate) fn wants_callers_id(&self) -> bool {
        self.id == EchoedId::Callers
    }

    /// Whether only the caller's id tells which request this answers: the HTTP status says nothing
    /// went wrong.
    pub(crate) fn is_lost_without_id(&self) -> bool {
        self.wants_callers_id() && self.status == 200
    }

    /// Turns an answer that only the caller's id would tell from good news into one that says so by
    /// its status: the answer to a notification (Streamable HTTP, "Sending Messages to the
    /// Server").
    pub(crate) fn speak_without_id(&mut self) {
        if self.is_lost_without_id() {
            self.status = 400;
            self.id = EchoedId::Null;
        }
    }

    fn error(status: u16, code: i32, reason: &'static str, message: String) -> Self {
        let form = Form::Error {
            code,
            message,
            data: None,
        };
        Self {
            status,
            header: None,
            form,
            id: EchoedId::Null,
            reason,
            rule: None,
        }
    }

    fn tool_error(era: Era, reason: &'static str, text: String) -> Self {
        Self {
            status: 200,
            header: None,
            form: Form::ToolError { text, era },
            id: EchoedId::Callers,
            reason,
            rule: None,
        }
    }

    /// Turns the error into the answer to a `tools/call`: on session-based revisions a tool result
    /// under 200, because their SDKs end the session on any other status and show errors to nobody.
    pub(crate) fn for_call(self, era: Era) -> Self {
        match (self.form, era) {
            (Form::Error { message, .. }, Era::Legacy(_)) => Self {
                header: self.header,
                rule: self.rule,
                ..Self::tool_error(era, self.reason, message)
            },
            (form, _) => Self { form, ..self }.with_callers_id(),
        }
    }

    /// Turns the error into the answer to a message about an item of this kind: that to a tool call
    /// has a form of its own; of other messages session-based revisions get an error under 200,
    /// because a 4xx would end the session of old SDKs.
    fn for_item(self, kind: ItemKind, era: Era) -> Self {
        match (kind, era) {
            (ItemKind::Tool, _) => self.for_call(era),
            (_, Era::Legacy(_)) => Self {
                status: 200,
                ..self
            }
            .with_callers_id(),
            (_, Era::Modern) => self.with_callers_id(),
        }
    }

    fn with_rule(self, rule: Option<&String>) -> Self {
        Self {
            rule: rule.map(|rule| rule.as_str().into()),
            ..self
        }
    }

    fn with_callers_id(self) -> Self {
        Self {
            id: EchoedId::Callers,
            ..self
        }
    }

    fn with_header(self, name: &'static str, value: String) -> Self {
        Self {
            header: Some((name, value.into())),
            ..self
        }
    }

    fn with_data(mut self, json: String) -> Self {
        if let Form::Error { data, .. } = &mut self.form {
            *data = Some(json.into());
        }
        self
    }
}
