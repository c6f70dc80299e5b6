//! Which methods are called on something that has a name, and where the body holds it.

use crate::message::{Member, Message};

/// The kind of thing that a method is called on (2026-07-28, Streamable HTTP, "Standard Request
/// Headers", and SEP-2663 for tasks): for all but `Plain`, `Mcp-Name` repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// A tool: `tools/call` names it in `params.name`.
    Tool,
    /// A prompt: `prompts/get` names it in `params.name`.
    Prompt,
    /// A resource: `resources/read` names it in `params.uri`.
    Resource,
    /// `tasks/get`, `tasks/update` and `tasks/cancel`, on `params.taskId`.
    Task,
    /// Nothing that has a name: every other method.
    Plain,
}

impl Capability {
    /// The kind of thing that `method` is called on.
    #[must_use]
    pub fn of_method(method: &[u8]) -> Self {
        match method {
            b"tools/call" => Self::Tool,
            b"prompts/get" => Self::Prompt,
            b"resources/read" => Self::Resource,
            b"tasks/get" | b"tasks/update" | b"tasks/cancel" => Self::Task,
            _ => Self::Plain,
        }
    }

    /// The member of `params` that holds the name, with its path; none for [`Capability::Plain`].
    #[must_use]
    pub fn member(self) -> Option<&'static str> {
        match self {
            Self::Tool | Self::Prompt => Some("params.name"),
            Self::Resource => Some("params.uri"),
            Self::Task => Some("params.taskId"),
            Self::Plain => None,
        }
    }

    /// That member of `message`, as far as it has been read.
    #[must_use]
    pub fn named_in(self, message: &Message) -> Member {
        match self {
            Self::Tool | Self::Prompt => message.name(),
            Self::Resource => message.uri(),
            Self::Task => message.task_id(),
            Self::Plain => Member::Absent,
        }
    }
}
