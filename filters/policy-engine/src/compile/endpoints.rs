//! The paths that speak MCP, and which name means which tool there.

use std::collections::{BTreeMap, BTreeSet};

use super::Errors;
use crate::ids::ToolId;
use crate::policy::{EndpointPolicy, EndpointTools};
use crate::tools::Tools;
use crate::wire::{self, FilterConfig};

pub(super) fn compile(
    config: &FilterConfig,
    all: &Tools,
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
        let tools = tools(endpoint, all, &path, errors);
        let server = config.servers.get(&endpoint.forward);
        let forward = server.and_then(|server| {
            let key = (endpoint.forward.as_str(), server.cluster.as_str());
            all.targets.find(key)
        });
        let Some(forward) = forward else {
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
            forward,
            tools,
        });
    }
    endpoints
}

fn tools(endpoint: &wire::Endpoint, all: &Tools, path: &str, errors: &mut Errors) -> EndpointTools {
    // One server's list is in the order of its names already.
    if let [name] = endpoint.servers.as_slice()
        && let Some(server) = all.server_place(name)
    {
        let withheld = endpoint.withheld.get(name).cloned();
        let withheld = withheld.unwrap_or_default();
        return EndpointTools::OfOne { server, withheld };
    }
    // In the order of their names, so that nothing is to be sorted: that would be 8 KB of module.
    let mut tools: BTreeMap<String, (&str, ToolId)> = BTreeMap::new();
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
        let server = all.server_place(name);
        let Some(server) = server.and_then(|place| all.servers().get(place)) else {
            errors.add(path, unknown(name));
            continue;
        };
        let withheld = endpoint.withheld.get(name);
        for (place, tool) in server.list.tools().iter().enumerate() {
            let is_newcomer = withheld.is_some_and(|names| names.contains(&*tool.name));
            if is_newcomer || !server.offers(&tool.name) {
                continue;
            }
            let seen = format!("{}{}", server.prefix, tool.name);
            if let Some((owner, _)) = tools.get(&seen) {
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
            tools.insert(seen, (name, server.id(place)));
        }
    }
    let tools = tools.into_iter();
    let tools = tools.map(|(seen, (_, id))| (seen.into_bytes(), id));
    EndpointTools::OfSeveral(tools.collect())
}

fn unknown(server: &str) -> String {
    format!("unknown server `{server}`; `servers` must hold it")
}
