//! The compiled policy and the way through it.

mod endpoints;
mod items;
mod limits;

use crate::arguments_check::ArgumentsCheck;
use crate::authority::{AllowedHosts, AllowedOrigins};
use crate::candidates::Candidate;
use crate::decision::{Arguments, Decision, PendingLimits, Plan};
use crate::explain::Explanation;
use crate::ids::{EndpointId, RuleId, ToolId, Trace};
use crate::item::Item;
use crate::item_kind::ItemKind;
use crate::method::{self, MessageForm};
use crate::principal::Principal;
use crate::refusal::{Caller, Refusal};
use crate::schema::Invalid;
use crate::schema::header_parameters::{self, Keys, RepeatedArguments};
use crate::target::TargetId;
use crate::tools::{FlawedTool, Tools};
use crate::wire::{self, Credentials, Exchange, Validate};
pub(crate) use endpoints::{EndpointPolicy, EndpointTools};
pub use items::Naming;

/// A compiled configuration. Immutable; made by [`compile`](crate::compile()).
#[derive(Debug)]
pub struct Policy {
    pub(crate) limits: BodyLimits,
    /// The default that decides on messages that are no tool calls.
    pub(crate) access: wire::Access,
    pub(crate) hosts: AllowedHosts,
    pub(crate) origins: AllowedOrigins,
    pub(crate) endpoints: Vec<EndpointPolicy>,
    pub(crate) tools: Tools,
}

/// The bounds of a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// How many bytes a body may have.
    pub max_body_bytes: usize,
    /// Nested arrays and objects.
    pub max_depth: u32,
}

/// Where a message that may pass is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'p> {
    /// The server that it reaches.
    pub target: TargetId,
    /// The Envoy cluster that reaches the server.
    pub cluster: &'p str,
    /// The path there; none where the client's own stays, query and all.
    pub path: Option<&'p str>,
    /// The fate of the credentials that the caller sends to the gateway.
    pub credentials: Credentials,
}

impl Policy {
    /// The bounds of a request body: its size and its depth.
    #[must_use]
    pub fn limits(&self) -> BodyLimits {
        self.limits
    }

    /// Whether `Host` or `:authority` may say this, whatever the port.
    #[must_use]
    pub fn host_allowed(&self, authority: &[u8]) -> bool {
        self.hosts.allow(authority)
    }

    /// Whether `Origin` may say this. Do not ask where the request has none.
    #[must_use]
    pub fn origin_allowed(&self, origin: &[u8]) -> bool {
        self.origins.allow(origin)
    }

    /// The endpoint at a path, which may carry a query.
    #[must_use]
    pub fn endpoint(&self, path: &[u8]) -> Option<EndpointId> {
        let path = path.split(|byte| *byte == b'?').next().unwrap_or(path);
        let index = self
            .endpoints
            .iter()
            .position(|endpoint| endpoint.path == path)?;
        u32::try_from(index).ok().map(EndpointId)
    }

    /// The paths of all endpoints.
    pub fn endpoint_paths(&self) -> impl Iterator<Item = &[u8]> {
        self.endpoints
            .iter()
            .map(|endpoint| endpoint.path.as_slice())
    }

    /// The plan for an endpoint's messages that are not tool calls; none where the id is of another
    /// policy.
    #[must_use]
    pub fn forward(&self, endpoint: EndpointId) -> Option<Plan> {
        let target = self.endpoints.get(endpoint.0 as usize)?.forward;
        Some(Plan::to(
            target,
            target.of(self.tools.targets.all())?.credentials,
        ))
    }

    /// How messages and their answers travel at an endpoint.
    #[must_use]
    pub fn exchange(&self, endpoint: EndpointId) -> Exchange {
        let endpoint = self.endpoints.get(endpoint.0 as usize);
        endpoint.map_or(Exchange::Streamable, |endpoint| endpoint.exchange)
    }

    /// Where a message that may pass is sent from an endpoint; none where the plan is of another
    /// policy. Whatever belongs to an event stream goes to the server that has the stream.
    #[must_use]
    pub fn address(&self, endpoint: EndpointId, plan: &Plan) -> Option<Address<'_>> {
        let stream = self.endpoints.get(endpoint.0 as usize);
        let stream = stream.filter(|endpoint| !endpoint.exchange.is_streamable());
        let id = stream.map_or(plan.target(), |endpoint| endpoint.forward);
        let target = id.of(self.tools.targets.all())?;
        Some(Address {
            target: id,
            cluster: &target.cluster,
            path: stream.is_none().then_some(target.path.as_str()),
            credentials: target.credentials,
        })
    }

    /// The Envoy cluster that reaches a target; empty where the id is of another policy.
    #[must_use]
    pub fn cluster(&self, target: TargetId) -> &str {
        target
            .of(self.tools.targets.all())
            .map_or("", |target| &target.cluster)
    }

    /// The path of the server's MCP endpoint; empty where the id is of another policy.
    #[must_use]
    pub fn path(&self, target: TargetId) -> &str {
        target
            .of(self.tools.targets.all())
            .map_or("", |target| &target.path)
    }

    /// The name of the server that a target belongs to; empty where the id is of another policy.
    #[must_use]
    pub fn server(&self, target: TargetId) -> &str {
        target
            .of(self.tools.targets.all())
            .map_or("", |target| &target.server)
    }

    /// The name of a rule; empty where the id is of another policy.
    #[must_use]
    pub fn rule_name(&self, rule: RuleId) -> &str {
        let rule = self.tools.rules.get(rule.index());
        rule.map_or("", |rule| &rule.name)
    }

    /// The refusal of a message that is no tool call, where `access: deny` closes its method.
    #[must_use]
    pub fn closed_method(&self, method: &[u8], form: MessageForm) -> Option<Refusal> {
        let is_open = method::is_open(self.access, method, form);
        (!is_open).then(|| Refusal::closed_method(method))
    }

    /// The tool behind a name that a client uses on an endpoint.
    ///
    /// # Errors
    /// [`Refusal::UnknownTool`] where no catalogue has it.
    pub fn tool(&self, endpoint: EndpointId, name: &[u8]) -> Result<ToolId, Refusal> {
        self.endpoints
            .get(endpoint.0 as usize)
            .and_then(|endpoint| endpoint.tools.find(name, &self.tools))
            .ok_or_else(|| Refusal::unknown_tool(name))
    }

    /// Every tool that can be called somewhere, with its server's name and its own, in the order of
    /// their ids, which is that of these names.
    pub fn tool_names(&self) -> impl Iterator<Item = (ToolId, &str, &str)> {
        let offered = self.tools.offered();
        offered.map(|(id, server, tool)| (id, server.name.as_str(), &*tool.name))
    }

    /// How many ids of tools there may be: each is less than this.
    #[must_use]
    pub fn tool_count(&self) -> usize {
        self.tools.len()
    }

    /// The name of a tool's server, and the server's own name of it.
    #[must_use]
    pub fn tool_name(&self, tool: ToolId) -> Option<(&str, &str)> {
        let (server, tool) = self.tools.place(tool)?;
        Some((&server.name, &tool.name))
    }

    /// The tool of a server by its own name, where it can be called somewhere.
    #[must_use]
    pub fn find_tool(&self, server: &str, tool: &str) -> Option<ToolId> {
        let server = self.tools.server_place(server)?;
        let server = self.tools.servers().get(server)?;
        let place = server.list.position(tool.as_bytes())?;
        server.offers(tool).then(|| server.id(place))
    }

    /// The tools that the rule at a place of the configuration matches.
    pub fn tools_of_rule(&self, place: usize) -> impl Iterator<Item = ToolId> {
        let rule = self.tools.rules.get(place).into_iter();
        rule.flat_map(|rule| self.tools.matched_by(rule))
    }

    /// Whether arguments fit the schema that the tool's server lists, where there is one that the
    /// engine can check.
    #[must_use]
    pub fn fits_own_schema(&self, tool: ToolId, arguments: &[u8]) -> bool {
        let own = self.tools.place(tool);
        let own = own.and_then(|(_, listed)| listed.schema.as_ref()?.schema.as_ref());
        own.filter(|own| own.is_sound()).is_none_or(|own| {
            let compiled = own.compiled();
            let fits = compiled.schema.validate(arguments, self.limits.max_depth);
            fits.is_ok()
        })
    }

    /// The tools of lists that travel beside the configuration whose arguments are to be checked
    /// and cannot be: calls of them are refused. Compiles the schemas that nobody has needed yet.
    #[must_use]
    pub fn flawed_tools(&self) -> Vec<FlawedTool> {
        self.tools.flawed()
    }

    /// The refusal of a caller who may not use the item whatever the arguments are: what
    /// [`Self::decide`] will say, too, for a host that need not read them then.
    #[must_use]
    pub fn closed_to(&self, item: &Item, principal: &Principal) -> Option<Refusal> {
        let policy = self.tools.policy_of(item)?;
        let Candidate { value, rule } = policy.access.first(principal);
        if let (None, Item::Unlisted(item)) = (rule, item) {
            return item.closed.clone();
        }
        if value.admits(principal) {
            return None;
        }
        Some(Refusal::Forbidden {
            kind: policy.kind,
            name: policy.name().to_owned(),
            rule: rule.map(|rule| self.rule_name(rule).to_owned()),
            caller: match principal {
                Principal::Anonymous => Caller::Anonymous,
                Principal::Known { .. } => Caller::Known,
            },
        })
    }

    /// The rules that decide about a caller's uses of an item, whether they pass or not; none where
    /// it is of another policy.
    #[must_use]
    pub fn trace(&self, item: impl Into<Item>, principal: &Principal) -> Option<Trace> {
        Some(self.tools.policy_of(&item.into())?.trace(principal))
    }

    /// How many places of items there may be: each of [`Self::item_place`] is less than this.
    #[must_use]
    pub fn item_places(&self) -> usize {
        self.tools.len() + ItemKind::UNLISTED.len() * self.tools.servers().len()
    }

    /// The place of an item among all that are told apart in statistics: each tool by itself, and
    /// all else by its server and kind, because callers choose such names.
    #[must_use]
    pub fn item_place(&self, item: &Item) -> usize {
        match item {
            Item::Tool(tool) => tool.index(),
            Item::Unlisted(item) => {
                let kinds = ItemKind::UNLISTED;
                let kind = kinds.iter().position(|kind| *kind == item.kind);
                self.tools.len() + item.server * kinds.len() + kind.unwrap_or_default()
            }
        }
    }

    /// The name of an item's server, and the server's own name of the item, short enough to be
    /// repeated.
    #[must_use]
    pub fn item_name<'a>(&'a self, item: &'a Item) -> Option<(&'a str, &'a str)> {
        match item {
            Item::Tool(tool) => self.tool_name(*tool),
            Item::Unlisted(item) => {
                let server = self.tools.servers().get(item.server)?;
                Some((&server.name, item.policy.name()))
            }
        }
    }

    /// Whether [`Self::decide`] must see the arguments of a caller's call of the tool. If not,
    /// [`Arguments::NotRead`] will do.
    #[must_use]
    pub fn needs_arguments(&self, tool: ToolId, principal: &Principal) -> bool {
        let tool = self.tools.get(tool);
        tool.is_some_and(|tool| tool.checks(principal))
    }

    /// Begins to check the arguments of a caller's call of this tool; nothing where no schema asks
    /// for them.
    #[must_use]
    pub fn begin_check(&self, tool: ToolId, principal: &Principal) -> Option<ArgumentsCheck> {
        self.tools.get(tool)?.begin_check(principal)
    }

    /// Whether the call passes: rights first, then arguments, then limits, so that a refused call
    /// costs its caller nothing.
    pub fn decide(
        &self,
        item: impl Into<Item>,
        principal: &Principal,
        arguments: Arguments<'_>,
    ) -> Decision {
        self.decide_checked(&item.into(), principal, arguments, None)
    }

    /// Decides as [`Self::decide`] does, on arguments that have been checked while they were read.
    /// A check by a schema that does not hold for the call, or one that is not over, is none.
    pub fn decide_checked(
        &self,
        item: &Item,
        principal: &Principal,
        arguments: Arguments<'_>,
        check: Option<ArgumentsCheck>,
    ) -> Decision {
        let Some(tool) = self.tools.policy_of(item) else {
            return Decision::Refuse(Refusal::unknown_tool(b"?"));
        };
        if let Some(refusal) = self.closed_to(item, principal) {
            return Decision::Refuse(refusal);
        }
        let Ok(judges) = tool.judges(principal) else {
            return Decision::Refuse(Refusal::Uncheckable {
                tool: tool.name().to_owned(),
            });
        };
        let target = tool.target.first(principal).value;
        let target = target.and_then(|id| Some((id, id.of(self.tools.targets.all())?)));
        let Some((target, reached)) = target else {
            return Decision::Refuse(Refusal::unknown_tool(b"?"));
        };
        let timeout = tool.timeout.first(principal).value;
        let plan = Plan::to(target, reached.credentials);
        let mut plan = plan.calling(item.clone(), tool.trace(principal), timeout);
        if judges.all().next().is_some() {
            let arguments = match arguments {
                Arguments::Absent => b"{}",
                Arguments::Raw(bytes) => bytes,
                Arguments::NotRead => {
                    return Decision::Refuse(Refusal::ArgumentsNotRead {
                        tool: tool.name().to_owned(),
                    });
                }
            };
            let is_shadow = tool.validate.first(principal).value == Validate::Shadow;
            let shadowed = match judges.judge(check, arguments, self.limits.max_depth) {
                Ok(()) => Vec::new(),
                Err(Invalid::Misfit(violations)) if is_shadow => violations,
                // Even in shadow: what cannot be read unambiguously is not passed on as if it had
                // been.
                Err(invalid) => {
                    return Decision::Refuse(Refusal::BadArguments {
                        tool: tool.name().to_owned(),
                        violations: invalid.into_violations(),
                    });
                }
            };
            plan = plan.having_read(shadowed);
        }
        if tool.limits.iter().any(|limit| limit.counts(principal)) {
            Decision::Limit(PendingLimits::new(
                item.clone(),
                &tool.limits,
                principal,
                plan,
            ))
        } else {
            Decision::Allow(plan)
        }
    }

    /// Whether headers of a call must repeat some of the tool's arguments, which must then be read
    /// even where [`Self::decide`] need not see them.
    #[must_use]
    pub fn repeats_arguments(&self, tool: ToolId) -> bool {
        let tool = self.tools.get(tool);
        tool.is_some_and(|tool| tool.naming_headers().is_some())
    }

    /// The arguments that the call's headers must repeat, with what the call says there, once they
    /// have been read as JSON; none where the tool's schema names no header.
    ///
    /// # Errors
    /// [`Refusal::BadArguments`] where nothing is checked, and not everyone would read the same.
    pub fn header_parameters<'a>(
        &self,
        tool: ToolId,
        principal: &Principal,
        arguments: Arguments<'a>,
    ) -> Result<RepeatedArguments<'a>, Refusal> {
        let tool = self.tools.get(tool);
        let naming = tool.and_then(|tool| Some((tool, tool.naming_headers()?)));
        let Some((tool, schema)) = naming else {
            return Ok(RepeatedArguments::default());
        };
        let schema = schema.compiled();
        let raw: &[u8] = match arguments {
            Arguments::Raw(raw) => raw,
            Arguments::Absent | Arguments::NotRead => b"{}",
        };
        let keys = if tool.checks(principal) {
            Keys::Checked
        } else {
            Keys::Unchecked
        };
        let named = schema.header_parameters.as_deref();
        match header_parameters::values(named.unwrap_or_default(), raw, keys) {
            Ok(values) => Ok(RepeatedArguments {
                schema: Some(schema),
                values,
            }),
            Err(violation) => Err(Refusal::BadArguments {
                tool: tool.name().to_owned(),
                violations: vec![violation],
            }),
        }
    }

    /// The policy in force for a tool, with the rule behind each field; none where the id is of
    /// another policy.
    #[must_use]
    pub fn explain(&self, tool: ToolId) -> Option<&Explanation> {
        self.tools.explain(tool)
    }

    /// The same for any item.
    #[must_use]
    pub fn explain_item<'a>(&'a self, item: &'a Item) -> Option<&'a Explanation> {
        match item {
            Item::Tool(tool) => self.explain(*tool),
            Item::Unlisted(item) => self.tools.explain_unlisted(item),
        }
    }
}
