//! Answers to requests that had an idempotency key.

use time::OffsetDateTime;

/// The answer to a request that had a key, for whoever sends the same request again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The key that the request's author chose.
    pub key: String,
    /// The hash of the request, in hexadecimal: another request with this key is refused.
    pub request: String,
    /// The status of the answer.
    pub status: u16,
    /// The headers of the answer, as the caller writes them.
    pub headers: String,
    /// The body of the answer.
    pub body: Vec<u8>,
    /// When the answer is forgotten.
    pub ends_at: OffsetDateTime,
}
