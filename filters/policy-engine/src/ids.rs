//! The ids of what a policy names: small values that outlive the look at it.

/// An endpoint of the policy that gave it; means nothing to another policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EndpointId(pub(crate) u32);

/// A tool of the policy that gave it; means nothing to another policy. Less than
/// [`Policy::tool_count`](crate::Policy::tool_count).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToolId(pub(crate) u32);

impl ToolId {
    /// The tool's place among all that the servers list.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A rule of the policy that gave it; means nothing to another policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub(crate) u32);

impl RuleId {
    /// The rule's place among all.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The rules that decide about one call, field by field; none where a default does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The rule that says who may call.
    pub allow: Option<RuleId>,
    /// The rule that says whether arguments are checked.
    pub validate: Option<RuleId>,
    /// The rule whose schema they are checked by, besides the tool's own.
    pub constraints: Option<RuleId>,
    /// The rule that says how long the server may take.
    pub timeout: Option<RuleId>,
    /// The rule that says where the call goes.
    pub route: Option<RuleId>,
}
