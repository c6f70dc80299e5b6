//! Whether going from one policy to another might let something pass that was refused.
//!
//! It is said of a fall-back that nobody asked for, so it errs on one side: what is not known to be
//! at least as strict counts as looser. Each structure is taken apart whole, so that a new field of
//! it does not compile until somebody has said what it means here.
//!
//! One difference is told apart ([`Looser::Targets`]): calls go elsewhere, and nothing else is
//! allowed.

use std::collections::{BTreeMap, BTreeSet};

use gateway_document::{GatewayDocument, ListenerName, Resolved};
use policy_engine::wire::{Access, Endpoint, FilterConfig, Rule, Server, Validate};
use policy_engine::{ExplainedLimit, Explanation, ToolId};

use crate::generation::Built;
use targets::TargetChanges;

mod items;
mod targets;

/// How much looser one policy may be than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Looser {
    /// It is at least as strict.
    Not,
    /// Calls go to other clusters, which are there as they were; the rest is at least as strict.
    Targets,
    /// It may let something pass that the other one refuses.
    More,
}

/// How much looser Envoys might be that go from `from` to `to`.
pub(super) fn looser(from: &Built, to: &Built) -> Looser {
    if !may_loosen(from, to) {
        return Looser::Not;
    }
    let targets = TargetChanges::left_to_numbers(&from.document, &to.document);
    if differs_loosely(from, to, &targets) {
        Looser::More
    } else {
        Looser::Targets
    }
}

/// Whether Envoys that go from `from` to `to` might pass what they refuse now, or send calls
/// elsewhere.
pub(super) fn may_loosen(from: &Built, to: &Built) -> bool {
    differs_loosely(from, to, &TargetChanges::Count)
}

fn differs_loosely(from: &Built, to: &Built, targets: &TargetChanges) -> bool {
    envoy_may_loosen(&from.document, &to.document, targets) || {
        let before = listeners(from);
        to.listeners.iter().any(|(name, resolved)| {
            before.get(name).is_none_or(|before| {
                config_may_loosen(&before.config, &resolved.config, targets)
                    || policy_may_loosen(from, (before, resolved), targets)
            })
        })
    }
}

fn listeners(built: &Built) -> BTreeMap<&ListenerName, &Resolved> {
    let by_name = by_key(built.listeners.iter(), |(name, _)| name);
    let resolved = by_name.into_iter();
    resolved
        .map(|(name, (_, resolved))| (name, resolved))
        .collect()
}

/// Things by what tells them apart, so that each is looked up and not looked for.
fn by_key<'a, T: 'a, K: Ord>(
    things: impl IntoIterator<Item = &'a T>,
    key: impl Fn(&'a T) -> K,
) -> BTreeMap<K, &'a T> {
    let things = things.into_iter().inspect(|_| step_count::count(1));
    things.map(|thing| (key(thing), thing)).collect()
}

/// Whether Envoy itself might let somebody in, or send something somewhere, by `to` and not by
/// `from`. It is compared as it is written: to know which of two routes is stricter, one would have
/// to know what is behind them.
fn envoy_may_loosen(from: &GatewayDocument, to: &GatewayDocument, targets: &TargetChanges) -> bool {
    let listeners = by_key(&from.listeners, |listener| &listener.name);
    let clusters = by_key(&from.clusters, |cluster| &cluster.name);
    let other_routes = !to.routes.is_empty()
        && to.routes != from.routes
        && targets.count_in_routes(&from.routes, &to.routes);
    let other_doors = to.listeners.iter().any(|listener| {
        let before = listeners.get(&listener.name);
        before.is_some_and(|before| {
            before.tls.is_some() && before.tls != listener.tls
                || listener.cors.is_some() && before.cors != listener.cors
        })
    });
    let believes_others = to.clusters.iter().any(|cluster| {
        let before = clusters.get(&cluster.name);
        let before = before.and_then(|before| before.upstream.tls.as_ref());
        before.is_some() && before != cluster.upstream.tls.as_ref()
    }) || to.servers.iter().any(|(name, server)| {
        let before = from
            .servers
            .get(name)
            .and_then(gateway_document::Server::tls);
        before.is_some() && before != server.tls()
    });
    // Those come in who could not reach the listener.
    let reaches_further = to.listeners.iter().any(|listener| {
        let before = listeners.get(&listener.name);
        let ip = listener.address.ip();
        !ip.is_loopback() && before.is_none_or(|before| before.address.ip() != ip)
    });
    let shows_other_credentials = to.servers.iter().any(|(name, server)| {
        let before = from.servers.get(name);
        let credentials = server.own_credentials();
        credentials.is_some() && before.is_some_and(|it| it.own_credentials() != credentials)
    });
    // Of one name, they may let others in, or show a server somebody else.
    let other_secrets = to.secrets.iter().any(|(name, secret)| {
        let before = from.secrets.get(name);
        before.is_some_and(|before| before != secret)
    });
    // Each may refuse what it likes. The gateway's own module is another matter: it reads the same
    // policy, and one that is taken back did not do so.
    let filters = by_key(&to.filters, |filter| &filter.name);
    let mut before = from.filters.iter();
    let fewer_filters = before.any(|filter| filters.get(&filter.name) != Some(&filter));
    other_routes
        || other_doors
        || believes_others
        || reaches_further
        || shows_other_credentials
        || other_secrets
        || fewer_filters
}

/// Whether a way back to `to` might let something pass that nobody can compare: a server whose list
/// is not known, because it has moved or was down, may list any tool, and the rules for it are
/// others.
pub(super) fn may_loosen_unseen(from: &Built, to: &Built) -> bool {
    let is_unlisted = |name| !to.lists.contains_key(name);
    let lacks_a_list = to.document.servers.keys().any(is_unlisted);
    let before = listeners(from);
    let has_other_rules = to.listeners.iter().any(|(name, resolved)| {
        let before = before.get(name);
        before.is_none_or(|before| before.config.rules != resolved.config.rules)
    });
    lacks_a_list && has_other_rules
}

fn config_may_loosen(from: &FilterConfig, to: &FilterConfig, targets: &TargetChanges) -> bool {
    let FilterConfig {
        version,
        listener: _,
        allowed_hosts,
        allowed_origins,
        max_body_bytes,
        max_depth,
        endpoints,
        servers,
        defaults,
        roles,
        rules,
        // They show in the policies of tools.
        schemas: _,
        // It tells of decisions and changes none.
        access_log: _,
    } = to;
    let endpoints_before = by_key(&from.endpoints, |endpoint| endpoint.path.as_str());
    let opens = defaults.access == Access::Allow && from.defaults.access == Access::Deny;
    let checks_less = strictness(defaults.validate) < strictness(from.defaults.validate);
    opens
        || checks_less
        || *version != from.version
        || *allowed_hosts != from.allowed_hosts
        || *allowed_origins != from.allowed_origins
        || *max_body_bytes != from.max_body_bytes
        || *max_depth != from.max_depth
        || *roles != from.roles
        || !rules.iter().all(shows_in_policies)
        || items::may_loosen(from, to, targets)
        || !servers.iter().all(|(name, server)| {
            let before = from.servers.get(name);
            before.is_some_and(|before| is_same_but_for_tools(before, server))
        })
        || !endpoints.iter().all(|endpoint| {
            let before = endpoints_before.get(endpoint.path.as_str());
            before.is_some_and(|before| is_same_with_fewer_servers(before, endpoint))
        })
}

/// Whether a rule says nothing that does not show in the policies of tools, or is compared by
/// [`items::may_loosen`].
fn shows_in_policies(rule: &Rule) -> bool {
    let Rule {
        name: _,
        matches: _,
        allow: _,
        limits: _,
        validate: _,
        constraints: _,
        timeout_ms: _,
        route: _,
    } = rule;
    true
}

fn is_same_but_for_tools(before: &Server, after: &Server) -> bool {
    let Server {
        cluster,
        path,
        tool_prefix,
        credentials,
        // They show in the policies of tools.
        tools: _,
        list: _,
        withheld: _,
    } = after;
    *cluster == before.cluster
        && *path == before.path
        && *tool_prefix == before.tool_prefix
        && *credentials == before.credentials
}

/// Whether the endpoint of a path is the same as before, but may have offered more servers then.
fn is_same_with_fewer_servers(before: &Endpoint, after: &Endpoint) -> bool {
    let Endpoint {
        path: _,
        servers,
        forward,
        exchange,
        withheld,
    } = after;
    let before_it = by_key(&before.servers, String::as_str);
    *forward == before.forward
        && *exchange == before.exchange
        && *withheld == before.withheld
        && servers
            .iter()
            .all(|server| before_it.contains_key(server.as_str()))
}

fn policy_may_loosen(
    built: &Built,
    (from, to): (&Resolved, &Resolved),
    targets: &TargetChanges,
) -> bool {
    let (before, after) = (&from.policy, &to.policy);
    tools_that_may_differ(from, to).into_iter().any(|id| {
        let tool = after.tool_name(id);
        let Some(((server, name), explanation)) = tool.zip(after.explain(id)) else {
            return true;
        };
        let known = before.find_tool(server, name);
        match known.and_then(|known| before.explain(known)) {
            Some(known) => known != explanation && tool_may_loosen(known, explanation, targets),
            // A tool that its server does not list is not refused by any policy.
            None => lists(built, (server, name)),
        }
    })
}

/// The tools of `to` whose policies may not be those of `from`. Where the lists are the same, they
/// are the tools that a rule matches which only one of the two has.
fn tools_that_may_differ(from: &Resolved, to: &Resolved) -> BTreeSet<ToolId> {
    let (before, after) = (&from.config, &to.config);
    let same = |(name, server): (&String, &Server)| {
        let known = before.servers.get(name);
        known
            .is_some_and(|known| (&known.list, &known.withheld) == (&server.list, &server.withheld))
    };
    let places: BTreeMap<&str, usize> = (0..)
        .zip(&before.rules)
        .map(|(place, rule)| (rule.name.as_str(), place))
        .collect();
    let kept: BTreeMap<usize, usize> = (0..)
        .zip(&after.rules)
        .filter_map(|(place, rule)| Some((place, *places.get(rule.name.as_str())?)))
        .filter(|(place, known)| after.rules[*place] == before.rules[*known])
        .collect();
    let is_in_order = kept.values().is_sorted();
    if !is_in_order || before.defaults != after.defaults || !after.servers.iter().all(same) {
        return to.policy.tool_names().map(|(id, _, _)| id).collect();
    }
    let new = (0..after.rules.len()).filter(|place| !kept.contains_key(place));
    let mut differing: BTreeSet<ToolId> = new
        .flat_map(|place| to.policy.tools_of_rule(place))
        .collect();
    let stayed: BTreeSet<usize> = kept.into_values().collect();
    for gone in (0..before.rules.len()).filter(|place| !stayed.contains(place)) {
        let names = from.policy.tools_of_rule(gone);
        let names = names.filter_map(|id| from.policy.tool_name(id));
        differing.extend(names.filter_map(|(server, tool)| to.policy.find_tool(server, tool)));
    }
    differing
}

fn lists(built: &Built, (server, tool): (&str, &str)) -> bool {
    let list = built.lists.get(server);
    list.is_some_and(|list| list.tools.find(tool).is_some())
}

fn tool_may_loosen(from: &Explanation, to: &Explanation, targets: &TargetChanges) -> bool {
    let Explanation {
        server: _,
        tool: _,
        allow,
        validate,
        input_schema,
        constraints,
        timeout_ms: _,
        cluster,
        limits,
    } = to;
    let admits_more = {
        let before = by_key(&from.allow.value, String::as_str);
        let has_all = before.contains_key("*");
        let mut roles = allow.value.iter();
        !has_all && roles.any(|role| !before.contains_key(role.as_str()))
    };
    let drops_a_schema =
        |before: &Option<String>, after: &Option<String>| before.is_some() && before != after;
    let limits = by_key(limits, |limit| (&limit.rule, &limit.id));
    let drops_a_limit = from.limits.iter().any(|limit| {
        !limits.get(&(&limit.rule, &limit.id)).is_some_and(|other| {
            let rate = |limit: &ExplainedLimit| (limit.requests, limit.window_ms, limit.burst);
            (&other.per, &other.roles) == (&limit.per, &limit.roles)
                && is_as_strict(rate(other), rate(limit))
        })
    });
    // Nobody compares what holds for some callers with what holds for others.
    let treats_some_otherwise = from.allow.candidates != allow.candidates
        || from.validate.candidates != validate.candidates
        || from.constraints.candidates != constraints.candidates;
    // A cluster's name may come from another rule, with the same cluster.
    let goes_elsewhere =
        from.cluster.candidates != cluster.candidates || from.cluster.value != cluster.value;
    let goes_to = || {
        let conditional = cluster.candidates.iter().map(|one| one.value.as_str());
        conditional.chain([cluster.value.as_str()])
    };
    admits_more
        || treats_some_otherwise
        || strictness(validate.value) < strictness(from.validate.value)
        || drops_a_schema(&from.input_schema, input_schema)
        || drops_a_schema(&from.constraints.value, &constraints.value)
        || drops_a_limit
        || goes_elsewhere && targets.count(goes_to())
}

/// Whether a limit lets no more calls pass than another one: each so many requests in a window of
/// so many milliseconds, of which so many may come at once.
fn is_as_strict(
    (requests, window_ms, burst): (u64, u64, u64),
    (others, in_ms, at_once): (u64, u64, u64),
) -> bool {
    u128::from(requests) * u128::from(in_ms) <= u128::from(others) * u128::from(window_ms)
        && burst <= at_once
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
