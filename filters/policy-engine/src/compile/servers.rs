//! The servers, and the tools that each of them lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Errors;
use super::rules::check_cluster;
use crate::compile_error::join;
use crate::schema_cache::SchemaCache;
use crate::target::{Target, Targets};
use crate::tool_list::{ListedTool, ToolList};
use crate::tools::ServerTools;
use crate::tools::rule::Rule;
use crate::wire::{self, FilterConfig};

/// All servers, in the order of their names.
pub(super) fn check(
    config: &FilterConfig,
    known: &mut SchemaCache,
    errors: &mut Errors,
) -> Vec<ServerTools> {
    let servers = config.servers.iter();
    let checked = servers.map(|(name, server)| {
        check_server(name, server, errors);
        let (list, is_vouched_for) = match &server.list {
            Some(named) => (travelling(name, server, named, errors), true),
            None => (written_out(config, server, known), false),
        };
        ServerTools::new((name, server), list, is_vouched_for)
    });
    checked.collect()
}

/// All targets that messages may go to: each server by its own cluster, and by those of the rules
/// about it. Callers' credentials pass to a cluster only where a server that lives there asks for
/// them, wherever a rule may send its calls.
pub(super) fn targets(config: &FilterConfig, rules: &[Rule]) -> Targets {
    // One by one: what collects a set sorts first, by 8 KB of module.
    let mut asking = BTreeSet::new();
    let servers = config.servers.values();
    for server in servers.filter(|server| !server.credentials.stay_home()) {
        asking.insert(server.cluster.as_str());
    }
    let mut targets = Targets::default();
    for (name, server) in &config.servers {
        let about = rules.iter().filter(|rule| rule.is_about(name));
        let routed = about.filter_map(|rule| rule.cluster.as_deref());
        for cluster in std::iter::once(server.cluster.as_str()).chain(routed) {
            targets.id_of((name, cluster), || Target {
                server: name.clone(),
                cluster: cluster.to_owned(),
                path: server.path.clone(),
                credentials: if asking.contains(cluster) {
                    wire::Credentials::Passthrough
                } else {
                    wire::Credentials::Home
                },
            });
        }
    }
    targets
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

/// The list that travels beside the configuration.
fn travelling(
    name: &str,
    server: &wire::Server,
    named: &wire::NamedList,
    errors: &mut Errors,
) -> Arc<ToolList> {
    let path = join("/servers", name);
    if !server.tools.is_empty() {
        errors.add(
            format!("{path}/tools"),
            "the server has a `list` too; its tools are in the one or in the other",
        );
    }
    named.list.clone().unwrap_or_else(|| {
        errors.add(
            format!("{path}/list"),
            format!(
                "unknown list `{}`; it must travel with the configuration",
                named.name
            ),
        );
        Arc::new(ToolList::of("".into(), Vec::new()))
    })
}

/// The tools that the configuration itself holds.
fn written_out(
    config: &FilterConfig,
    server: &wire::Server,
    known: &mut SchemaCache,
) -> Arc<ToolList> {
    let tools = server.tools.iter().map(|(name, tool)| {
        let hash = tool.input_schema.as_deref();
        ListedTool {
            name: name.as_str().into(),
            schema: hash.map(|hash| super::written_out(config, hash, known)),
        }
    });
    Arc::new(ToolList::of("".into(), tools.collect()))
}
