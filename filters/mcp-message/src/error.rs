//! Why a body could not be read.

use json_reader::NotJson;
use thiserror::Error;

/// A body that is not one readable JSON-RPC message.
///
/// The message of each variant is a sentence for the caller; [`ReadError::code`] is its JSON-RPC
/// code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The bytes are not JSON.
    #[error("the body is not JSON at byte {at}: {why}")]
    NotJson {
        /// Offset of the offending byte from the start of the body.
        at: usize,
        /// The reason why that byte cannot stand there.
        why: NotJson,
    },
    /// An object that the reader looks into names a key twice.
    #[error("the key `{key}` occurs twice in {place}; send it once")]
    DuplicateKey {
        /// The key, decoded, cut to a printable length.
        key: String,
        /// The object that repeats it.
        place: Place,
    },
    /// An object that the reader looks into has a key that is not a known one, but that a server
    /// which ignores case, trims or stops at a NUL would take for it.
    #[error("the key `{key}` in {place} must be written `{known}`; write it so, or leave it out")]
    MisspeltKey {
        /// The key, decoded, cut to a printable length.
        key: String,
        /// The known key that such a server would read.
        known: &'static str,
        /// The object that holds the key.
        place: Place,
    },
    /// The method is none that the protocol knows, but a server that ignores case, trims or stops
    /// at a NUL would take it for one.
    #[error("the method `{method}` must be written `{known}`; write it so, or use another")]
    MisspeltMethod {
        /// The method, decoded, cut to a printable length.
        method: String,
        /// The method that such a server would run.
        known: &'static str,
    },
    /// An object that the reader looks into has more keys than any message needs.
    #[error("{place} has more than {limit} keys that the protocol does not name")]
    TooManyKeys {
        /// The object that has too many keys.
        place: Place,
        /// How many keys it may have.
        limit: usize,
    },
    /// The body is an array: a JSON-RPC batch.
    #[error("batches are not accepted; send each message in a request of its own")]
    Batch,
    /// The body is a JSON value other than an object.
    #[error("the body is not a JSON-RPC message; send one JSON object")]
    NotAnObject,
    /// Objects and arrays nest too deep.
    #[error("the body nests deeper than {limit} levels")]
    TooDeep {
        /// How deep it may nest.
        limit: usize,
    },
    /// The body is too large.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// How many bytes it may have.
        limit: usize,
    },
    /// A member of the envelope has the wrong type or value.
    #[error("`{member}` must be {expected}")]
    WrongMember {
        /// The member, with its path.
        member: &'static str,
        /// The type or value that the member must have.
        expected: &'static str,
    },
    /// The members do not make up a message.
    #[error("{0}")]
    Invalid(Invalid),
}

/// An object whose keys the reader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Place {
    /// The object that is the message.
    #[error("the message")]
    Message,
    /// The object in the message's `params`.
    #[error("`params`")]
    Params,
    /// The `ref` in its `params`.
    #[error("`params.ref`")]
    Reference,
    /// The `_meta` in its `params`.
    #[error("`params._meta`")]
    Meta,
}

/// Why members that are each in order make up no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Invalid {
    /// The member `jsonrpc` is missing.
    #[error("`jsonrpc` is missing; it must be the string 2.0")]
    NoVersion,
    /// Neither a method nor an outcome.
    #[error("the message has neither `method` nor `result` or `error`")]
    NeitherCallNorResponse,
    /// A method and an outcome, or two outcomes.
    #[error("the message has more than one of `method`, `result` and `error`")]
    Ambiguous,
    /// A response that does not say to what.
    #[error("the response has no `id`")]
    ResponseWithoutId,
    /// A request whose id is null.
    #[error("`id` must be a string or an integer")]
    NullId,
}

impl ReadError {
    /// The JSON-RPC code: -32700 (parse error) or -32600 (invalid request).
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::NotJson { .. } => -32700,
            _ => -32600,
        }
    }
}
