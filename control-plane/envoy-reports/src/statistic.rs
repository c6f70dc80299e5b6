//! The statistics that are kept of all that an Envoy reports, told by their names.

use policy_engine::statistics::{CALLS, CONFIGURATION, PREFIX, REFUSALS, SHADOWED};

/// A statistic that is kept, and what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statistic<'a> {
    /// Calls of a tool, or of a server's items of another kind; by its labels, as in what follows.
    Calls(&'a str),
    /// Refusals of a tool, and their reason.
    Refusals(&'a str, &'a str),
    /// Calls of a tool that passed only because validation is in shadow.
    Shadowed(&'a str),
    /// The configuration of a listener, by the label of its name.
    Configuration(&'a str),
    /// Requests to a listener that were answered.
    Requests(&'a str),
    /// Requests to a listener that were answered with a status of 500 or above.
    FailedAnswers(&'a str),
    /// Requests to a listener that were to go to a server which the Envoy does not have.
    Lost(&'a str),
    /// Requests to a server that are over.
    ServerRequests(&'a str),
    /// Requests to a server that failed.
    ServerFailures(&'a str),
    /// The times of a server's answers, in milliseconds.
    ServerTimes(&'a str),
    /// A virtual machine was made anew after it had failed.
    Reloads,
}

impl<'a> Statistic<'a> {
    /// The statistic of this name; nothing where it is not kept.
    pub(crate) fn of(name: &'a str) -> Option<Self> {
        let (scope, rest) = name.split_once('.')?;
        match scope {
            PREFIX => Self::of_filter(rest),
            "http" => {
                let (listener, last) = rest.rsplit_once('.')?;
                match last {
                    "downstream_rq_completed" => Some(Self::Requests(listener)),
                    "downstream_rq_5xx" => Some(Self::FailedAnswers(listener)),
                    "no_cluster" => Some(Self::Lost(listener)),
                    _ => None,
                }
            }
            "cluster" => {
                let (server, last) = rest.rsplit_once('.')?;
                match last {
                    "upstream_rq_completed" => Some(Self::ServerRequests(server)),
                    "upstream_rq_5xx" => Some(Self::ServerFailures(server)),
                    "upstream_rq_time" => Some(Self::ServerTimes(server)),
                    _ => None,
                }
            }
            "wasm" if rest.ends_with(".vm_reload_success") => Some(Self::Reloads),
            _ => None,
        }
    }

    fn of_filter(name: &'a str) -> Option<Self> {
        let (family, labels) = name.split_once('.')?;
        match family {
            CALLS => Some(Self::Calls(labels)),
            SHADOWED => Some(Self::Shadowed(labels)),
            CONFIGURATION => Some(Self::Configuration(labels)),
            REFUSALS => {
                let (tool, reason) = labels.rsplit_once(".reason.")?;
                Some(Self::Refusals(tool, reason))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_the_statistics_that_are_kept_by_their_names() {
        let rows = [
            (
                "wasmcustom.portcullis_calls.server.data.tool.a%2eb",
                Some(Statistic::Calls("server.data.tool.a%2eb")),
            ),
            (
                "wasmcustom.portcullis_calls.server.data.kind.prompt",
                Some(Statistic::Calls("server.data.kind.prompt")),
            ),
            (
                "wasmcustom.portcullis_refusals.server.none.tool.none.reason.unknown_tool",
                Some(Statistic::Refusals("server.none.tool.none", "unknown_tool")),
            ),
            (
                "wasmcustom.portcullis_configuration.listener.mcp",
                Some(Statistic::Configuration("listener.mcp")),
            ),
            ("wasmcustom.portcullis_decision_ns.server.a.tool.b", None),
            (
                "http.mcp.downstream_rq_5xx",
                Some(Statistic::FailedAnswers("mcp")),
            ),
            ("http.mcp.no_cluster", Some(Statistic::Lost("mcp"))),
            ("http.mcp.downstream_rq_total", None),
            (
                "cluster.data.upstream_rq_time",
                Some(Statistic::ServerTimes("data")),
            ),
            // Nobody's server is called so, and nothing is counted for it.
            (
                "cluster.data.external.upstream_rq_5xx",
                Some(Statistic::ServerFailures("data.external")),
            ),
            (
                "wasm.envoy.wasm.runtime.v8.plugin.p.vm_reload_success",
                Some(Statistic::Reloads),
            ),
            ("wasm.envoy.wasm.runtime.v8.active", None),
            ("server", None),
            ("", None),
        ];
        for (name, expected) in rows {
            assert_eq!(Statistic::of(name), expected, "{name}");
        }
    }
}
