//! The request path of MCP as a pure state machine: read, authorise, validate, limit, route; or
//! answer.
//!
//! It makes no call to the proxy. What comes of a request goes in as an [`Event`]; what is to be
//! done comes out as [`Effect`]s and, last, as [`Next`]: the request goes on, is held, or waits for
//! the answer to something that is asked of the proxy, which comes in as an event, too. Whoever
//! carries the effects out decides nothing.
//!
//! - [`Settings`] is what requests are judged by: a compiled policy, and the VM's [`Budgets`].
//! - [`RequestPath`] is one request on its way.
//! - [`Reply`] is an answer of the gateway's own; `answer.rs` is the table of their status codes
//!   and forms.
//!
//! Whatever cannot be read is refused: no upstream holds a complete message that has not been
//! allowed. Nothing here panics; the only state that requests share is that of the budgets.
//!
//! ```
//! use policy_engine::{SchemaCache, compile, slots::HashKey, wire::FilterConfig};
//! use proxy_values::{HeaderPairs, StreamId};
//! use request_path::{Budgets, Effect, Effects, Event, HeaderValue, Next, RequestPath, Settings};
//! use std::rc::Rc;
//!
//! let config: FilterConfig = serde_json::from_str(r#"{
//!   "version": 1, "listener": "mcp",
//!   "allowed_hosts": ["localhost"], "allowed_origins": [],
//!   "max_body_bytes": 1048576, "max_depth": 128,
//!   "endpoints": [{"path": "/mcp", "servers": ["data"], "forward": "data"}],
//!   "servers": {"data": {"cluster": "data", "path": "/mcp", "tools": {"list_tables": {}}}},
//!   "defaults": {"access": "allow", "validate": "enforce"}
//! }"#)?;
//! let policy = compile(&config, &mut SchemaCache::new())?;
//! let settings = Rc::new(Settings::new(policy, HashKey([7; 16]), &Budgets::default()));
//!
//! let mut path = RequestPath::new(Some(settings), StreamId(1));
//! let mut effects = Effects::new();
//! let pairs = HeaderPairs::of([
//!     (":method", &b"POST"[..]), (":path", b"/mcp"), (":authority", b"localhost:10000"),
//!     ("content-type", b"application/json"),
//! ]);
//! let next = path.on(Event::Headers { pairs: &pairs, end: false }, &mut effects);
//! assert!(matches!(next, Next::Hold) && effects.is_empty());
//!
//! let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_tables"}}"#;
//! assert_eq!(path.wanted(body.len()), 0..body.len());
//! let event = Event::Body { size: body.len(), fresh: body.to_vec(), end: true };
//! assert!(matches!(path.on(event, &mut effects), Next::Decide(_)));
//! assert!(matches!(path.on(Event::Decide, &mut effects), Next::Go));
//! let routed = effects.iter().any(|effect| matches!(effect,
//!     Effect::SetHeader { name: "x-portcullis-cluster", value: HeaderValue::Cluster(_) }));
//! assert!(routed);
//! # Ok::<(), Box<dyn std::error::Error>>(())
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

mod agreement;
mod answer;
mod budget_size;
mod dry_run;
mod effects;
mod head;
mod look_alikes;
mod passed_on;
mod path;
mod request_budget;
mod settings;
mod warning_pace;

pub use answer::{Answer, Reply};
pub use dry_run::{DryRun, Fate};
pub use effects::{Effect, Effects, Event, HeaderValue, Next};
pub use path::RequestPath;
pub use request_budget::NotedId;
pub use settings::{Budgets, Settings};
