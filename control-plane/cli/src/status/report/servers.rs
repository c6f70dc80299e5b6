//! The servers of a report: whether they and their endpoints answer, and what they list that waits
//! for an operator.

use serde::Serialize;
use serde_json::Value;

use super::{Withheld, items};
use crate::answer::{counted, text, to_the_second};
use crate::in_commands::in_commands;
use crate::table::{Cell, Tone};

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Server {
    name: String,
    /// `up`, `down`, or `unknown` until it was asked for the first time.
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// How many tools it lists, or listed last.
    tools: u64,
    /// How many of them cannot be called, or not everywhere.
    withheld: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The endpoints that do not answer while the server does.
    endpoints_down: Vec<Endpoint>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Endpoint {
    url: String,
    since: String,
    reason: String,
}

/// A definition of a tool that is not in force, because nobody has read it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Review {
    server: String,
    tool: String,
    /// Whether another definition of the tool is in force; without one, the tool is withheld.
    in_force: bool,
    since: String,
}

impl Server {
    /// Reads one of the answers of `/api/v1/servers`, with the tools that are withheld of all.
    pub(super) fn new(server: &Value, withheld: &[Withheld]) -> Self {
        let status = &server["status"];
        let state = text(&status["state"]);
        let down = items(status, "endpoints").filter(|endpoint| endpoint["state"] == "down");
        Self {
            name: text(&server["name"]),
            since: status["since"].as_str().map(str::to_owned),
            tools: status["catalogue"]["tools"].as_u64().unwrap_or_default(),
            withheld: withheld_of(withheld, &server["name"]),
            reason: status["reason"].as_str().map(in_commands),
            // Of a server that is down, the reason tells all of them.
            endpoints_down: down.filter(|_| state != "down").map(endpoint).collect(),
            state,
        }
    }

    pub(super) fn row(&self) -> [Cell; 4] {
        let tone = match self.state.as_str() {
            "up" if self.endpoints_down.is_empty() => Tone::Good,
            "down" => Tone::Bad,
            _ => Tone::Waiting,
        };
        let withheld = match self.withheld {
            0 => String::new(),
            count => format!(", {count} withheld"),
        };
        let since = self.since.as_ref();
        let since = since.map(|since| format!("; since {}", to_the_second(since)));
        let reason = self.reason.as_ref().map(|reason| format!("; {reason}"));
        let endpoints = self.endpoints_down.iter().map(Endpoint::words);
        [
            "server".into(),
            self.name.as_str().into(),
            Cell::new(self.state.as_str(), tone),
            format!(
                "{}{withheld}{}{}{}",
                counted(self.tools, "tool"),
                since.unwrap_or_default(),
                reason.unwrap_or_default(),
                endpoints.collect::<String>(),
            )
            .into(),
        ]
    }
}

fn endpoint(endpoint: &Value) -> Endpoint {
    Endpoint {
        url: text(&endpoint["url"]),
        since: text(&endpoint["since"]),
        reason: endpoint["reason"]
            .as_str()
            .map(in_commands)
            .unwrap_or_default(),
    }
}

impl Endpoint {
    fn words(&self) -> String {
        let since = to_the_second(&self.since);
        let reason = match self.reason.as_str() {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        format!("; `{}` is down since {since}{reason}", self.url)
    }
}

/// The definitions that nobody has read yet, of one of the answers of `/api/v1/servers`.
pub(super) fn reviews(server: &Value) -> impl Iterator<Item = Review> {
    let waiting =
        items(&server["status"], "reviews").filter(|review| review["state"] == "unreviewed");
    waiting.map(|review| Review {
        server: text(&server["name"]),
        tool: text(&review["tool"]),
        in_force: review["in_force"] == true,
        since: text(&review["since"]),
    })
}

impl Review {
    pub(super) fn row(&self) -> [Cell; 4] {
        let Self { server, tool, .. } = self;
        let what = match self.in_force {
            true => "its definition has changed",
            false => "it is new",
        };
        [
            "tool".into(),
            tool.as_str().into(),
            Cell::new("unreviewed", Tone::Waiting),
            format!("of `{server}`: {what}; `portcullis tools review {server} {tool}`").into(),
        ]
    }
}

fn withheld_of(withheld: &[Withheld], server: &Value) -> usize {
    let mut tools: Vec<&str> = withheld
        .iter()
        .filter(|withheld| *server == withheld.server.as_str())
        .map(|withheld| withheld.tool.as_str())
        .collect();
    tools.sort_unstable();
    tools.dedup();
    tools.len()
}
