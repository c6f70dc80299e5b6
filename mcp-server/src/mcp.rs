//! MCP itself, however it travels: its methods, and the answers that each revision expects.
//!
//! A transport makes an [`McpServer`] and gives every request an [`Incoming`]: what it knows of who
//! asks. The server makes a [`crate::call::Call`] of it, runs the tool of that name, and answers in
//! the form of the client's revision. Nothing here knows of HTTP.

mod answer;
mod asking;
pub mod audit;
mod calls;
mod catalogue;
mod client_logs;
mod completion;
mod confirmation;
mod failure;
mod incoming;
mod inputs;
mod listening;
mod memory;
mod methods;
mod plain_call;
mod progress;
mod prompt_methods;
mod raw_result;
mod resource_methods;
mod running_calls;
mod server;
mod subscriptions;
mod task_reports;
mod tasks;
mod tool_calls;
mod watching;

pub use catalogue::Catalogue;
pub use incoming::{FindIncoming, Incoming};
pub use listening::{ChangeListener, Gone, WayBack};
pub use methods::{RequestedMethod, name_of_method};
pub use plain_call::{PlainAnswer, PlainCall};
pub use raw_result::RawResult;
pub use running_calls::{CallGuard, RunningCalls};
pub use server::McpServer;
