//! The compiled policy and the way through it.

mod arguments_check;
mod limits;
mod tool;

use crate::authority::{AllowedHosts, AllowedOrigins};
use crate::candidates::Candidate;
use crate::decision::{Arguments, Decision, PendingLimits, Plan};
use crate::explain::Explanation;
use crate::ids::{EndpointId, RuleId, ToolId, Trace};
use crate::method::{self, MessageForm};
use crate::principal::Principal;
use crate::refusal::{Caller, Refusal};
use crate::schema::Invalid;
use crate::schema::header_parameters::{self, ArgumentValue, HeaderParameter, Keys};
use crate::target::{Target, TargetId};
use crate::wire::{self, Credentials, Exchange, Validate};
pub use arguments_check::ArgumentsCheck;
pub(crate) use tool::ToolPolicy;

/// A compiled configuration. Immutable; made by [`compile`](crate::compile()).
#[derive(Debug)]
pub struct Policy {
    pub(crate) limits: BodyLimits,
    /// The default that decides on messages that are no tool calls.
    pub(crate) access: wire::Access,
    pub(crate) hosts: AllowedHosts,
    pub(crate) origins: AllowedOrigins,
    pub(crate) endpoints: Vec<EndpointPolicy>,
    pub(crate) tools: Vec<ToolPolicy>,
    pub(crate) targets: Vec<Target>,
    /// The names of the rules, by their ids.
    pub(crate) rules: Vec<String>,
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

/// One path and the names of the tools there.
#[derive(Debug)]
pub(crate) struct EndpointPolicy {
    pub(crate) path: Vec<u8>,
    pub(crate) exchange: Exchange,
    pub(crate) forward: TargetId,
    /// By the names that clients see, in the order of their bytes.
    pub(crate) tools: Vec<(Vec<u8>, ToolId)>,
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
        Some(Plan::to(target, target.of(&self.targets)?.credentials))
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
        let target = id.of(&self.targets)?;
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
            .of(&self.targets)
            .map_or("", |target| &target.cluster)
    }

    /// The path of the server's MCP endpoint; empty where the id is of another policy.
    #[must_use]
    pub fn path(&self, target: TargetId) -> &str {
        target.of(&self.targets).map_or("", |target| &target.path)
    }

    /// The name of the server that a target belongs to; empty where the id is of another policy.
    #[must_use]
    pub fn server(&self, target: TargetId) -> &str {
        target.of(&self.targets).map_or("", |target| &target.server)
    }

    /// The name of a rule; empty where the id is of another policy.
    #[must_use]
    pub fn rule_name(&self, rule: RuleId) -> &str {
        let name = usize::try_from(rule.0)
            .ok()
            .and_then(|rule| self.rules.get(rule));
        name.map_or("", String::as_str)
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
            .and_then(|endpoint| {
                let place = endpoint
                    .tools
                    .binary_search_by(|(known, _)| known.as_slice().cmp(name))
                    .ok()?;
                endpoint.tools.get(place)
            })
            .map(|(_, tool)| *tool)
            .ok_or_else(|| Refusal::unknown_tool(name))
    }

    /// Every tool with its server's name and its own, in the order of their ids, which is that of
    /// these names.
    pub fn tool_names(&self) -> impl Iterator<Item = (ToolId, &str, &str)> {
        (0..)
            .zip(&self.tools)
            .map(|(id, tool)| (ToolId(id), tool.explanation.server.as_str(), tool.name()))
    }

    /// The refusal of a caller who may not call the tool whatever the arguments are: what
    /// [`Self::decide`] will say, too, for a host that need not read them then.
    #[must_use]
    pub fn closed_to(&self, tool: ToolId, principal: &Principal) -> Option<Refusal> {
        let tool = self.tools.get(tool.index())?;
        let Candidate { value, rule } = tool.access.first(principal);
        if value.admits(principal) {
            return None;
        }
        Some(Refusal::Forbidden {
            tool: tool.name().to_owned(),
            rule: rule.map(|rule| self.rule_name(rule).to_owned()),
            caller: match principal {
                Principal::Anonymous => Caller::Anonymous,
                Principal::Known { .. } => Caller::Known,
            },
        })
    }

    /// The rules that decide about a caller's calls of a tool, whether they pass or not; none where
    /// the id is of another policy.
    #[must_use]
    pub fn trace(&self, tool: ToolId, principal: &Principal) -> Option<Trace> {
        Some(self.tools.get(tool.index())?.trace(principal))
    }

    /// Whether [`Self::decide`] must see the arguments of a caller's call of the tool. If not,
    /// [`Arguments::NotRead`] will do.
    #[must_use]
    pub fn needs_arguments(&self, tool: ToolId, principal: &Principal) -> bool {
        let tool = self.tools.get(tool.index());
        tool.is_some_and(|tool| tool.checks(principal))
    }

    /// Whether the call passes: rights first, then arguments, then limits, so that a refused call
    /// costs its caller nothing.
    pub fn decide(&self, id: ToolId, principal: &Principal, arguments: Arguments<'_>) -> Decision {
        self.decide_checked(id, principal, arguments, None)
    }

    /// Decides as [`Self::decide`] does, on arguments that have been checked while they were read.
    /// A check by a schema that does not hold for the call, or one that is not over, is none.
    pub fn decide_checked(
        &self,
        id: ToolId,
        principal: &Principal,
        arguments: Arguments<'_>,
        check: Option<ArgumentsCheck>,
    ) -> Decision {
        let Some(tool) = self.tools.get(id.index()) else {
            return Decision::Refuse(Refusal::unknown_tool(b"?"));
        };
        if let Some(refusal) = self.closed_to(id, principal) {
            return Decision::Refuse(refusal);
        }
        let target_id = tool.target.first(principal).value;
        let Some(target) = target_id.of(&self.targets) else {
            return Decision::Refuse(Refusal::unknown_tool(b"?"));
        };
        let timeout = tool.timeout.first(principal).value;
        let plan = Plan::to(target_id, target.credentials);
        let mut plan = plan.calling(id, tool.trace(principal), timeout);
        if tool.checks(principal) {
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
            let shadowed = match tool.judge(principal, check, arguments, self.limits.max_depth) {
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
            Decision::Limit(PendingLimits::new(id, &tool.limits, principal, plan))
        } else {
            Decision::Allow(plan)
        }
    }

    /// Whether headers of a call must repeat some of the tool's arguments, which must then be read
    /// even where [`Self::decide`] need not see them.
    #[must_use]
    pub fn repeats_arguments(&self, tool: ToolId) -> bool {
        let tool = self.tools.get(tool.index());
        tool.is_some_and(|tool| !tool.headers.is_empty())
    }

    /// The arguments that the call's headers must repeat, with what the call says there, once they
    /// have been read as JSON. None where the tool's schema names no header.
    ///
    /// # Errors
    /// [`Refusal::BadArguments`] where nothing is checked, and not everyone would read the same.
    pub fn header_parameters<'p, 'a>(
        &'p self,
        tool: ToolId,
        principal: &Principal,
        arguments: Arguments<'a>,
    ) -> Result<Vec<(&'p HeaderParameter, ArgumentValue<'a>)>, Refusal> {
        let Some(tool) = self.tools.get(tool.index()) else {
            return Ok(Vec::new());
        };
        if tool.headers.is_empty() {
            return Ok(Vec::new());
        }
        let raw: &[u8] = match arguments {
            Arguments::Raw(raw) => raw,
            Arguments::Absent | Arguments::NotRead => b"{}",
        };
        let keys = if tool.checks(principal) {
            Keys::Checked
        } else {
            Keys::Unchecked
        };
        let values = header_parameters::values(&tool.headers, raw, keys).map_err(|violation| {
            Refusal::BadArguments {
                tool: tool.name().to_owned(),
                violations: vec![violation],
            }
        })?;
        Ok(tool.headers.iter().zip(values).collect())
    }

    /// The policy in force for a tool, with the rule behind each field; none where the id is of
    /// another policy.
    #[must_use]
    pub fn explain(&self, tool: ToolId) -> Option<&Explanation> {
        self.tools.get(tool.index()).map(|tool| &tool.explanation)
    }
}
