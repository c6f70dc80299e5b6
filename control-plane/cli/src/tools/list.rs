//! `portcullis tools list`: every tool with who may call it and the limits in force.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::control_plane::{Address, ControlPlane, Format};
use crate::output;

/// The list of all tools.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    address: Address,

    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Prints a line for each tool, or the control plane's own words on them as JSON.
pub(super) async fn run(list: List) -> anyhow::Result<ExitCode> {
    let answer = async { ControlPlane::at(&list.address)?.get_all("tools").await }.await;
    let shown = answer.and_then(|answer| match list.output {
        Format::Text => {
            let tools = Vec::deserialize(&answer["tools"])
                .context("the control plane lists tools otherwise than this version reads them")?;
            Ok(table(&tools))
        }
        Format::Json => Ok(serde_json::to_string_pretty(
            &json!({"tools": answer["tools"]}),
        )?),
    });
    match shown {
        Ok(shown) => output::data(shown)?,
        Err(error) => {
            return list
                .output
                .failure(Value::Object(Default::default()), error);
        }
    }
    Ok(ExitCode::SUCCESS)
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
}

#[derive(Debug, Deserialize)]
struct Limit {
    per: Vec<String>,
    requests: u64,
    window_ms: u64,
}

/// A line for each tool, in columns; which listener is told where there are several.
fn table(tools: &[Tool]) -> String {
    let has_several_listeners = tools.iter().any(|tool| tool.listener != tools[0].listener);
    let mut rows = vec![["TOOL", "SERVER", "ACCESS", "LIMITS"].map(str::to_owned)];
    rows.extend(tools.iter().map(|tool| {
        let name = match has_several_listeners {
            true => format!("{} (listener {})", tool.name, tool.listener),
            false => tool.name.clone(),
        };
        [name, tool.server.clone(), tool.access(), tool.limits()]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths = [0, 1, 2].map(|column| width(column).unwrap_or_default());
    let lines = rows.iter().map(|[name, server, access, limits]| {
        let [first, second, third] = widths;
        format!("{name:first$}  {server:second$}  {access:third$}  {limits}")
            .trim_end()
            .replace(char::is_control, " ")
    });
    lines.collect::<Vec<_>>().join("\n")
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
            _ => roles,
        }
    }

    fn limits(&self) -> String {
        if self.limits.is_empty() {
            return "none".to_owned();
        }
        let limits = self.limits.iter().map(|limit| {
            let per = match limit.per.as_slice() {
                [] => String::new(),
                per => format!(" per {}", per.join(" and ")),
            };
            format!("{} in {}{per}", limit.requests, duration(limit.window_ms))
        });
        limits.collect::<Vec<_>>().join("; ")
    }
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

    fn tools() -> Vec<Tool> {
        serde_json::from_value(json!([
            {"name": "execute_query", "listener": "mcp", "server": "data", "state": "offered",
             "access": ["*"],
             "limits": [{"per": ["tool", "principal"], "requests": 60, "window_ms": 60_000},
                        {"per": [], "requests": 5, "window_ms": 1_500}]},
            {"name": "drop", "listener": "mcp", "server": "data", "state": "offered",
             "access": [], "limits": []},
            {"name": "b", "listener": "mcp", "server": "mathematics", "state": "withheld",
             "reason": "`data` has it", "limits": []},
        ]))
        .unwrap()
    }

    #[test]
    fn it_gives_each_tool_a_line_with_its_access_and_its_limits() {
        let expected = [
            "TOOL           SERVER       ACCESS                   LIMITS",
            "execute_query  data         everyone                 60 in 1m per tool and principal; \
             5 in 1500ms",
            "drop           data         nobody                   none",
            "b              mathematics  withheld: `data` has it  none",
        ];
        assert_eq!(table(&tools()), expected.join("\n"));
        assert_eq!(table(&[]), "TOOL  SERVER  ACCESS  LIMITS");
    }

    #[test]
    fn it_names_the_listeners_where_there_are_several() {
        let mut tools = tools();
        tools[1].listener = "inside".to_owned();
        assert!(table(&tools).contains("drop (listener inside)"));
    }
}
