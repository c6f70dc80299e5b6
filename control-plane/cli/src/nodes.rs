//! `portcullis nodes`: the Envoys, or one of them with everything that it was sent.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::answer::{items, short, text, to_the_second};
use crate::changes::rows::judged;
use crate::control_plane::{Asked, Request, segment};
use crate::table::{Cell, Table, Tone};

/// The Envoys, or one of them.
#[derive(Debug, Args)]
pub(crate) struct Nodes {
    /// The `node.id` of one
    id: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

/// Lists the Envoys, or the resources of one.
pub(crate) async fn run(nodes: Nodes) -> anyhow::Result<ExitCode> {
    match &nodes.id {
        Some(id) => {
            let request = Request::get(format!("nodes/{}", segment(id)));
            nodes.asked.show(request, resources).await
        }
        None => {
            let answer = async { nodes.asked.control_plane()?.get_all("nodes").await };
            nodes.asked.show_answer(answer.await, envoys)
        }
    }
}

fn envoys(answer: &Value) -> Table {
    let mut table = Table::under(&["ENVOY", "CLUSTER", "STATE", "GENERATION", "SINCE"]);
    for node in items(&answer["nodes"]) {
        table.push([
            text(&node["id"]).into(),
            text(&node["cluster"]).into(),
            judged(&text(&node["standing"])),
            short(&node["generation"]["in_force"]).into(),
            to_the_second(&text(&node["since"])).into(),
        ]);
    }
    table
}

/// The resources of one Envoy.
fn resources(node: &Value) -> Table {
    let mut table = Table::under(&["TYPE", "NAME", "STATE", "SINCE", "ENVOY SAYS"]);
    for resource in items(&node["resources"]) {
        let (word, message) = match &resource["state"] {
            Value::Object(state) => {
                let of = state.iter().next();
                let particulars = of.map(|(_, particulars)| {
                    let words = [&particulars["message"], &particulars["behind"]];
                    words.map(text).concat()
                });
                let word = of.map(|(word, _)| word.as_str()).unwrap_or_default();
                (word, particulars.unwrap_or_default())
            }
            state => (state.as_str().unwrap_or_default(), String::new()),
        };
        let tone = match word {
            "acked" => Tone::Good,
            "rejected" | "unknown" => Tone::Bad,
            _ => Tone::Waiting,
        };
        table.push([
            text(&resource["type"]).into(),
            text(&resource["name"]).into(),
            Cell::new(word, tone),
            to_the_second(&text(&resource["since"])).into(),
            message.into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(id: &str, standing: &str, in_force: &str) -> Value {
        json!({
            "id": id, "cluster": "edge", "standing": standing, "resources": [],
            "since": "2026-11-22T10:00:00.5Z",
            "generation": {"desired": "0123456789abcdef", "in_force": in_force},
        })
    }

    #[test]
    fn it_tells_where_each_envoy_stands() {
        let mut rejecting = node("four", "rejected", "0123456789abcdef");
        rejecting["resources"] = json!([{"type": "listener", "name": "mcp", "since": "T2",
            "state": {"rejected": {"message": "cannot bind"}}}]);
        let answer = json!({"nodes": [node("one", "in_force", "0123456789abcdef"),
            node("two", "waiting", "old"), node("three", "gone", "old"), rejecting]});
        let expected = [
            "ENVOY  CLUSTER  STATE     GENERATION    SINCE",
            "one    edge     in force  0123456789ab  2026-11-22T10:00:00Z",
            "two    edge     waiting   old           2026-11-22T10:00:00Z",
            "three  edge     gone      old           2026-11-22T10:00:00Z",
            "four   edge     rejected  0123456789ab  2026-11-22T10:00:00Z",
        ];
        assert_eq!(envoys(&answer).text(false), expected.join("\n"));
        let expected = [
            "TYPE      NAME  STATE     SINCE  ENVOY SAYS",
            "listener  mcp   rejected  T2     cannot bind",
        ];
        assert_eq!(
            resources(&answer["nodes"][3]).text(false),
            expected.join("\n")
        );
    }
}
