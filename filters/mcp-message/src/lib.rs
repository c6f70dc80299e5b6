//! MCP messages read from chunks of bytes, in both protocol eras.
//!
//! A proxy sees the body of a request in pieces, and must not let an upstream have the whole of it
//! before it knows what it says. [`Reader`] is given the bytes as they come and tells, as soon as
//! they hold it, which method is called, on which name, with which id, and where its arguments lie.
//! It builds no tree and copies nothing but unknown keys: what it finds are [`Span`]s of the
//! caller's bytes.
//!
//! Beside it: [`Era`] (what `MCP-Protocol-Version` says), [`Capability`] (which methods are named
//! in `Mcp-Name`), [`header_text`] (how such a header is decoded) and [`reply`] (JSON-RPC answers).
//!
//! `params.arguments` are the bulk of a call, and a policy with a schema for them reads them
//! itself: [`Reader::skipping_arguments`] then only finds their end, so that no byte is read twice.
//! What nobody else reads, [`Reader::read_skipped`] does.
//!
//! The crate never does I/O, knows nothing of HTTP, and never panics on what a caller sends. It
//! reads the envelope; what `arguments` may hold is the policy engine's to say.
//!
//! ```
//! use mcp_message::{EndOfBody, Kind, MessageBounds, ReadProgress, Reader};
//!
//! let body = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"list_tables"}}"#;
//! let mut reader = Reader::new(MessageBounds::default());
//!
//! // The first read holds the method already …
//! assert_eq!(reader.push(&body[..50], EndOfBody::NotYet)?, ReadProgress::Partial);
//! assert_eq!(reader.message().method().unwrap().decoded(body), &b"tools/call"[..]);
//!
//! // … and the whole body the rest. What is buffered is given again; no byte is read twice.
//! assert_eq!(reader.push(body, EndOfBody::Reached)?, ReadProgress::Complete(Kind::Request));
//! assert_eq!(reader.message().id().unwrap().raw(body), b"7");
//! # Ok::<(), mcp_message::ReadError>(())
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

mod capability;
mod era;
mod error;
mod header;
mod known_methods;
mod message;
mod reader;
pub mod reply;

pub use capability::Capability;
pub use era::{Era, LegacyRevision, MODERN, PROTOCOL_VERSION, SUPPORTED, UnsupportedVersion};
pub use error::{Invalid, Place, ReadError};
pub use header::{HeaderTextError, header_text, header_text_of};
pub use json_reader::{MAX_DEPTH, NotJson};
pub use known_methods::KNOWN_METHODS;
pub use message::{Kind, Member, Message, Reference, Span, Text};
pub use reader::{
    ArgumentsProgress, ArgumentsReader, EndOfBody, MessageBounds, ReadProgress, Reader,
};
