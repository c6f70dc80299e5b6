//! Each rule by itself: names, references and numbers.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Errors, written_out};
use crate::glob::Glob;
use crate::ids::RuleId;
use crate::item_kind::ItemKind;
use crate::limit::PerPrincipal;
use crate::principal::{Access, Role};
use crate::rate::Rate;
use crate::schema_cache::SchemaCache;
use crate::tools::rule::{About, Per, PerTool, Rule, RuleLimit};
use crate::wire::{self, FilterConfig};

/// All rules that can be used; what is wrong with the others is in `errors`.
pub(super) fn check(
    config: &FilterConfig,
    known: &mut SchemaCache,
    errors: &mut Errors,
) -> Vec<Rule> {
    check_roles(config, errors);
    let roles = &roles(config);
    let mut names = BTreeSet::new();
    let mut rules = Vec::with_capacity(config.rules.len());
    for (index, rule) in config.rules.iter().enumerate() {
        let path = format!("/rules/{index}");
        if rule.name.is_empty() {
            errors.add(
                format!("{path}/name"),
                "every rule needs a name; its limits are counted under it",
            );
        } else if !names.insert(rule.name.as_str()) {
            errors.add(
                format!("{path}/name"),
                format!("another rule is already named `{}`", rule.name),
            );
        }
        let id = RuleId(u32::try_from(index).unwrap_or(u32::MAX));
        rules.push(check_rule(config, roles, (id, rule), &path, known, errors));
    }
    rules
}

/// The roles in the order of their names: each is made once, and shared by the rules that name it.
type Roles<'a> = Vec<(&'a str, Role)>;

fn roles(config: &FilterConfig) -> Roles<'_> {
    let roles = config.roles.iter();
    roles
        .map(|(name, role)| (name.as_str(), Role::new(role)))
        .collect()
}

fn check_roles(config: &FilterConfig, errors: &mut Errors) {
    for (name, role) in &config.roles {
        let path = crate::compile_error::join("/roles", name);
        if name == "*" || name.is_empty() {
            errors.add(
                path.clone(),
                "a role needs a name other than `*`, which stands for everyone",
            );
        }
        for (claim, values) in &role.claims {
            if values.is_empty() {
                let path = crate::compile_error::join(&format!("{path}/claims"), claim);
                errors.add(
                    path,
                    "lists no value, so nobody could hold the role; name the values that give it",
                );
            }
        }
    }
}

fn check_rule(
    config: &FilterConfig,
    roles: &Roles<'_>,
    (id, rule): (RuleId, &wire::Rule),
    path: &str,
    known: &mut SchemaCache,
    errors: &mut Errors,
) -> Rule {
    let wire::Rule {
        name,
        matches,
        allow,
        limits,
        validate,
        constraints,
        timeout_ms,
        route,
    } = rule;
    if let Some(server) = matches
        .server
        .as_ref()
        .filter(|server| !config.servers.contains_key(*server))
    {
        errors.add(
            format!("{path}/match/server"),
            format!("unknown server `{server}`; `servers` must hold it"),
        );
    }
    if *timeout_ms == Some(0) {
        errors.add(
            format!("{path}/timeout_ms"),
            "must be at least 1; leave it out for no time-out of the rule's own",
        );
    }
    if let Some(route) = route {
        check_cluster(&route.cluster, &format!("{path}/route/cluster"), errors);
    }
    Rule {
        id,
        name: name.as_str().into(),
        server: matches.server.clone(),
        about: check_about(rule, path, errors),
        callers: check_callers(roles, matches.roles.as_deref(), path, errors),
        access: allow.as_ref().map(|allow| {
            let access = check_allow(roles, allow, path, errors);
            (access, allow.clone())
        }),
        limits: check_limits(limits, path, errors),
        validate: *validate,
        constraints: constraints
            .as_deref()
            .map(|hash| written_out(config, hash, known)),
        timeout: timeout_ms.map(Duration::from_millis),
        cluster: route.as_ref().map(|route| route.cluster.clone()),
    }
}

/// The items that a rule is about: of one kind.
fn check_about(rule: &wire::Rule, path: &str, errors: &mut Errors) -> About {
    let mut about = About::Tools;
    for (kind, field, pattern) in rule.matches.items() {
        let path = format!("{path}/match/{field}");
        if pattern.is_empty() {
            errors.add(
                path.clone(),
                format!("matches no {0}; leave it out, or name one", kind.word()),
            );
        }
        if matches!(about, About::Items(..)) {
            errors.add(
                path,
                "a rule is about one kind of item: one of `tool`, `prompt`, `uri` and `method`",
            );
        }
        about = About::Items(kind, Glob::of_items(kind, pattern));
    }
    if !matches!(about, About::Tools | About::Items(ItemKind::Tool, _)) {
        let only_tools = "is for tools alone; leave it out, or match by `tool`";
        if rule.validate.is_some() {
            errors.add(format!("{path}/validate"), only_tools);
        }
        if rule.constraints.is_some() {
            errors.add(format!("{path}/constraints"), only_tools);
        }
        for (index, limit) in rule.limits.iter().enumerate() {
            if let Some(place) = limit.per.iter().position(|dimension| dimension == "tool") {
                errors.add(format!("{path}/limits/{index}/per/{place}"), only_tools);
            }
        }
    }
    about
}

fn check_callers(
    known: &Roles<'_>,
    roles: Option<&[String]>,
    path: &str,
    errors: &mut Errors,
) -> Option<(Access, Vec<String>)> {
    let roles = roles?;
    let path = format!("{path}/match/roles");
    if roles.is_empty() {
        errors.add(
            path.clone(),
            "names no role, so the rule is about nobody; leave it out for everyone, or name one",
        );
    }
    let found = check_roles_named(known, roles, &path, "leave `match.roles` out", errors);
    // As in `allow`, `*` is everyone: named or not.
    let is_everyone = roles.iter().any(|role| role == "*");
    (!is_everyone).then(|| (Access::Roles(found), roles.to_vec()))
}

/// The roles of these names, `*` left out.
#[inline(never)]
fn check_roles_named(
    known: &Roles<'_>,
    names: &[String],
    path: &str,
    for_everyone: &str,
    errors: &mut Errors,
) -> Arc<[Role]> {
    let mut roles = Vec::new();
    for (index, name) in names.iter().enumerate() {
        if name == "*" {
            continue;
        }
        let place = known.binary_search_by(|(known, _)| (*known).cmp(name));
        match place.ok().and_then(|place| known.get(place)) {
            Some((_, role)) => roles.push(role.clone()),
            None => errors.add(
                format!("{path}/{index}"),
                format!(
                    "unknown role `{name}`; `roles` must hold it, or {for_everyone} for everyone"
                ),
            ),
        }
    }
    roles.into()
}

fn check_allow(known: &Roles<'_>, allow: &[String], path: &str, errors: &mut Errors) -> Access {
    let path = format!("{path}/allow");
    let roles = check_roles_named(known, allow, &path, "write `*`", errors);
    if allow.iter().any(|name| name == "*") {
        Access::Everyone
    } else {
        Access::Roles(roles)
    }
}

fn check_limits(limits: &[wire::Limit], path: &str, errors: &mut Errors) -> Vec<RuleLimit> {
    let mut ids = BTreeSet::new();
    let mut checked = Vec::with_capacity(limits.len());
    for (index, limit) in limits.iter().enumerate() {
        let path = format!("{path}/limits/{index}");
        if limit.id.is_empty() {
            errors.add(
                format!("{path}/id"),
                "every limit needs an id; its calls are counted under it",
            );
        } else if !ids.insert(limit.id.as_str()) {
            errors.add(
                format!("{path}/id"),
                format!(
                    "another limit of this rule already has the id `{}`",
                    limit.id
                ),
            );
        }
        let per = check_dimensions(&limit.per, &path, errors);
        let burst = limit.burst.unwrap_or(limit.requests);
        match Rate::new(limit.requests, limit.window_ms, burst) {
            Ok(rate) => checked.push(RuleLimit {
                id: limit.id.as_str().into(),
                wire: limit.clone(),
                burst,
                rate,
                per,
            }),
            Err(wrong) => errors.add(format!("{path}/{}", wrong.field()), wrong.to_string()),
        }
    }
    checked
}

fn check_dimensions(dimensions: &[String], path: &str, errors: &mut Errors) -> Per {
    let mut per = Per {
        tool: PerTool::No,
        principal: PerPrincipal::No,
    };
    for (index, dimension) in dimensions.iter().enumerate() {
        let path = format!("{path}/per/{index}");
        if dimensions
            .iter()
            .take(index)
            .any(|earlier| earlier == dimension)
        {
            errors.add(path.clone(), format!("`{dimension}` is already listed"));
        }
        match dimension.as_str() {
            "tool" => per.tool = PerTool::Yes,
            "principal" => per.principal = PerPrincipal::Yes,
            // Part of every bucket's identity.
            "server" => {}
            "session" | "address" | "header" => errors.add(
                path,
                format!(
                    "a limit per `{dimension}` comes later; today: `tool`, `server`, `principal`"
                ),
            ),
            _ => errors.add(
                path,
                format!(
                    "unknown dimension `{dimension}`; it is one of `tool`, `server`, `principal`"
                ),
            ),
        }
    }
    per
}

/// A cluster's name travels in a header.
pub(super) fn check_cluster(cluster: &str, path: &str, errors: &mut Errors) {
    if cluster.is_empty() || !cluster.bytes().all(|byte| byte.is_ascii_graphic()) {
        errors.add(
            path,
            "a cluster's name is made of printable ASCII characters without spaces",
        );
    }
}
