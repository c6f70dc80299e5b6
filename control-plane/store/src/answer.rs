//! Answers to requests that had an idempotency key.

use time::OffsetDateTime;

/// A request that had a key, for whoever sends the same request again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The key that the request's author chose.
    pub key: String,
    /// The hash of the request, in hexadecimal: another request with this key is refused.
    pub request: String,
    /// How far it is, and what is kept of its answer.
    pub answer: KeptAnswer,
    /// When all of this is forgotten.
    pub ends_at: OffsetDateTime,
}

/// How far a request with a key is, and what is kept of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptAnswer {
    /// It has begun: whether it was done nobody knows.
    Begun,
    /// It was answered so.
    Whole {
        /// The status of the answer.
        status: u16,
        /// The headers of the answer, as the caller writes them.
        headers: String,
        /// The body of the answer.
        body: Vec<u8>,
    },
    /// It was answered with this status; the rest has made room for later answers.
    Status(u16),
}

/// Whether there was a place for the key of a request that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// It is kept until its time is over.
    Taken,
    /// So many keys are kept ([`MOST_KEYS`]) that there is no place for it: nothing was stored.
    NoneFree,
}

/// How many keys are kept, each for its whole time: more than a change a second all day, each of
/// which waits for Envoys, and some 20 MB of keys, hashes and statuses. None makes room before its
/// time is over: its request would be done a second time.
pub const MOST_KEYS: u32 = 100_000;
