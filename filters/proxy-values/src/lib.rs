//! The values that go between a filter and its proxy, as plain data: no calls, no decisions.
//!
//! - [`HeaderPairs`]: a header map as the proxy hands it over, one block of bytes;
//! - [`LocalReply`]: an answer that does not come from upstream;
//! - [`StreamId`]: a request of the worker.
//!
//! Who decides about a request speaks in these; the calls that carry them are in `proxy-host`.
//!
//! ```
//! use proxy_values::HeaderPairs;
//!
//! let pairs = HeaderPairs::of([(":path", &b"/mcp"[..]), ("x-a", b"\xff")]);
//! let names: Vec<&[u8]> = pairs.iter().map(|(name, _)| name).collect();
//! assert_eq!(names, [&b":path"[..], b"x-a"]);
//! ```
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod header_pairs;

pub use header_pairs::HeaderPairs;

/// An answer that does not come from upstream.
#[derive(Debug, Clone, Copy)]
pub struct LocalReply<'a> {
    /// The HTTP status of the answer.
    pub status: u16,
    /// Headers to send besides `content-length`.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body of the answer, whole.
    pub body: &'a str,
    /// A word for the access log (`%RESPONSE_CODE_DETAILS%`), without white space.
    pub details: &'a str,
}

/// A request of the worker, as the proxy numbers them: means nothing once the request is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);
