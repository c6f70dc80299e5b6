//! Decisions as embedders read them.

use policy_engine::wire::Credentials;
use policy_engine::{ArgumentsRead, EndpointId, Plan, Policy, Refusal, RuleId, Trace, Violation};
use serde::Serialize;

/// The answer to a call, with the rules that decided.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "typescript", derive(tsify::Tsify))]
#[serde(tag = "decision", rename_all = "lowercase")]
pub enum Decision<'p> {
    /// The message passes, as these fields say.
    Allow {
        /// The server that it goes to.
        server: &'p str,
        /// The cluster that reaches the server.
        cluster: &'p str,
        /// The path there; absent where the client's own stays.
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<&'p str>,
        /// How long the server may take; absent where no rule says.
        #[serde(skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
        /// `home`: the caller's credentials stay with the gateway; `passthrough`: the server gets
        /// them.
        #[cfg_attr(feature = "typescript", tsify(type = "\"home\" | \"passthrough\""))]
        credentials: Credentials,
        /// Whether the engine has read the arguments to their end. Where it has not, whoever passes
        /// them on makes sure that they are JSON in which no key comes twice.
        arguments_read: bool,
        /// The faults of arguments that pass because `validate` is `shadow`.
        #[serde(skip_serializing_if = "<[Violation]>::is_empty")]
        #[cfg_attr(feature = "typescript", tsify(type = "Violation[]", optional))]
        shadowed: &'p [Violation],
        /// The rules that decided.
        rules: Rules<'p>,
    },
    /// The message does not pass, for this reason.
    Refuse {
        /// A short fixed word.
        reason: &'static str,
        /// The sentence for the caller: what happened, and what to do.
        sentence: String,
        /// The faults of the arguments, where these are the reason.
        #[serde(skip_serializing_if = "<[Violation]>::is_empty")]
        #[cfg_attr(feature = "typescript", tsify(type = "Violation[]", optional))]
        violations: &'p [Violation],
        /// How long until the call passes, where waiting helps.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_seconds: Option<u64>,
        /// The rules that decided.
        rules: Rules<'p>,
    },
}

/// The names of the rules that decide about a call, field by field; absent where a default does.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[cfg_attr(feature = "typescript", derive(tsify::Tsify))]
pub struct Rules<'p> {
    /// The rule that says who may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<&'p str>,
    /// The rule that says whether arguments are checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate: Option<&'p str>,
    /// The rule whose schema they are checked by, besides the tool's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraints: Option<&'p str>,
    /// The rule that says how long the server may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<&'p str>,
    /// The rule that says where the call goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'p str>,
}

impl<'p> Rules<'p> {
    pub(crate) fn of(policy: &'p Policy, trace: Trace) -> Self {
        let name = |rule: Option<RuleId>| rule.map(|rule| policy.rule_name(rule));
        Self {
            allow: name(trace.allow),
            validate: name(trace.validate),
            constraints: name(trace.constraints),
            timeout: name(trace.timeout),
            route: name(trace.route),
        }
    }
}

impl<'p> Decision<'p> {
    /// None where the plan is of another policy.
    pub(crate) fn allow(
        policy: &'p Policy,
        endpoint: EndpointId,
        plan: &'p Plan,
        rules: Rules<'p>,
    ) -> Option<Self> {
        let address = policy.address(endpoint, plan)?;
        let timeout = plan.timeout().map(|timeout| timeout.as_millis());
        Some(Self::Allow {
            server: policy.server(address.target),
            cluster: address.cluster,
            path: address.path,
            timeout_ms: timeout.map(|timeout| u64::try_from(timeout).unwrap_or(u64::MAX)),
            credentials: address.credentials,
            arguments_read: plan.arguments_read() == ArgumentsRead::Yes,
            shadowed: plan.shadowed(),
            rules,
        })
    }

    pub(crate) fn refuse(refusal: &'p Refusal, rules: Rules<'p>) -> Self {
        Self::Refuse {
            reason: refusal.reason(),
            sentence: refusal.sentence(),
            violations: match refusal {
                Refusal::BadArguments { violations, .. } => violations,
                _ => &[],
            },
            retry_after_seconds: refusal.retry_after_seconds(),
            rules,
        }
    }
}
