//! The tools of a policy. What is decided about each is merged from the rules when it is first
//! asked for: a change of one rule costs nothing for the tools that nobody calls.

mod arguments_check;
mod explain;
mod merge;
pub(crate) mod rule;
mod tool_policy;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::compile_error::{CompileError, CompileErrors, join};
use crate::explain::Explanation;
use crate::ids::{RuleId, ToolId};
use crate::known_schema::KnownSchema;
use crate::target::Targets;
use crate::text_part::TextPart;
use crate::tool_list::{ListedTool, ToolList};
use crate::wire;
pub use arguments_check::ArgumentsCheck;
use merge::merge;
use rule::Rule;
pub(crate) use tool_policy::ToolPolicy;

/// The tools of all servers, and what their policies are merged from.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) rules: Vec<Rule>,
    pub(crate) defaults: wire::Defaults,
    pub(crate) targets: Targets,
    /// In the order of their names.
    servers: Vec<ServerTools>,
    /// Their policies, by [`ToolId`].
    merged: Vec<OnceLock<Box<ToolPolicy>>>,
}

/// A server and its tools.
#[derive(Debug)]
pub(crate) struct ServerTools {
    pub(crate) name: String,
    pub(crate) cluster: String,
    pub(crate) prefix: String,
    pub(crate) list: Arc<ToolList>,
    /// Whether whoever sends the list has compiled its schemas.
    pub(crate) is_vouched_for: bool,
    /// The tools that are refused although they are listed.
    pub(crate) withheld: BTreeSet<String>,
    /// The id of its first tool.
    first: usize,
}

/// A schema that cannot be used.
#[derive(Clone, Debug)]
pub(crate) struct SchemaFlaw {
    /// The schema's name in the configuration.
    pub(crate) hash: TextPart,
    /// The rule whose constraints it is; none where it is the tool's own.
    pub(crate) rule: Option<(RuleId, Arc<str>)>,
    /// The faults of the schema; none where the configuration does not hold it.
    pub(crate) errors: Option<CompileErrors>,
}

/// A tool that is listed and whose arguments cannot be checked.
#[derive(Clone, Debug)]
pub struct FlawedTool {
    /// The name of its server.
    pub server: String,
    /// The server's own name of it.
    pub tool: String,
    /// The faults of the schemas, by paths of the configuration.
    pub errors: Vec<CompileError>,
}

impl ServerTools {
    pub(crate) fn new(
        (name, server): (&str, &wire::Server),
        list: Arc<ToolList>,
        is_vouched_for: bool,
    ) -> Self {
        Self {
            name: name.to_owned(),
            cluster: server.cluster.clone(),
            prefix: server.tool_prefix.clone(),
            list,
            is_vouched_for,
            withheld: server.withheld.clone(),
            first: 0,
        }
    }

    pub(crate) fn offers(&self, tool: &str) -> bool {
        self.withheld.is_empty() || !self.withheld.contains(tool)
    }

    /// The id of the tool at a place of the list.
    pub(crate) fn id(&self, place: usize) -> ToolId {
        // There are fewer tools than bytes of a configuration.
        ToolId(u32::try_from(self.first.saturating_add(place)).unwrap_or(u32::MAX))
    }
}

impl Tools {
    pub(crate) fn new(
        rules: Vec<Rule>,
        defaults: wire::Defaults,
        targets: Targets,
        mut servers: Vec<ServerTools>,
    ) -> Self {
        let mut first = 0;
        for server in &mut servers {
            server.first = first;
            first += server.list.tools().len();
        }
        let mut merged = Vec::new();
        merged.resize_with(first, OnceLock::new);
        Self {
            rules,
            defaults,
            targets,
            servers,
            merged,
        }
    }

    /// How many ids of tools there are.
    pub(crate) fn len(&self) -> usize {
        self.merged.len()
    }

    pub(crate) fn servers(&self) -> &[ServerTools] {
        &self.servers
    }

    pub(crate) fn server_place(&self, name: &str) -> Option<usize> {
        let by_name = |server: &ServerTools| server.name.as_str().cmp(name);
        self.servers.binary_search_by(by_name).ok()
    }

    /// A tool and its server.
    pub(crate) fn place(&self, id: ToolId) -> Option<(&ServerTools, &ListedTool)> {
        let behind = self
            .servers
            .partition_point(|server| server.first <= id.index());
        // Servers without tools begin where the next one does.
        let server = self.servers.get(behind.checked_sub(1)?)?;
        let tool = server.list.tools().get(id.index() - server.first)?;
        Some((server, tool))
    }

    /// Everything that is decided about a tool.
    #[inline]
    pub(crate) fn get(&self, id: ToolId) -> Option<&ToolPolicy> {
        let merged = self.merged.get(id.index())?;
        match merged.get() {
            Some(policy) => Some(policy),
            None => self.merge(id),
        }
    }

    /// The policy of a tool with the rules behind it.
    pub(crate) fn explain(&self, id: ToolId) -> Option<&Explanation> {
        let (place, policy) = (self.place(id)?, self.get(id)?);
        let explain = || Box::new(explain::explain(self, place, policy));
        Some(policy.explanation.get_or_init(explain))
    }

    /// The rules that match a tool, in their order.
    fn matching<'a>(
        &'a self,
        server: &'a ServerTools,
        tool: &'a str,
    ) -> impl Iterator<Item = &'a Rule> {
        let rules = self.rules.iter();
        rules.filter(move |rule| rule.matches(&server.name, tool))
    }

    #[cold]
    fn merge(&self, id: ToolId) -> Option<&ToolPolicy> {
        let (server, tool) = self.place(id)?;
        let merged = self.merged.get(id.index())?;
        Some(merged.get_or_init(|| Box::new(merge(self, server, tool))))
    }

    /// The tools that can be called, with their servers, in the order of their ids.
    pub(crate) fn offered(&self) -> impl Iterator<Item = (ToolId, &ServerTools, &ListedTool)> {
        self.servers.iter().flat_map(|server| {
            let tools = server.list.tools().iter().enumerate();
            let offered = tools.filter(|(_, tool)| server.offers(&tool.name));
            offered.map(move |(place, tool)| (server.id(place), server, tool))
        })
    }

    /// The faults of the schemas that the tools of servers need for whom nobody vouches. Their
    /// tools are merged by this.
    pub(crate) fn check_written_out(&self) -> Vec<CompileError> {
        let mut told = BTreeSet::new();
        let mut errors = Vec::new();
        let written_out = self
            .offered()
            .filter(|(_, server, _)| !server.is_vouched_for);
        for (id, server, listed) in written_out {
            let Some(tool) = self.get(id) else { continue };
            for flaw in tool.flaws() {
                if told.insert((flaw.hash.to_string(), flaw.errors.is_none().then_some(id))) {
                    errors.extend(flaw.told(&server.name, &listed.name));
                }
            }
        }
        errors
    }

    /// The tools whose arguments are to be checked and cannot be. Only the tools are merged that
    /// may be among them.
    pub(crate) fn flawed(&self) -> Vec<FlawedTool> {
        let mut candidates: BTreeMap<ToolId, ()> = BTreeMap::new();
        for (id, _, tool) in self.offered() {
            let schema = tool.schema.as_ref();
            let is_sound = schema.is_none_or(|listed| {
                let schema = listed.schema.as_ref();
                schema.is_some_and(KnownSchema::is_sound)
            });
            if !is_sound {
                candidates.insert(id, ());
            }
        }
        for rule in self.rules.iter().filter(|rule| rule.constraints.is_some()) {
            candidates.extend(self.matched_by(rule).map(|id| (id, ())));
        }
        let flawed = candidates.into_keys().filter_map(|id| {
            let ((server, listed), tool) = (self.place(id)?, self.get(id)?);
            let (server, name) = (&server.name, &*listed.name);
            let told = tool.flaws().flat_map(|flaw| flaw.told(server, name));
            let errors: Vec<CompileError> = told.collect();
            (!errors.is_empty()).then(|| FlawedTool {
                server: server.clone(),
                tool: name.to_owned(),
                errors,
            })
        });
        flawed.collect()
    }

    /// The tools that a rule matches and that can be called.
    pub(crate) fn matched_by<'a>(&'a self, rule: &'a Rule) -> impl Iterator<Item = ToolId> + 'a {
        let about = self
            .servers
            .iter()
            .filter(|server| rule.is_about(&server.name));
        about.flat_map(move |server| {
            let every = 0..server.list.tools().len();
            let (every, some) = match rule.pattern() {
                None => (Some(every), None),
                Some(pattern) => (None, Some(server.list.matching(pattern))),
            };
            let places = every
                .into_iter()
                .flatten()
                .chain(some.into_iter().flatten());
            let tools = places.filter_map(|place| Some((place, server.list.tools().get(place)?)));
            let offered = tools.filter(|(_, tool)| server.offers(&tool.name));
            offered.map(move |(place, _)| server.id(place))
        })
    }
}

impl SchemaFlaw {
    /// The faults, by paths of the configuration.
    fn told(&self, server: &str, name: &str) -> Vec<CompileError> {
        let Some(errors) = &self.errors else {
            let path = match &self.rule {
                Some((rule, _)) => format!("/rules/{}/constraints", rule.0),
                None => {
                    let tools = format!("{}/tools", join("/servers", server));
                    format!("{}/input_schema", join(&tools, name))
                }
            };
            let hash = &*self.hash;
            let reason = format!("unknown schema `{hash}`; `schemas` must hold it");
            return vec![CompileError { path, reason }];
        };
        let user = match &self.rule {
            Some((_, rule)) => format!("the constraints of rule `{rule}`"),
            None => format!("tool `{name}` of server `{server}`"),
        };
        let base = join("/schemas", &self.hash);
        let told = errors
            .iter()
            .map(|CompileError { path, reason }| CompileError {
                path: format!("{base}{path}"),
                reason: format!("{reason} (in the schema of {user})"),
            });
        told.collect()
    }
}
