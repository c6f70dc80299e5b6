//! The request path of MCP inside Envoy: what `request-path` says is carried out here, by calls to
//! the proxy, and counted.
//!
//! - [`Plugin`] is one configuration in force: the compiled policy and its statistics. What
//!   outlives a configuration is in [`VmState`].
//! - [`Request`] is one request on its way: [`Request::on_headers`], [`Request::on_body`] and
//!   [`Request::on_trailers`] each say whether it goes on or waits ([`Flow`]), or have answered it.
//!
//! A request that passes carries `x-portcullis-cluster`, by which the listener's one MCP route
//! finds the cluster; a client's own header of that name never gets through. Nothing here decides,
//! panics, waits or keeps state between requests; limits are in the proxy's shared data.
//!
//! ```
//! use mcp_filter::{Flow, Plugin, Request, VmState};
//! use proxy_host::{StreamId, fake::{FakeProcess, FakeProxy}};
//! use std::rc::Rc;
//!
//! let process = FakeProcess::new();
//! let plugin = Rc::new(Plugin::configure(br#"{
//!   "version": 1, "listener": "mcp",
//!   "allowed_hosts": ["localhost"], "allowed_origins": [],
//!   "max_body_bytes": 1048576, "max_depth": 128,
//!   "endpoints": [{"path": "/mcp", "servers": ["data"], "forward": "data"}],
//!   "servers": {"data": {"cluster": "data", "path": "/mcp", "tools": {"list_tables": {}}}},
//!   "defaults": {"access": "allow", "validate": "enforce"}
//! }"#, &mut VmState::new([7; 16]), &process)?);
//!
//! let proxy = FakeProxy::in_process(&process).with_headers([
//!     (":method", &b"POST"[..]), (":path", b"/mcp"), (":authority", b"localhost:10000"),
//!     ("content-type", b"application/json"),
//! ]);
//! let mut request = Request::new(&proxy, Some(plugin), StreamId(1));
//! assert_eq!(request.on_headers(false), Flow::Wait);
//!
//! let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_tables"}}"#;
//! proxy.receive(body);
//! assert_eq!(request.on_body(body.len(), true), Flow::Continue);
//! assert_eq!(proxy.header("x-portcullis-cluster"), ["data"]);
//! # Ok::<(), mcp_filter::ConfigureError>(())
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

mod access_notes;
#[cfg(target_arch = "wasm32")]
mod entry;
mod plugin;
mod request;
mod statistics;

pub use plugin::{ConfigureError, Plugin, VmState};
pub use request::{Flow, Host, Request};
