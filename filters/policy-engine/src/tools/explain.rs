//! The policy of an item as people read it, worked out for those who ask: the proxy never does.

use super::rule::{Rule, RuleLimit};
use super::{ServerTools, Tools};
use crate::candidates::{Candidate, Candidates};
use crate::explain::{ConditionalValue, ExplainedLimit, Explanation, Field};
use crate::item_kind::ItemKind;
use crate::item_policy::ItemPolicy;
use crate::wire;

/// The rules behind the policy of an item of this name, field by field; `matching` are those that
/// match it.
pub(super) fn explain<'a>(
    tools: &Tools,
    server: &ServerTools,
    (policy, name): (&ItemPolicy, &str),
    matching: impl Iterator<Item = &'a Rule>,
) -> Explanation {
    let rules = &tools.rules;
    let defaults = match policy.kind {
        ItemKind::Tool => tools.defaults,
        // Nobody checks anything of them; and what closes them says so.
        _ => wire::Defaults {
            access: wire::Access::Allow,
            validate: wire::Validate::Off,
        },
    };
    Explanation {
        server: server.name.clone(),
        tool: name.to_owned(),
        allow: field(rules, &policy.access, |rule| match rule {
            Some(rule) => {
                let set = rule.access.as_ref();
                set.map(|(_, roles)| roles.clone()).unwrap_or_default()
            }
            None => match defaults.access {
                wire::Access::Allow => vec!["*".to_owned()],
                wire::Access::Deny => Vec::new(),
            },
        }),
        validate: field(rules, &policy.validate, |rule| {
            let set = rule.and_then(|rule| rule.validate);
            set.unwrap_or(defaults.validate)
        }),
        input_schema: policy.own_hash().map(str::to_owned),
        constraints: field(rules, &policy.constraints, |rule| {
            let set = rule.and_then(|rule| rule.constraints.as_ref());
            set.map(|constraints| constraints.hash.to_string())
        }),
        timeout_ms: field(rules, &policy.timeout, |rule| {
            let timeout = rule.and_then(|rule| rule.timeout)?;
            u64::try_from(timeout.as_millis()).ok()
        }),
        cluster: field(rules, &policy.target, |rule| {
            let set = rule.and_then(|rule| rule.cluster.as_ref());
            set.unwrap_or(&server.cluster).clone()
        }),
        limits: matching
            .flat_map(|rule| rule.limits.iter().map(|limit| explain_limit(rule, limit)))
            .collect(),
    }
}

/// A field as people read it: `value` tells what a rule sets, or the default.
fn field<T, U>(
    rules: &[Rule],
    candidates: &Candidates<T>,
    value: impl Fn(Option<&Rule>) -> U,
) -> Field<U> {
    let rule_of = |candidate: &Candidate<T>| rules.get(candidate.rule?.index());
    let otherwise = rule_of(candidates.otherwise());
    let conditional = candidates.conditional().filter_map(|candidate| {
        let rule = rule_of(candidate)?;
        Some(ConditionalValue {
            roles: rule.roles().to_vec(),
            value: value(Some(rule)),
            rule: rule.name.to_string(),
        })
    });
    Field {
        candidates: conditional.collect(),
        value: value(otherwise),
        rule: otherwise.map(|rule| rule.name.to_string()),
    }
}

fn explain_limit(rule: &Rule, limit: &RuleLimit) -> ExplainedLimit {
    ExplainedLimit {
        rule: rule.name.to_string(),
        id: limit.wire.id.clone(),
        per: limit.wire.per.clone(),
        requests: limit.wire.requests,
        window_ms: limit.wire.window_ms,
        burst: limit.burst,
        roles: rule.roles().to_vec(),
    }
}
