//! Rules for tools, prompts, resources and methods: who may use them, how often, with which
//! arguments, and where the call goes.

use std::collections::BTreeMap;

use policy_engine::ItemKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

use super::Validate;
use crate::catalogue::SchemaText;
use crate::names::{ClusterName, LimitId, ListenerName, RoleName, RuleName, Selector, ServerName};
use crate::span::Span;
use crate::unique::{self, UniqueValue};

/// One rule for tools, or for prompts, resources or methods. Everything but the name may be left
/// out; what is left out, another rule or the defaults say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique in the document. It is part of the identity of the rule's limits: a renamed rule
    /// counts from zero.
    pub name: RuleName,
    /// Which calls it is about; without it, all calls of tools.
    #[serde(
        rename = "match",
        default,
        skip_serializing_if = "Match::is_everything"
    )]
    pub matches: Match,
    /// The roles that may call; `*` is everyone, an empty list no one. What no rule says it of,
    /// `defaults.access` decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<Selector<RoleName>>>,
    /// A condition on the call. Not supported yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// How often calls may be made. The limits of all matching rules apply, and the tightest
    /// answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// The treatment of arguments that do not fit the schema. Only for tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<Validate>,
    /// A JSON Schema laid over the tool's own: arguments must fit both. Only for tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Constraints>,
    /// How long the server may take to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// The target of the calls, if that is not the tool's own server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Target>,
}

/// Which calls a rule is about. Every field that is given must match; of `tool`, `prompt`, `uri`
/// and `method` at most one is there, and where none is, the rule is about all tools.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// Calls through this listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<ListenerName>,
    /// Calls to this server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerName>,
    /// Calls of tools with this name, the server's own; `*` stands for any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Messages of this method, whatever they name; `*` stands for any text. With `tools/call` the
    /// rule is about all tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Messages about the resource of this URI: its reading, subscriptions to it, and completion.
    /// `*` stands for any text, and so does what is in braces, as in the templates that servers
    /// list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Messages about the prompt with this name, the server's own: its use and its completion; `*`
    /// stands for any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Calls of callers who hold one of these roles. About all others, and about anonymous callers,
    /// the rules behind it decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub roles: Option<Vec<RoleName>>,
}

impl Match {
    fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// The patterns of items, each with its kind and its field.
    pub fn items(&self) -> impl Iterator<Item = (ItemKind, &'static str, &str)> {
        ItemKind::patterns(
            self.tool.as_deref(),
            self.prompt.as_deref(),
            self.uri.as_deref(),
            self.method.as_deref(),
        )
    }

    /// The kind of item that is matched, its field and its pattern; all tools where none is named.
    #[must_use]
    pub fn item(&self) -> (ItemKind, &'static str, Option<&str>) {
        let item = self.items().next();
        item.map_or((ItemKind::Tool, "tool", None), |(kind, field, pattern)| {
            (kind, field, Some(pattern))
        })
    }
}

/// At most so many calls in so long a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Unique within the rule; by default the words of `per` joined, or `all`. It is part of the
    /// identity of the limit's buckets: a limit that keeps its id keeps its count when its rate
    /// changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<LimitId>,
    /// The things that are counted apart. Empty: all matching calls of a server together.
    #[serde(default)]
    pub per: Vec<Dimension>,
    /// The number of calls that may be made in a window.
    #[schemars(range(min = 1))]
    pub requests: u32,
    /// The length of the window.
    pub window: Span,
    /// How many of them may come at once; by default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub burst: Option<u32>,
}

/// A thing that a limit counts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// Each tool has a count of its own. Only for tools.
    Tool,
    /// Each server has a count of its own.
    Server,
    /// Each caller has a count of their own.
    Principal,
    /// Each MCP session. Not supported yet.
    Session,
    /// Each client address. Not supported yet.
    Address,
    /// Each value of a header. Not supported yet.
    Header,
}

/// A JSON Schema that arguments must fit besides the tool's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Constraints(#[schemars(with = "serde_json::Value")] pub UniqueValue);

impl Constraints {
    /// The schema by itself, with the keys sorted: equal constraints share a hash.
    pub(crate) fn schema(&self) -> SchemaText {
        SchemaText::new(to_raw_value(&self.0).expect("a JSON value can be written"))
    }
}

/// The place that calls go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// To this cluster: one of `clusters`, or, in a rule for tools, the name of a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterName>,
    /// To several clusters, each by its weight; each request goes by itself.
    #[serde(
        default,
        deserialize_with = "unique::map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub weights: BTreeMap<ClusterName, u32>,
}

impl Rule {
    /// The name under which Envoy's routes spread the calls of this rule over several clusters. It
    /// is no cluster's, because those have no dot.
    #[must_use]
    pub fn split(&self) -> String {
        format!("split.{}", self.name)
    }
}

impl Limit {
    /// The limit's id: the one that was written, or else the words of `per` joined.
    #[must_use]
    pub fn effective_id(&self) -> String {
        match (&self.id, self.per.as_slice()) {
            (Some(id), _) => id.to_string(),
            (None, []) => "all".to_owned(),
            (None, per) => per
                .iter()
                .copied()
                .map(Dimension::word)
                .collect::<Vec<_>>()
                .join("-"),
        }
    }
}

impl Dimension {
    /// The word by which a document names it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Server => "server",
            Self::Principal => "principal",
            Self::Session => "session",
            Self::Address => "address",
            Self::Header => "header",
        }
    }
}
