//! Whether going from one policy to another might let something pass that was refused.
//!
//! It is said of a fall-back that nobody asked for, so it errs on one side: what is not known to be
//! at least as strict counts as looser. Fields that this module does not know count as a
//! difference.

use std::collections::BTreeMap;

use gateway_document::GatewayDocument;
use policy_engine::wire::{Access, FilterConfig, Validate};
use policy_engine::{Explanation, Policy};
use serde_json::{Map, Value};

use crate::generation::Built;

/// The fields of a filter's configuration that are compared by what they mean.
const COMPARED: [&str; 6] = [
    "endpoints",
    "servers",
    "defaults",
    "rules",
    "schemas",
    "listener",
];
/// The fields of a rule that show in the policies of tools.
const OF_RULES: [&str; 8] = [
    "name",
    "match",
    "allow",
    "limits",
    "validate",
    "constraints",
    "timeout_ms",
    "route",
];
/// The fields of a tool's policy that are compared one by one, or mean nothing for access.
const OF_TOOLS: [&str; 6] = [
    "allow",
    "validate",
    "input_schema",
    "constraints",
    "timeout_ms",
    "limits",
];

/// Whether Envoys that go from `from` to `to` might pass what they refuse now.
pub(super) fn may_loosen(from: &Built, to: &Built) -> bool {
    envoy_may_loosen(&from.document, &to.document)
        || to.listeners.iter().any(|(name, resolved)| {
            let before = from.listeners.iter().find(|(other, _)| other == name);
            before.is_none_or(|(_, before)| {
                config_may_loosen(&before.config, &resolved.config)
                    || policy_may_loosen(from, &before.policy, &resolved.policy)
            })
        })
}

/// Whether Envoy itself might let somebody in, or send something somewhere, by `to` and not by
/// `from`. It is compared as it is written: to know which of two routes is stricter, one would have
/// to know what is behind them.
fn envoy_may_loosen(from: &GatewayDocument, to: &GatewayDocument) -> bool {
    let other_routes = !to.routes.is_empty() && to.routes != from.routes;
    let other_doors = to.listeners.iter().any(|listener| {
        let before = from.listener(&listener.name);
        before.is_some_and(|before| {
            before.tls.is_some() && before.tls != listener.tls
                || listener.cors.is_some() && before.cors != listener.cors
        })
    });
    let believes_others = to.clusters.iter().any(|cluster| {
        let before = from.cluster(&cluster.name);
        let before = before.and_then(|before| before.upstream.tls.as_ref());
        before.is_some() && before != cluster.upstream.tls.as_ref()
    });
    other_routes || other_doors || believes_others
}

/// Whether a way back to `to` might let something pass that nobody can compare: a server whose list
/// is not known, because it has moved or was down, may list any tool, and the rules for it are
/// others; or those come in who could not reach the listener.
pub(super) fn may_loosen_unseen(from: &Built, to: &Built) -> bool {
    let is_unlisted = |name| !to.lists.contains_key(name);
    let lacks_a_list = to.document.servers.keys().any(is_unlisted);
    let rules =
        |config: &FilterConfig| fields(config).and_then(|fields| fields.get("rules").cloned());
    let has_other_rules = to.listeners.iter().any(|(name, resolved)| {
        let before = from.listeners.iter().find(|(other, _)| other == name);
        before.is_none_or(|(_, before)| rules(&before.config) != rules(&resolved.config))
    });
    let reaches_further = to.document.listeners.iter().any(|listener| {
        let mut before = from.document.listeners.iter();
        let before = before.find(|before| before.name == listener.name);
        let ip = listener.address.ip();
        !ip.is_loopback() && before.is_none_or(|before| before.address.ip() != ip)
    });
    lacks_a_list && has_other_rules || reaches_further
}

fn config_may_loosen(from: &FilterConfig, to: &FilterConfig) -> bool {
    let (Some(before), Some(after)) = (fields(from), fields(to)) else {
        return true;
    };
    if before == after {
        return false;
    }
    let opens = to.defaults.access == Access::Allow && from.defaults.access == Access::Deny;
    let checks_less = strictness(to.defaults.validate) < strictness(from.defaults.validate);
    opens
        || checks_less
        || rest(&before, &COMPARED) != rest(&after, &COMPARED)
        || unknown_rule_fields(&before) != unknown_rule_fields(&after)
        || !all_known(&before, &after, "servers", "tools")
        || !endpoints_known(&before, &after)
}

/// Whether each endpoint in `after` is the same in `before`, but may have offered more servers
/// there.
fn endpoints_known(before: &Fields, after: &Fields) -> bool {
    let endpoints = |fields: &Fields| -> Vec<Fields> {
        let endpoints = fields.get("endpoints").and_then(Value::as_array);
        let endpoints = endpoints.into_iter().flatten().filter_map(Value::as_object);
        endpoints.cloned().collect()
    };
    let servers = |endpoint: &Fields| -> Vec<Value> {
        let servers = endpoint.get("servers").and_then(Value::as_array);
        servers.cloned().unwrap_or_default()
    };
    let before = endpoints(before);
    endpoints(after).iter().all(|endpoint| {
        before.iter().any(|other| {
            let more = servers(other);
            rest(other, &["servers"]) == rest(endpoint, &["servers"])
                && servers(endpoint).iter().all(|server| more.contains(server))
        })
    })
}

/// Whether each entry of a table in `after` is the same in `before`, but for one field.
fn all_known(before: &Fields, after: &Fields, table: &str, but_for: &str) -> bool {
    let entries = |fields: &Fields| fields.get(table).and_then(Value::as_object).cloned();
    let (before, after) = (
        entries(before).unwrap_or_default(),
        entries(after).unwrap_or_default(),
    );
    after.iter().all(|(name, entry)| {
        let same = before
            .get(name)
            .and_then(Value::as_object)
            .zip(entry.as_object());
        same.is_some_and(|(before, after)| rest(before, &[but_for]) == rest(after, &[but_for]))
    })
}

type Fields = Map<String, Value>;

fn fields(value: &impl serde::Serialize) -> Option<Fields> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => Some(fields),
        _ => None,
    }
}

/// The fields that are not compared by themselves.
fn rest(fields: &Fields, compared: &[&str]) -> Fields {
    let rest = fields
        .iter()
        .filter(|(name, _)| !compared.contains(&name.as_str()));
    rest.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The fields of rules that do not show in the policies of tools, rule by rule.
fn unknown_rule_fields(config: &Fields) -> Vec<Fields> {
    let rules = config.get("rules").and_then(Value::as_array);
    let rules = rules.into_iter().flatten().filter_map(Value::as_object);
    rules
        .map(|rule| rest(rule, &OF_RULES))
        .filter(|fields| !fields.is_empty())
        .collect()
}

fn policy_may_loosen(built: &Built, from: &Policy, to: &Policy) -> bool {
    let before: BTreeMap<_, _> = explanations(from).collect();
    explanations(to).any(|(tool, after)| match before.get(&tool) {
        Some(before) => tool_may_loosen(before, after),
        // A tool that its server does not list is not refused by any policy.
        None => lists(built, tool),
    })
}

fn lists(built: &Built, (server, tool): (&str, &str)) -> bool {
    let list = built.lists.iter().find(|(name, _)| name.as_str() == server);
    list.is_some_and(|(_, list)| list.tools.iter().any(|listed| listed.name == tool))
}

fn explanations(policy: &Policy) -> impl Iterator<Item = ((&str, &str), &Explanation)> {
    policy
        .tool_names()
        .filter_map(|(id, server, tool)| Some(((server, tool), policy.explain(id)?)))
}

fn tool_may_loosen(from: &Explanation, to: &Explanation) -> bool {
    let (Some(before), Some(after)) = (fields(from), fields(to)) else {
        return true;
    };
    let admits_more = {
        let everyone = "*".to_owned();
        let before = &from.allow.value;
        let after = &to.allow.value;
        !before.contains(&everyone) && after.iter().any(|role| !before.contains(role))
    };
    let drops_a_schema =
        |before: &Option<String>, after: &Option<String>| before.is_some() && before != after;
    let drops_a_limit = from.limits.iter().any(|limit| {
        !to.limits.iter().any(|other| {
            (&other.rule, &other.id, &other.per) == (&limit.rule, &limit.id, &limit.per)
                && u128::from(other.requests) * u128::from(limit.window_ms)
                    <= u128::from(limit.requests) * u128::from(other.window_ms)
                && other.burst <= limit.burst
        })
    });
    // A cluster's name may come from another rule, with the same cluster.
    let cluster = |fields: &Fields| {
        fields
            .get("cluster")
            .and_then(|field| field.get("value"))
            .cloned()
    };
    let unknown = |fields: &Fields| {
        let mut known = OF_TOOLS.to_vec();
        known.push("cluster");
        rest(fields, &known)
    };
    admits_more
        || strictness(to.validate.value) < strictness(from.validate.value)
        || drops_a_schema(&from.input_schema, &to.input_schema)
        || drops_a_schema(&from.constraints.value, &to.constraints.value)
        || drops_a_limit
        || cluster(&before) != cluster(&after)
        || unknown(&before) != unknown(&after)
}

fn strictness(validate: Validate) -> u8 {
    match validate {
        Validate::Off => 0,
        Validate::Shadow => 1,
        Validate::Enforce => 2,
    }
}

#[cfg(test)]
mod tests;
