//! The tools of a policy, and its rules about items that no list names. The policy of a tool is
//! merged from the rules when it is first asked for: a change of one rule costs nothing for the
//! tools that nobody calls.

mod explain;
mod merge;
pub(crate) mod rule;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::compile_error::{CompileError, join};
use crate::explain::Explanation;
use crate::ids::ToolId;
use crate::item::{Item, UnlistedItem};
use crate::item_kind::ItemKind;
use crate::item_policy::{ItemPolicy, SchemaFlaw};
use crate::known_schema::KnownSchema;
use crate::refusal::Refusal;
use crate::target::Targets;
use crate::tool_list::{ListedTool, ToolList};
use crate::wire;
use merge::merge;
use merge::merge_unlisted;
pub(crate) use rule::Subject;
use rule::{About, ListedTools, Rule};

/// The tools of all servers, and what their policies are merged from.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) rules: Vec<Rule>,
    pub(crate) defaults: wire::Defaults,
    pub(crate) targets: Targets,
    /// Whether a rule is about something else than tools.
    has_unlisted: bool,
    /// In the order of their names.
    servers: Vec<ServerTools>,
    /// Their policies, by [`ToolId`].
    merged: Vec<OnceLock<Box<ItemPolicy>>>,
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
        let is_unlisted =
            |rule: &Rule| matches!(&rule.about, About::Items(kind, _) if *kind != ItemKind::Tool);
        Self {
            has_unlisted: rules.iter().any(is_unlisted),
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
    pub(crate) fn get(&self, id: ToolId) -> Option<&ItemPolicy> {
        let merged = self.merged.get(id.index())?;
        match merged.get() {
            Some(policy) => Some(policy),
            None => self.merge(id),
        }
    }

    /// Everything that is decided about an item.
    pub(crate) fn policy_of<'a>(&'a self, item: &'a Item) -> Option<&'a ItemPolicy> {
        match item {
            Item::Tool(id) => self.get(*id),
            Item::Unlisted(item) => Some(&item.policy),
        }
    }

    /// The rules about a server's items of this kind, named by messages of this method, whatever
    /// they are called; none for most messages of most policies.
    pub(crate) fn about_unlisted<'a>(
        &'a self,
        server: &'a str,
        kind: ItemKind,
        method: &'a str,
    ) -> impl Iterator<Item = &'a Rule> {
        let rules = self.rules.iter().filter(|_| self.has_unlisted);
        rules.filter(move |rule| rule.is_about(server) && rule.may_match(kind, method))
    }

    /// The item of a server that no list names, where a rule names it.
    /// `closed` refuses callers about whom no rule says whether they may use it.
    pub(crate) fn unlisted(
        &self,
        place: usize,
        subject: Subject<'_>,
        closed: Option<Refusal>,
    ) -> Option<Item> {
        let server = self.servers.get(place)?;
        let matching: Vec<&Rule> = self.matching(server, subject).collect();
        (!matching.is_empty()).then(|| {
            Item::Unlisted(Arc::new(UnlistedItem {
                kind: subject.kind,
                server: place,
                closed,
                rules: matching.iter().map(|rule| rule.id).collect(),
                policy: merge_unlisted(self, server, (subject, &matching)),
            }))
        })
    }

    /// The policy of a tool with the rules behind it.
    pub(crate) fn explain(&self, id: ToolId) -> Option<&Explanation> {
        let (place, policy) = (self.place(id)?, self.get(id)?);
        let explain = || {
            let (server, tool) = place;
            let rules = self.matching(server, Subject::tool(&tool.name));
            Box::new(explain::explain(self, place.0, (policy, &tool.name), rules))
        };
        Some(policy.explanation.get_or_init(explain))
    }

    /// The policy of an item that no list names with the rules behind it.
    pub(crate) fn explain_unlisted<'a>(
        &'a self,
        item: &'a UnlistedItem,
    ) -> Option<&'a Explanation> {
        let server = self.servers.get(item.server)?;
        let policy = &item.policy;
        let explain = || {
            let ids = item.rules.iter();
            let rules = ids.filter_map(|id| self.rules.get(id.index()));
            let mut explanation = explain::explain(self, server, (policy, policy.name()), rules);
            if item.closed.is_some() && explanation.allow.rule.is_none() {
                explanation.allow.value.clear();
            }
            Box::new(explanation)
        };
        Some(policy.explanation.get_or_init(explain))
    }

    /// The rules that match an item, in their order.
    pub(crate) fn matching<'a>(
        &'a self,
        server: &'a ServerTools,
        subject: Subject<'a>,
    ) -> impl Iterator<Item = &'a Rule> {
        let rules = self.rules.iter();
        rules.filter(move |rule| rule.matches(&server.name, subject))
    }

    #[cold]
    fn merge(&self, id: ToolId) -> Option<&ItemPolicy> {
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
            let (every, some) = match rule.listed_tools() {
                ListedTools::All => (Some(every), None),
                ListedTools::Like(pattern) => (None, Some(server.list.matching(pattern))),
                ListedTools::None => (None, None),
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
