//! `portcullis servers list`: every registered server, whether it answers, and what it lists.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::answer::{items, text, to_the_second};
use crate::control_plane::Asked;
use crate::table::{Cell, Table, Tone};

/// The list of all servers.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    asked: Asked,
}

/// Prints a line for each server.
pub(super) async fn run(list: List) -> anyhow::Result<ExitCode> {
    let answer = async { list.asked.control_plane()?.get_all("servers").await };
    list.asked.show_answer(answer.await, servers)
}

fn servers(answer: &Value) -> Table {
    let headings = [
        "SERVER",
        "STATE",
        "TOOLS",
        "PROTOCOL",
        "SINCE",
        "ENDPOINTS",
        "REASON",
    ];
    let mut table = Table::under(&headings);
    for server in items(&answer["servers"]) {
        let status = &server["status"];
        let state = text(&status["state"]);
        let tone = match state.as_str() {
            "up" => Tone::Good,
            "down" => Tone::Bad,
            _ => Tone::Waiting,
        };
        let tools = status["catalogue"]["tools"].as_u64();
        let endpoints: Vec<String> = items(&status["endpoints"]).map(endpoint).collect();
        table.push([
            text(&server["name"]).into(),
            Cell::new(state, tone),
            tools
                .map(|count| count.to_string())
                .unwrap_or_default()
                .into(),
            text(&status["catalogue"]["protocol"]).into(),
            to_the_second(&text(&status["since"])).into(),
            endpoints.join(" ").into(),
            text(&status["reason"]).into(),
        ]);
    }
    table
}

/// An endpoint's URL, and that it is down where it is.
fn endpoint(endpoint: &Value) -> String {
    let url = text(&endpoint["url"]);
    match endpoint["state"].as_str() {
        Some("down") => format!("{url} (down)"),
        _ => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_gives_each_server_a_line_with_its_state() {
        let answer = json!({"servers": [
            {"name": "data", "status": {"state": "up", "since": "T1",
                "endpoints": [{"url": "http://a/mcp", "state": "up"}],
                "catalogue": {"tools": 9, "protocol": "2026-07-28"}}},
            {"name": "math", "status": {"state": "down", "since": "T2", "reason": "refused",
                "endpoints": [{"url": "http://b/mcp", "state": "down"},
                    {"url": "http://c/mcp", "state": "unknown"}]}}]});
        let expected = [
            "SERVER  STATE  TOOLS  PROTOCOL    SINCE  ENDPOINTS                         REASON",
            "data    up     9      2026-07-28  T1     http://a/mcp",
            "math    down                      T2     http://b/mcp (down) http://c/mcp  refused",
        ];
        assert_eq!(servers(&answer).text(false), expected.join("\n"));
    }
}
