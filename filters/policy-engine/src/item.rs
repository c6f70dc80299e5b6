//! The things that messages are about: a tool that its server lists, or something else that rules
//! name.

use std::sync::Arc;

use crate::ids::{RuleId, ToolId};
use crate::item_kind::ItemKind;
use crate::item_policy::ItemPolicy;
use crate::refusal::Refusal;

/// Something that a policy decides about: an item of the policy that gave it; means nothing to
/// another policy. A copy shares what it has.
#[derive(Clone, Debug)]
pub enum Item {
    /// A tool that its server lists.
    Tool(ToolId),
    /// Something that no list names, and a rule does.
    Unlisted(Arc<UnlistedItem>),
}

/// An item that no list names. What rules say of it is merged when a message names it, and goes
/// with the message: callers choose such names, so nothing of them is kept.
#[derive(Debug)]
pub struct UnlistedItem {
    pub(crate) kind: ItemKind,
    /// The place of its server among all.
    pub(crate) server: usize,
    /// The refusal of those about whom no rule says whether they may use it.
    pub(crate) closed: Option<Refusal>,
    pub(crate) policy: ItemPolicy,
    /// The rules that match it, in their order.
    pub(crate) rules: Box<[RuleId]>,
}

impl Item {
    /// The tool, where it is one.
    #[must_use]
    pub fn tool(&self) -> Option<ToolId> {
        match self {
            Self::Tool(tool) => Some(*tool),
            Self::Unlisted(_) => None,
        }
    }

    /// The kind of item.
    #[must_use]
    pub fn kind(&self) -> ItemKind {
        match self {
            Self::Tool(_) => ItemKind::Tool,
            Self::Unlisted(item) => item.kind,
        }
    }
}

impl From<ToolId> for Item {
    fn from(tool: ToolId) -> Self {
        Self::Tool(tool)
    }
}
