//! Which rule decides what: the policy of one item, field by field.

use serde::Serialize;

use crate::wire::Validate;

/// The policy in force for one item.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The name of the server that has the item.
    pub server: String,
    /// The server's own name of the tool, or of another item.
    pub tool: String,
    /// The roles that may call; `["*"]` is everyone, `[]` nobody.
    pub allow: Field<Vec<String>>,
    /// Whether arguments are checked.
    pub validate: Field<Validate>,
    /// The hash of the schema from the server's catalogue.
    pub input_schema: Option<String>,
    /// The hash of the operator's own schema.
    pub constraints: Field<Option<String>>,
    /// How long the server may take, in milliseconds.
    pub timeout_ms: Field<Option<u64>>,
    /// The cluster that the call goes to.
    pub cluster: Field<String>,
    /// The limits of all matching rules.
    pub limits: Vec<ExplainedLimit>,
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field<T> {
    /// The value in force for whoever no candidate names.
    pub value: T,
    /// The rule that set it; none where the default holds.
    pub rule: Option<String>,
    /// The values that hold before it for some callers, in their order: the first whose roles the
    /// caller holds is in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<ConditionalValue<T>>,
}

/// A value that holds for some callers, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConditionalValue<T> {
    /// The roles of which a caller must hold one.
    pub roles: Vec<String>,
    /// The value in force for them.
    pub value: T,
    /// The rule that sets it.
    pub rule: String,
}

/// A limit and its rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedLimit {
    /// The name of the rule that holds the limit.
    pub rule: String,
    /// The limit's name within it.
    pub id: String,
    /// The dimensions whose values each have a bucket of their own.
    pub per: Vec<String>,
    /// How many calls may pass in each window.
    pub requests: u64,
    /// The window, in milliseconds.
    pub window_ms: u64,
    /// Calls that may come at once.
    pub burst: u64,
    /// The roles of the callers whose calls it counts; empty where it counts everyone's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}
