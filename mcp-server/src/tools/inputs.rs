//! The things that a call can need of its client before it can be made.

use rmcp::model::InputRequests;
use serde_json::Value;

/// The thing that a call needs of its client before it can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The user's yes to this question: then the same call with `confirm: true`.
    Confirmation(String),
    /// Other input, on revisions where a result can ask for it.
    Inputs(Inputs),
    /// The ability to follow a task, without which the call is not made.
    Task,
}

/// Input that a client answers, and then makes its call again with the answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// The questions by names of the asker's own. Those that the client cannot answer are left out.
    pub requests: InputRequests,
    /// The value that comes back with the answers, and that no client can have changed.
    pub state: Option<Value>,
    /// Whether a client that can answer none of the questions is refused for it.
    pub are_required: bool,
}

// A request is a message, in which nothing is unequal to itself.
impl Eq for Inputs {}
