//! The ways by which MCP travels: one module for each.
//!
//! A transport receives messages, tells the MCP server what it knows of who sends them (an
//! [`crate::mcp::Incoming`]), and sends the answers. What a message means is the part of
//! [`crate::mcp`].

mod attended_messages;
pub mod http;
pub mod stdio;
