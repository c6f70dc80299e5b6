//! `portcullis tools review`: the definitions of a pinned server's tool, and what an operator
//! decides about one that is not in force yet.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::{Format, items, text, to_the_second};
use crate::beginnings::is_beginning;
use crate::control_plane::{Body, ChangeArguments, Request, segment};
use crate::output;
use crate::table::{Cell, Table, Tone};

/// The tool, and what is decided about it.
#[derive(Debug, Args)]
pub(crate) struct Review {
    /// The name of the server
    server: String,
    /// The server's own name of the tool
    tool: String,
    #[command(flatten)]
    verdict: Verdict,
    /// The SHA-256 of the definition that you have read, all of its 64 digits: if another one waits
    /// by now, nothing is decided
    #[arg(long, value_name = "SHA-256")]
    definition: Option<String>,
    #[command(flatten)]
    change: ChangeArguments,
}

/// The decision of an operator; none where no flag is given.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Verdict {
    /// Put the definition that waits into force
    #[arg(long)]
    approve: bool,
    /// Leave it out for as long as the server lists that one
    #[arg(long)]
    reject: bool,
}

/// Shows the definitions of the tool, or decides about the one that waits.
pub(super) async fn run(review: Review) -> anyhow::Result<ExitCode> {
    let (server, tool) = (segment(&review.server), segment(&review.tool));
    let resource = format!("servers/{server}/tools/{tool}");
    let verb = match &review.verdict {
        Verdict { approve: true, .. } => "approve",
        Verdict { reject: true, .. } => "reject",
        _ => {
            let asked = &review.change.asked;
            let code = asked.show(Request::get(resource), definitions).await?;
            if asked.format() == Format::Table {
                output::tell("`--output yaml` shows the definitions themselves");
            }
            return Ok(code);
        }
    };
    let body = match &review.definition {
        // Whoever writes a server can make two definitions that begin alike.
        Some(beginning) if is_beginning(beginning) => bail!(
            "`--definition {beginning}` is the beginning of a SHA-256, and another definition may \
             begin alike; write all 64 digits, as `portcullis tools review {} {}` shows them",
            review.server,
            review.tool
        ),
        Some(definition) => json!({"definition": definition}),
        None => json!({}),
    };
    let request = review
        .change
        .request(Method::POST, format!("{resource}/{verb}"));
    let request = request.with(Body::Json(body));
    review.change.asked.show(request, outcome).await
}

/// A line for the definition in force, and one for each that is not.
fn definitions(answer: &Value) -> Table {
    let mut table = Table::under(&["STATE", "DEFINITION", "SINCE", "BY", "REASON"]);
    if !answer["in_force"].is_null() {
        let state = Cell::new("in force", Tone::Good);
        let hash = text(&answer["in_force"]["hash"]);
        table.push([state, hash.into(), "".into(), "".into(), "".into()]);
    }
    for review in items(&answer["reviews"]) {
        let tone = match review["state"].as_str() {
            Some("rejected") => Tone::Bad,
            _ => Tone::Waiting,
        };
        table.push([
            Cell::new(text(&review["state"]), tone),
            text(&review["hash"]).into(),
            to_the_second(&text(&review["at"])).into(),
            text(&review["by"]).into(),
            text(&review["reason"]).into(),
        ]);
    }
    table
}

fn outcome(answer: &Value) -> Table {
    let mut table = Table::default();
    table.push([
        "tool".into(),
        text(&answer["tool"]).into(),
        text(&answer["state"]).into(),
        format!(
            "of `{}`, definition {}",
            text(&answer["server"]),
            text(&answer["definition"])
        )
        .into(),
    ]);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_definition_in_force_and_those_that_wait() {
        let answer = json!({"server": "math", "tool": "add",
            "in_force": {"hash": "0123456789abcdef", "definition": {}},
            "reviews": [{"state": "unreviewed", "at": "2026-11-22T10:00:00.5Z", "by": "",
                "reason": "", "hash": "fedcba9876543210", "definition": {}}]});
        let expected = [
            "STATE       DEFINITION        SINCE                 BY  REASON",
            "in force    0123456789abcdef",
            "unreviewed  fedcba9876543210  2026-11-22T10:00:00Z",
        ];
        assert_eq!(definitions(&answer).text(false), expected.join("\n"));
        let decided = json!({"server": "math", "tool": "add", "state": "approved",
            "definition": "fedcba9876543210"});
        let expected = "tool  add  approved  of `math`, definition fedcba9876543210";
        assert_eq!(outcome(&decided).text(false), expected);
    }
}
