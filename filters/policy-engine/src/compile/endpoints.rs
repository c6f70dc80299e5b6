//! The paths that speak MCP, and which name means which tool there.

use std::collections::{BTreeMap, BTreeSet};

use super::Errors;
use super::merge::{ToolIds, target};
use crate::ids::ToolId;
use crate::policy::EndpointPolicy;
use crate::target::Targets;
use crate::wire::{self, FilterConfig};

pub(super) fn compile(
    config: &FilterConfig,
    ids: &ToolIds<'_>,
    targets: &mut Targets,
    errors: &mut Errors,
) -> Vec<EndpointPolicy> {
    let mut paths = BTreeSet::new();
    let mut endpoints = Vec::with_capacity(config.endpoints.len());
    for (index, endpoint) in config.endpoints.iter().enumerate() {
        let path = format!("/endpoints/{index}");
        if !endpoint.path.starts_with('/') || endpoint.path.contains(['?', '#']) {
            errors.add(
                format!("{path}/path"),
                "a path starts with `/` and has no query",
            );
        } else if !paths.insert(endpoint.path.as_str()) {
            errors.add(
                format!("{path}/path"),
                format!("another endpoint already has the path `{}`", endpoint.path),
            );
        }
        let tools = tools(config, endpoint, ids, &path, errors);
        let Some(server) = config.servers.get(&endpoint.forward) else {
            errors.add(format!("{path}/forward"), unknown(&endpoint.forward));
            continue;
        };
        if !endpoint.servers.contains(&endpoint.forward) {
            errors.add(
                format!("{path}/forward"),
                format!(
                    "server `{}` is not one of this endpoint's `servers`",
                    endpoint.forward
                ),
            );
        }
        endpoints.push(EndpointPolicy {
            path: endpoint.path.clone().into_bytes(),
            exchange: endpoint.exchange,
            forward: target(
                config,
                (&endpoint.forward, server),
                &server.cluster,
                targets,
            ),
            tools,
        });
    }
    endpoints
}

fn tools(
    config: &FilterConfig,
    endpoint: &wire::Endpoint,
    ids: &ToolIds<'_>,
    path: &str,
    errors: &mut Errors,
) -> Vec<(Vec<u8>, ToolId)> {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    let mut tools = Vec::new();
    for (index, name) in endpoint.servers.iter().enumerate() {
        let path = format!("{path}/servers/{index}");
        if endpoint
            .servers
            .iter()
            .take(index)
            .any(|earlier| earlier == name)
        {
            errors.add(path, format!("server `{name}` is already listed"));
            continue;
        }
        let Some(server) = config.servers.get(name) else {
            errors.add(path, unknown(name));
            continue;
        };
        let withheld = endpoint.withheld.get(name);
        let offered = |tool: &&String| withheld.is_none_or(|names| !names.contains(*tool));
        for tool in server.tools.keys().filter(offered) {
            let seen = format!("{}{tool}", server.tool_prefix);
            if let Some(owner) = owners.get(&seen) {
                errors.add(
                    path.clone(),
                    format!(
                        "clients would see `{seen}` of server `{owner}` \
                         and of server `{name}`; give one of them a \
                         `tool_prefix`"
                    ),
                );
                continue;
            }
            if let Some(id) = ids.get(&(name.as_str(), tool.as_str())) {
                tools.push((seen.clone().into_bytes(), *id));
            }
            owners.insert(seen, name);
        }
    }
    tools.sort();
    tools
}

fn unknown(server: &str) -> String {
    format!("unknown server `{server}`; `servers` must hold it")
}
