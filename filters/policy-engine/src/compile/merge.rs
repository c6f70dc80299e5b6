//! The rules that match a tool, merged field by field.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rules::{Per, PerTool, Rule, check_cluster};
use super::{Errors, Library};
use crate::candidates::{Candidate, Candidates};
use crate::compile_error::join;
use crate::decision::{CommonBucket, Limit, part};
use crate::explain::{ConditionalValue, ExplainedLimit, Explanation, Field};
use crate::ids::ToolId;
use crate::policy::ToolPolicy;
use crate::principal::Access;
use crate::schema::Schema;
use crate::schema::header_parameters::HeaderParameter;
use crate::target::{Target, TargetId, Targets};
use crate::wire::{self, FilterConfig, Validate};

/// Tools by their server's name and their own.
pub(super) type ToolIds<'a> = BTreeMap<(&'a str, &'a str), ToolId>;

pub(super) fn tools<'a>(
    config: &'a FilterConfig,
    rules: &[Rule<'a>],
    targets: &mut Targets,
    library: &mut Library<'_>,
    errors: &mut Errors,
) -> (Vec<ToolPolicy>, ToolIds<'a>) {
    let mut tools = Vec::new();
    let mut ids = ToolIds::new();
    for (name, server) in &config.servers {
        check_server(name, server, errors);
        for (tool, entry) in &server.tools {
            let Ok(id) = u32::try_from(tools.len()) else {
                break;
            };
            ids.insert((name, tool), ToolId(id));
            tools.push(merge(
                config,
                rules,
                Place {
                    server_name: name,
                    server,
                    tool,
                    entry,
                },
                targets,
                library,
                errors,
            ));
        }
    }
    (tools, ids)
}

fn check_server(name: &str, server: &wire::Server, errors: &mut Errors) {
    let path = join("/servers", name);
    if name.is_empty() {
        errors.add(path.clone(), "a server needs a name");
    }
    check_cluster(&server.cluster, &format!("{path}/cluster"), errors);
    if !server.path.starts_with('/') || !server.path.bytes().all(|byte| byte.is_ascii_graphic()) {
        errors.add(
            format!("{path}/path"),
            "a path starts with `/` and is made of printable ASCII characters without spaces",
        );
    }
}

/// A tool and where it is in the configuration.
#[derive(Clone, Copy)]
struct Place<'a> {
    server_name: &'a str,
    server: &'a wire::Server,
    tool: &'a str,
    entry: &'a wire::Tool,
}

fn merge(
    config: &FilterConfig,
    rules: &[Rule<'_>],
    place: Place<'_>,
    targets: &mut Targets,
    library: &mut Library<'_>,
    errors: &mut Errors,
) -> ToolPolicy {
    let Place {
        server_name,
        server,
        tool,
        entry,
    } = place;
    let matching: Vec<&Rule<'_>> = rules
        .iter()
        .filter(|rule| rule.matches(server_name, tool))
        .collect();

    let access = candidates(
        &matching,
        |rule| rule.access.as_ref().map(|(access, _)| access.clone()),
        match config.defaults.access {
            wire::Access::Allow => Access::Everyone,
            wire::Access::Deny => Access::Roles(Vec::new()),
        },
    );
    let validate = candidates(&matching, |rule| rule.validate, config.defaults.validate);
    let timeout = candidates(&matching, |rule| rule.timeout.map(Some), None);
    let mut target_of = |cluster: &str| target(config, (server_name, server), cluster, targets);
    let own_target = target_of(&server.cluster);
    let target = candidates(
        &matching,
        |rule| rule.cluster.map(&mut target_of),
        own_target,
    );

    let mut own = None;
    let mut headers: Arc<[HeaderParameter]> = Arc::default();
    let is_never_checked = validate.all().all(|one| one.value == Validate::Off);
    if is_never_checked {
        // Headers are compared all the same: a server may read the one or the other.
        let text = entry
            .input_schema
            .as_ref()
            .and_then(|hash| config.schemas.get(hash));
        headers = text.map_or(headers, |text| Schema::header_parameters_unchecked(text));
    } else if let Some(hash) = &entry.input_schema {
        let user = format!("tool `{tool}` of server `{server_name}`");
        let path = format!(
            "{}/input_schema",
            join(&format!("{}/tools", join("/servers", server_name)), tool)
        );
        own = library.get(hash, &path, &user, errors);
        headers = own.as_ref().map_or(headers, |own| own.header_parameters());
    }
    let constraint = |rule: &Rule<'_>| {
        let hash = rule.constraints?;
        if is_never_checked {
            return Some(None);
        }
        let user = format!("the constraints of rule `{}`", rule.name);
        let path = format!("{}/constraints", rule.path);
        Some(library.get(hash, &path, &user, errors))
    };
    let constraints = candidates(&matching, constraint, None);

    let explained = matching
        .iter()
        .flat_map(|rule| rule.limits.iter().map(|limit| explain_limit(rule, limit)));
    let explanation = Explanation {
        server: server_name.to_owned(),
        tool: tool.to_owned(),
        allow: explain(rules, &access, |rule| match rule {
            Some(rule) => {
                let set = rule.access.as_ref();
                set.map(|(_, roles)| roles.to_vec()).unwrap_or_default()
            }
            None => match config.defaults.access {
                wire::Access::Allow => vec!["*".to_owned()],
                wire::Access::Deny => Vec::new(),
            },
        }),
        validate: explain(rules, &validate, |rule| {
            let set = rule.and_then(|rule| rule.validate);
            set.unwrap_or(config.defaults.validate)
        }),
        input_schema: entry.input_schema.clone(),
        constraints: explain(rules, &constraints, |rule| {
            rule.and_then(|rule| rule.constraints).map(str::to_owned)
        }),
        timeout_ms: explain(rules, &timeout, |rule| {
            let timeout = rule.and_then(|rule| rule.timeout)?;
            u64::try_from(timeout.as_millis()).ok()
        }),
        cluster: explain(rules, &target, |rule| {
            let set = rule.and_then(|rule| rule.cluster);
            set.unwrap_or(&server.cluster).to_owned()
        }),
        limits: explained.collect(),
    };
    ToolPolicy {
        target,
        timeout,
        access,
        validate,
        own,
        constraints,
        headers,
        limits: matching
            .iter()
            .flat_map(|rule| {
                rule.limits.iter().map(|limit| {
                    let identity =
                        identity(server_name, rule.name, &limit.wire.id, tool, limit.per);
                    Limit {
                        callers: rule.callers(),
                        rule: rule.name.to_owned(),
                        id: limit.wire.id.clone(),
                        requests: limit.wire.requests,
                        window_ms: limit.wire.window_ms,
                        rate: limit.rate,
                        principal: limit.per.principal,
                        common_bucket: CommonBucket::new(identity.clone(), limit.per.principal),
                        identity,
                    }
                })
            })
            .collect(),
        explanation,
    }
}

/// The candidates of a field, from the rules that match and set it.
fn candidates<T>(
    matching: &[&Rule<'_>],
    mut get: impl FnMut(&Rule<'_>) -> Option<T>,
    default: T,
) -> Candidates<T> {
    let set = matching
        .iter()
        .filter_map(|rule| Some((rule.callers(), rule.id, get(rule)?)));
    Candidates::of(set, default)
}

/// A field as people read it: `value` tells what a rule sets, or the default.
fn explain<T, U>(
    rules: &[Rule<'_>],
    candidates: &Candidates<T>,
    value: impl Fn(Option<&Rule<'_>>) -> U,
) -> Field<U> {
    let rule_of = |candidate: &Candidate<T>| {
        let id = candidate.rule?;
        rules.iter().find(|rule| rule.id == id)
    };
    let otherwise = rule_of(candidates.otherwise());
    let conditional = candidates.conditional().filter_map(|candidate| {
        let rule = rule_of(candidate)?;
        Some(ConditionalValue {
            roles: rule.roles().to_vec(),
            value: value(Some(rule)),
            rule: rule.name.to_owned(),
        })
    });
    Field {
        candidates: conditional.collect(),
        value: value(otherwise),
        rule: otherwise.map(|rule| rule.name.to_owned()),
    }
}

fn explain_limit(rule: &Rule<'_>, limit: &super::rules::RuleLimit<'_>) -> ExplainedLimit {
    ExplainedLimit {
        rule: rule.name.to_owned(),
        id: limit.wire.id.clone(),
        per: limit.wire.per.clone(),
        requests: limit.wire.requests,
        window_ms: limit.wire.window_ms,
        burst: limit.burst,
        roles: rule.roles().to_vec(),
    }
}

/// All of a bucket's identity but the principal.
fn identity(server: &str, rule: &str, limit: &str, tool: &str, per: Per) -> Vec<u8> {
    let mut identity = part(Vec::new(), b's', server.as_bytes());
    identity = part(identity, b'r', rule.as_bytes());
    identity = part(identity, b'l', limit.as_bytes());
    match per.tool {
        PerTool::Yes => part(identity, b't', tool.as_bytes()),
        PerTool::No => identity,
    }
}

/// The target that reaches a server by a cluster.
pub(super) fn target(
    config: &FilterConfig,
    (name, server): (&str, &wire::Server),
    cluster: &str,
    targets: &mut Targets,
) -> TargetId {
    targets.id_of((name, cluster), || Target {
        server: name.to_owned(),
        cluster: cluster.to_owned(),
        path: server.path.clone(),
        credentials: credentials_for(config, cluster),
    })
}

/// Decides whether callers' credentials pass to a cluster: only where a server that lives there
/// asks for them, wherever a rule may send its calls.
fn credentials_for(config: &FilterConfig, cluster: &str) -> wire::Credentials {
    let asks = |server: &wire::Server| server.cluster == cluster && !server.credentials.stay_home();
    if config.servers.values().any(asks) {
        wire::Credentials::Passthrough
    } else {
        wire::Credentials::Home
    }
}
