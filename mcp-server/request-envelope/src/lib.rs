//! The outside of an MCP request over HTTP, by which the layers before rmcp decide.
//!
//! An [`Envelope`] is the few fields of its message that matter there, [`read_begun`] finds two of
//! them in a message that broke off. A [`SessionId`] is all that there is to a session, and
//! [`correlation`] finds the id of the call that Envoy gave it. Whoever turns a request back says
//! so by [`refusal`], in JSON-RPC. Nothing here knows a tool, a session's state or rmcp's service,
//! and nothing reads what a request asks for.
//!
//! ```
//! use request_envelope::Envelope;
//!
//! let envelope = Envelope::read(br#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#);
//! assert_eq!((envelope.id.as_i64(), &*envelope.method), (Some(7), "ping"));
//! ```

pub mod correlation;
mod envelope;
pub mod refusal;
mod session_id;

pub use envelope::{Envelope, PROTOCOL_VERSION, is_stateless, read_begun};
pub use session_id::{NotASession, SessionId};
