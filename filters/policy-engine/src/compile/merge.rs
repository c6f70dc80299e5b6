//! The rules that match a tool, merged field by field.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rules::{Per, PerTool, Rule, check_cluster};
use super::{Errors, Library};
use crate::compile_error::join;
use crate::decision::{CommonBucket, Limit, part};
use crate::explain::{ExplainedLimit, Explanation, Field};
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

    let allowing = first(&matching, |rule| rule.access.as_ref());
    let opened_by = allowing.map(|(rule, _)| rule.id);
    let (access, allow) = match allowing {
        Some((rule, (access, allow))) => (access.clone(), field(allow.to_vec(), rule)),
        None => match config.defaults.access {
            wire::Access::Allow => (Access::Everyone, default_field(vec!["*".to_owned()])),
            wire::Access::Deny => (Access::Roles(Vec::new()), default_field(Vec::new())),
        },
    };
    let validate = match first(&matching, |rule| rule.validate) {
        Some((rule, validate)) => field(validate, rule),
        None => default_field(config.defaults.validate),
    };
    let constraints = first(&matching, |rule| rule.constraints);
    let timeout = first(&matching, |rule| rule.timeout);
    let cluster = match first(&matching, |rule| rule.cluster) {
        Some((rule, cluster)) => field(cluster.to_owned(), rule),
        None => default_field(server.cluster.clone()),
    };

    let mut schemas = Vec::new();
    let mut headers: Arc<[HeaderParameter]> = Arc::default();
    if validate.value == Validate::Off {
        // Headers are compared all the same: a server may read the one or the other.
        let text = entry
            .input_schema
            .as_ref()
            .and_then(|hash| config.schemas.get(hash));
        headers = text.map_or(headers, |text| Schema::header_parameters_unchecked(text));
    } else {
        let user = format!("tool `{tool}` of server `{server_name}`");
        if let Some(hash) = &entry.input_schema {
            let path = format!(
                "{}/input_schema",
                join(&format!("{}/tools", join("/servers", server_name)), tool)
            );
            let own = library.get(hash, &path, &user, errors);
            headers = own.as_ref().map_or(headers, |own| own.header_parameters());
            schemas.extend(own);
        }
        if let Some((rule, hash)) = constraints {
            let user = format!("the constraints of rule `{}`", rule.name);
            schemas.extend(library.get(hash, &format!("{}/constraints", rule.path), &user, errors));
        }
    }

    let explained = matching
        .iter()
        .flat_map(|rule| rule.limits.iter().map(|limit| explain_limit(rule, limit)));
    let explanation = Explanation {
        server: server_name.to_owned(),
        tool: tool.to_owned(),
        allow,
        validate: validate.clone(),
        input_schema: entry.input_schema.clone(),
        constraints: constraints.map_or_else(
            || default_field(None),
            |(rule, hash)| field(Some(hash.to_owned()), rule),
        ),
        timeout_ms: timeout.map_or_else(
            || default_field(None),
            |(rule, timeout)| field(u64::try_from(timeout.as_millis()).ok(), rule),
        ),
        cluster: cluster.clone(),
        limits: explained.collect(),
    };
    ToolPolicy {
        target: target(config, (server_name, server), &cluster.value, targets),
        timeout: timeout.map(|(_, timeout)| timeout),
        access,
        opened_by,
        validate: validate.value,
        schemas,
        headers,
        limits: matching
            .iter()
            .flat_map(|rule| {
                rule.limits.iter().map(|limit| {
                    let identity =
                        identity(server_name, rule.name, &limit.wire.id, tool, limit.per);
                    Limit {
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

/// The first matching rule that sets a field, with what it sets.
fn first<'r, 'a, T>(
    matching: &[&'r Rule<'a>],
    get: impl Fn(&'r Rule<'a>) -> Option<T>,
) -> Option<(&'r Rule<'a>, T)> {
    matching
        .iter()
        .find_map(|rule| get(rule).map(|value| (*rule, value)))
}

fn field<T>(value: T, rule: &Rule<'_>) -> Field<T> {
    Field {
        value,
        rule: Some(rule.name.to_owned()),
    }
}

fn default_field<T>(value: T) -> Field<T> {
    Field { value, rule: None }
}

fn explain_limit(rule: &Rule<'_>, limit: &super::rules::RuleLimit<'_>) -> ExplainedLimit {
    ExplainedLimit {
        rule: rule.name.to_owned(),
        id: limit.wire.id.clone(),
        per: limit.wire.per.clone(),
        requests: limit.wire.requests,
        window_ms: limit.wire.window_ms,
        burst: limit.burst,
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
