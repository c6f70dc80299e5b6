//! The places in a caller's bytes where a reader has found the parts of a message.

use std::borrow::Cow;

use json_reader::decoded;

/// A range of bytes, counted from the start of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    /// The bytes of the value as they were sent. `body` starts at the body's first byte; where it
    /// does not reach the span, the answer is empty.
    #[must_use]
    pub fn raw(self, body: &[u8]) -> &[u8] {
        body.get(self.start..self.end).unwrap_or_default()
    }
}

/// A JSON string: the range between its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    pub(crate) span: Span,
    pub(crate) escaped: bool,
}

impl Text {
    /// The string that the JSON stands for, in UTF-8; escapes are resolved. `body` as in
    /// [`Span::raw`].
    #[must_use]
    pub fn decoded(self, body: &[u8]) -> Cow<'_, [u8]> {
        self.resolved(self.span.raw(body))
    }

    /// The string that its raw bytes stand for.
    pub(crate) fn resolved(self, raw: &[u8]) -> Cow<'_, [u8]> {
        decoded(raw, self.escaped)
    }
}

/// A member that names what a method is called on: only methods that use it need it to be a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Member {
    /// Not seen, so far.
    #[default]
    Absent,
    /// The member is a string.
    Text(Text),
    /// A value of another type.
    Other,
}

/// The prompt or resource of which `completion/complete` completes something: `params.ref`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reference {
    /// Not seen, so far, or not to its end.
    #[default]
    Absent,
    /// The object has ended.
    Whole {
        /// The type that it says, in `type`.
        kind: Member,
        /// The `name` of a prompt.
        name: Member,
        /// The `uri` of a resource, or a template of URIs.
        uri: Member,
    },
    /// A value of another type than an object.
    Other,
}

/// The kinds of messages, told apart by which members they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A method with an id: it is answered.
    Request,
    /// A method without an id: it is not.
    Notification,
    /// A result or an error, which clients of the legacy era send for requests of the server.
    Response,
}

/// All that is known of a message so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Message {
    pub(crate) jsonrpc: bool,
    pub(crate) id: Option<Span>,
    pub(crate) null_id: bool,
    pub(crate) method: Option<Text>,
    pub(crate) result: bool,
    pub(crate) error: bool,
    pub(crate) params: bool,
    pub(crate) name: Member,
    pub(crate) uri: Member,
    pub(crate) task_id: Member,
    pub(crate) reference: Reference,
    pub(crate) arguments: Option<Span>,
    pub(crate) protocol_version: Option<Text>,
}

impl Message {
    /// The id, as it was sent: a JSON string or integer, to be echoed byte for byte.
    #[must_use]
    pub fn id(&self) -> Option<Span> {
        self.id
    }

    /// The method, once its end has been seen.
    #[must_use]
    pub fn method(&self) -> Option<Text> {
        self.method
    }

    /// `params.name`: the tool or prompt.
    #[must_use]
    pub fn name(&self) -> Member {
        self.name
    }

    /// The resource that a method is called on: `params.uri`.
    #[must_use]
    pub fn uri(&self) -> Member {
        self.uri
    }

    /// The task that a method is called on: `params.taskId`.
    #[must_use]
    pub fn task_id(&self) -> Member {
        self.task_id
    }

    /// `params.ref`, once its end has been seen.
    #[must_use]
    pub fn reference(&self) -> Reference {
        self.reference
    }

    /// `params.arguments`: any JSON value, once its end has been seen.
    #[must_use]
    pub fn arguments(&self) -> Option<Span> {
        self.arguments
    }

    /// The protocol version in `params._meta["io.modelcontextprotocol/protocolVersion"]`.
    #[must_use]
    pub fn protocol_version(&self) -> Option<Text> {
        self.protocol_version
    }

    /// Whether `"jsonrpc": "2.0"` has been seen.
    #[must_use]
    pub fn is_json_rpc(&self) -> bool {
        self.jsonrpc
    }
}
