//! The calls of a filter to the proxy that it runs in, behind small traits.
//!
//! - [`RequestHeaders`]: one fetch of all pairs ([`HeaderPairs`]), and changes;
//! - [`RequestBody`]: the bytes that the proxy holds;
//! - [`Answering`]: a reply of the filter's own, or the end of the stream;
//! - [`SharedData`]: values that all worker threads see, with compare-and-set;
//!   [`shared_hash_key`] agrees on a key there;
//! - [`Metrics`]: the proxy's counters, gauges and histograms;
//! - [`Clock`]: the time of day, and time that passes.
//!
//! [`fake`] implements them for tests, `envoy` (on wasm only) by Envoy's calls. Nothing here
//! decides anything about a request; all values are bytes, because a caller's need not be UTF-8; a
//! call that fails is answered as if the thing were not there, never by a panic, which would kill
//! every stream of the worker.
//!
//! ```
//! use proxy_host::{RequestHeaders, fake::FakeProxy};
//!
//! let headers = [(":path", &b"/mcp"[..]), ("x-a", b"\xff"), ("x-a", b"2")];
//! let proxy = FakeProxy::new().with_headers(headers);
//! let pairs = proxy.header_pairs();
//! let of_x_a = pairs.iter().filter(|(name, _)| *name == b"x-a");
//! let seen: Vec<&[u8]> = of_x_a.map(|(_, value)| value).collect();
//! assert_eq!(seen, [&b"\xff"[..], b"2"]); // both, as they were sent
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

#[cfg(target_arch = "wasm32")]
pub mod envoy;
pub mod fake;
mod hash_key;
mod traits;

pub use hash_key::{NoRandomness, shared_hash_key};
pub use proxy_values::{HeaderPairs, LocalReply, StreamId};
pub use traits::{
    Answering, Clock, Conflict, MetricId, MetricKind, Metrics, RequestBody, RequestHeaders,
    SharedData, SharedValue, Version,
};
