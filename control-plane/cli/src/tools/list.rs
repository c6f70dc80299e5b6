//! `portcullis tools list`: every tool with who may call it and the limits in force.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::control_plane::Asked;
use crate::output;
use crate::table::{Cell, Table, Tone};

/// The list of all tools.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    asked: Asked,
}

/// Prints a line for each tool, or the control plane's own words on them.
pub(super) async fn run(list: List) -> anyhow::Result<ExitCode> {
    let answer = async {
        let answer = list.asked.control_plane()?.get_all("tools").await?;
        let tools = read(&answer)?;
        let fields = ["revision", "standing", "tools"];
        let shown: Map<String, Value> = fields
            .map(|field| (field.to_owned(), answer[field].clone()))
            .into_iter()
            .collect();
        anyhow::Ok((Value::from(shown), tools))
    };
    match answer.await {
        Ok((answer, tools)) => {
            let code = list
                .asked
                .show_answer(Ok(answer.clone()), |_| rows(&tools))?;
            if answer["standing"] == "in_part" {
                output::tell(format_args!(
                    "this is revision {}, which not every Envoy has yet: `portcullis status` says \
                     how far it is",
                    answer["revision"]
                ));
            }
            Ok(code)
        }
        Err(error) => list.asked.show_answer(Err(error), |_| Table::default()),
    }
}

fn read(answer: &Value) -> anyhow::Result<Vec<Tool>> {
    Vec::deserialize(&answer["tools"])
        .context("the control plane lists tools otherwise than this version reads them")
}

/// One tool on one listener, as `GET /api/v1/tools` shows it.
#[derive(Debug, Deserialize)]
struct Tool {
    name: String,
    listener: String,
    server: String,
    state: String,
    access: Option<Vec<String>>,
    limits: Vec<Limit>,
    reason: Option<String>,
    /// How a definition stands that its pinned server lists, and that is not in force.
    review: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Limit {
    per: Vec<String>,
    requests: u64,
    window_ms: u64,
}

/// A line for each tool; which listener is told where there are several.
fn rows(tools: &[Tool]) -> Table {
    let has_several_listeners = tools.iter().any(|tool| tool.listener != tools[0].listener);
    let mut table = Table::under(&["TOOL", "SERVER", "ACCESS", "LIMITS"]);
    for tool in tools {
        let name = match has_several_listeners {
            true => format!("{} (listener {})", tool.name, tool.listener),
            false => tool.name.clone(),
        };
        let tone = match tool.state.as_str() {
            "withheld" => Tone::Waiting,
            _ => Tone::Plain,
        };
        table.push([
            name.into(),
            tool.server.as_str().into(),
            Cell::new(tool.access(), tone),
            tool.limits().into(),
        ]);
    }
    table
}

impl Tool {
    fn access(&self) -> String {
        let roles = match self.access.as_deref() {
            None => "withheld".to_owned(),
            Some([]) => "nobody".to_owned(),
            Some(roles) if roles.iter().any(|role| role == "*") => "everyone".to_owned(),
            Some(roles) => roles.join(", "),
        };
        match (self.state.as_str(), &self.reason) {
            ("withheld", Some(reason)) if self.access.is_some() => {
                format!("{roles}; withheld: {reason}")
            }
            ("withheld", Some(reason)) => format!("withheld: {reason}"),
            _ => match &self.review {
                Some(review) => format!("{roles}; its new definition is {review}"),
                None => roles,
            },
        }
    }

    fn limits(&self) -> String {
        if self.limits.is_empty() {
            return "none".to_owned();
        }
        let limits = self
            .limits
            .iter()
            .map(|limit| rate_in_words(limit.requests, limit.window_ms, &limit.per));
        limits.collect::<Vec<_>>().join("; ")
    }
}

/// A rate as people say it.
pub(super) fn rate_in_words(requests: u64, window_ms: u64, per: &[String]) -> String {
    let per = match per {
        [] => String::new(),
        per => format!(" per {}", per.join(" and ")),
    };
    format!("{requests} in {}{per}", duration(window_ms))
}

/// A duration as a document has it.
fn duration(milliseconds: u64) -> String {
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let unit = units
        .into_iter()
        .find(|(_, length)| milliseconds.is_multiple_of(*length) && milliseconds > 0);
    match unit {
        Some((unit, length)) => format!("{}{unit}", milliseconds / length),
        None => format!("{milliseconds}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tools() -> Vec<Tool> {
        serde_json::from_value(json!([
            {"name": "execute_query", "listener": "mcp", "server": "data", "state": "offered",
             "access": ["*"],
             "limits": [{"per": ["tool", "principal"], "requests": 60, "window_ms": 60_000},
                        {"per": [], "requests": 5, "window_ms": 1_500}]},
            {"name": "drop", "listener": "mcp", "server": "data", "state": "offered",
             "access": [], "limits": [], "review": "unreviewed"},
            {"name": "b", "listener": "mcp", "server": "mathematics", "state": "withheld",
             "reason": "`data` has it", "limits": []},
        ]))
        .unwrap()
    }

    #[test]
    fn it_gives_each_tool_a_line_with_its_access_and_its_limits() {
        let expected = [
            "TOOL           SERVER       ACCESS                                    LIMITS",
            "execute_query  data         everyone                                  60 in 1m per \
             tool and principal; 5 in 1500ms",
            "drop           data         nobody; its new definition is unreviewed  none",
            "b              mathematics  withheld: `data` has it                   none",
        ];
        assert_eq!(rows(&tools()).text(false), expected.join("\n"));
        assert_eq!(rows(&[]).text(false), "TOOL  SERVER  ACCESS  LIMITS");
    }

    #[test]
    fn it_names_the_listeners_where_there_are_several() {
        let mut tools = tools();
        tools[1].listener = "inside".to_owned();
        assert!(rows(&tools).text(false).contains("drop (listener inside)"));
    }
}
