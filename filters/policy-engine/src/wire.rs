//! The configuration as the control plane sends it: `FilterConfig` and its parts.
//!
//! Between the operator's document and the compiled [`Policy`](crate::Policy) stands this wire
//! form: every default is filled in, every name resolved, every schema addressed by its hash.
//! Unknown fields are errors, so that an old module never half-understands a newer configuration.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::item_kind::ItemKind;

mod named_list;
pub mod travel;

pub use named_list::NamedList;

/// The request header by which a listener's MCP route finds the cluster of a message that may pass.
/// Only the filter sets it, and a client's own never reaches a route.
pub const CLUSTER_HEADER: &str = "x-portcullis-cluster";

/// The version of the wire form that this engine writes, and the newest that it reads: before it
/// there is no [`Match::prompt`], [`Match::uri`] and [`Match::method`].
pub const VERSION: u32 = 3;

/// The oldest version of the wire form that this engine reads: it knows no [`Server::list`].
pub const OLDEST_VERSION: u32 = 1;

/// The custom section of a module that holds its [`ModuleManifest`], as JSON.
pub const MANIFEST_SECTION: &str = "portcullis.module";

/// The description of a filter module that its builder writes into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleManifest {
    /// The name of the filter.
    pub name: String,
    /// The version of its sources.
    pub version: String,
    /// The version of the wire form that it reads; none where it is not the gateway's own filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire_form: Option<u32>,
}

/// Everything that the filter of one listener is given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterConfig {
    /// The version of the wire form: [`OLDEST_VERSION`] to [`VERSION`].
    pub version: u32,
    /// The name of the listener that this filter serves.
    pub listener: String,
    /// Hosts that `Host` or `:authority` may name, without port; `*` is any.
    pub allowed_hosts: Vec<String>,
    /// Origins that a browser may send, such as `http://localhost:*`; `*` is any. A request without
    /// `Origin` passes.
    pub allowed_origins: Vec<String>,
    /// The largest request body, in bytes.
    pub max_body_bytes: u64,
    /// The deepest nesting of arrays and objects in a request body.
    pub max_depth: u32,
    /// The paths that speak MCP.
    pub endpoints: Vec<Endpoint>,
    /// The registered servers by name.
    pub servers: BTreeMap<String, Server>,
    /// The defaults that hold where no rule says otherwise.
    pub defaults: Defaults,
    /// The roles that rules name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, Role>,
    /// The rules, in the order of their precedence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// JSON Schemas by the SHA-256 (hex) of their text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schemas: BTreeMap<String, Box<RawValue>>,
    /// The details that the filter notes of each request for the proxy's access log; where it is
    /// empty, nothing is noted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub access_log: BTreeSet<AccessDetail>,
}

/// A detail of a decision that the proxy's access log may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessDetail {
    /// The first twelve hexadecimal digits of the SHA-256 of the configuration that decided.
    Configuration,
    /// `allowed`, or the reason for a refusal in a fixed word.
    Decision,
    /// The server's own name of the item that the request is about: of a tool or prompt the name,
    /// of a resource the URI, of another message the method; shortened and printable.
    Item,
    /// The kind of that item: `tool`, `prompt`, `resource` or `method`.
    Kind,
    /// The caller, as far as it is known who that is.
    Principal,
    /// The rule that decided; nothing where a default did.
    Rule,
    /// The server of the item.
    Server,
    /// The server's own name of the tool that was called.
    Tool,
}

impl AccessDetail {
    /// The name under which the filter notes it.
    #[must_use]
    pub fn note(self) -> &'static str {
        match self {
            Self::Configuration => "portcullis_configuration",
            Self::Decision => "portcullis_decision",
            Self::Item => "portcullis_item",
            Self::Kind => "portcullis_kind",
            Self::Principal => "portcullis_principal",
            Self::Rule => "portcullis_rule",
            Self::Server => "portcullis_server",
            Self::Tool => "portcullis_tool",
        }
    }
}

/// One path that speaks MCP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The exact path, without query.
    pub path: String,
    /// The servers whose tools it offers.
    pub servers: Vec<String>,
    /// The server that receives what is not a tool call.
    pub forward: String,
    /// How messages and their answers travel there.
    #[serde(default, skip_serializing_if = "Exchange::is_streamable")]
    pub exchange: Exchange,
    /// The tools of each server, by its own names, that this endpoint does not offer because
    /// another server's tool has the name here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub withheld: BTreeMap<String, BTreeSet<String>>,
}

/// How messages and their answers travel at an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exchange {
    /// Streamable HTTP: a POST is answered by its own response.
    #[default]
    Streamable,
    /// A GET opens the event stream on which a client of MCP 2024-11-05 reads all answers.
    EventStream,
    /// A POST of such a client: what answers its message comes on the stream. Only the server that
    /// has the stream can be sent it, whatever a rule's route says.
    Messages,
}

impl Exchange {
    /// Whether a POST is answered by its own response.
    #[must_use]
    pub fn is_streamable(&self) -> bool {
        *self == Self::Streamable
    }
}

/// One registered server and what its catalogue holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The Envoy cluster that reaches it.
    pub cluster: String,
    /// The path of its MCP endpoint.
    pub path: String,
    /// The prefix that clients see before each of its tools' names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tool_prefix: String,
    /// The fate of the credentials that callers send to the gateway.
    #[serde(default, skip_serializing_if = "Credentials::stay_home")]
    pub credentials: Credentials,
    /// Its tools, by the names that it gave them, where they are written out here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, Tool>,
    /// Its tools, where they travel beside the configuration. Whoever sends them has compiled their
    /// schemas: one is compiled when a call first needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<NamedList>,
    /// The tools of the list that are refused all the same.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub withheld: BTreeSet<String>,
}

/// The fate of the credentials (`Authorization`, `Proxy-Authorization`, `Cookie`) that callers send
/// to the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Credentials {
    /// They are for the gateway: the server does not see them.
    #[default]
    Home,
    /// The server gets them as they came.
    Passthrough,
}

impl Credentials {
    /// Whether the server sees none of them.
    #[must_use]
    pub fn stay_home(&self) -> bool {
        *self == Self::Home
    }
}

/// One tool of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// The hash of the schema that its arguments must fit, in [`FilterConfig::schemas`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<String>,
}

/// The defaults that hold where no rule says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// Who may call a tool that no rule opens or closes.
    pub access: Access,
    /// Whether arguments are checked.
    pub validate: Validate,
}

/// Who may call a tool that no rule opens or closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Everyone may call the tool, and use every method.
    #[default]
    Allow,
    /// Nobody may call the tool, and only the methods pass that a client needs to speak at all.
    Deny,
}

/// How arguments are treated that do not fit the schemas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validate {
    /// The call is refused.
    #[default]
    Enforce,
    /// The call passes, and the plan carries what was wrong; only what cannot be read
    /// unambiguously is still refused.
    Shadow,
    /// Nothing is checked but headers that repeat arguments (`x-mcp-header`); the schema need not
    /// even be one that the engine can compile.
    Off,
}

/// A role: the claims that make a caller hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Each claim named here must carry at least one of the values listed for it. No claim at all:
    /// every caller who is known.
    #[serde(default)]
    pub claims: BTreeMap<String, Vec<String>>,
}

/// One rule. For each call, each field is taken from the first matching rule that sets it; the
/// limits of all matching rules apply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The rule's unique name.
    pub name: String,
    /// The items that it is about; absent is every tool.
    #[serde(
        default,
        rename = "match",
        skip_serializing_if = "Match::is_everything"
    )]
    pub matches: Match,
    /// The roles that may call; `*` is everyone, an empty list nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Vec<String>>,
    /// The limits on how often the tools may be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// Whether arguments are checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate: Option<Validate>,
    /// The hash of a further schema that arguments must fit, in [`FilterConfig::schemas`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<String>,
    /// How long the server may take, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Where the call goes, if not to the server's own cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
}

/// The calls that a rule is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// The server's name; absent is every server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The server's own name of a tool, in which `*` stands for any text; absent is every tool,
    /// where no other kind of item is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The name of a prompt, as `tool`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The URI of a resource, or a template of URIs: `*` stands for any text, and so does what is
    /// in braces, with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The method of a message, whatever it is about; `*` stands for any text. At most one of
    /// `tool`, `prompt`, `uri` and `method` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The roles of which a caller holds one; absent is every caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
}

impl Match {
    /// The patterns of items, each with its kind and its field.
    pub fn items(&self) -> impl Iterator<Item = (ItemKind, &'static str, &str)> {
        ItemKind::patterns(
            self.tool.as_deref(),
            self.prompt.as_deref(),
            self.uri.as_deref(),
            self.method.as_deref(),
        )
    }

    /// Whether the rule is about every call of every tool of every server.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// How often a tool may be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The limit's name, unique within its rule.
    pub id: String,
    /// The dimensions whose values each have a bucket of their own: `tool`, `server`, `principal`.
    /// Empty: one bucket per server for the whole rule.
    #[serde(default)]
    pub per: Vec<String>,
    /// How many calls may pass in each window.
    pub requests: u64,
    /// The window, in milliseconds.
    pub window_ms: u64,
    /// Calls that may come at once; absent is `requests`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u64>,
}

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The Envoy cluster that the call goes to.
    pub cluster: String,
}

#[cfg(test)]
mod tests;
