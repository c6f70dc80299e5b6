//! `portcullis history`: the revisions, the newest first.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::answer::{items, text, to_the_second};
use crate::control_plane::{Asked, Request};
use crate::table::Table;

/// The revisions to list: the newest.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// How many, up to 1000
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    asked: Asked,
}

/// Lists the revisions, the newest first.
pub(crate) async fn run(history: History) -> anyhow::Result<ExitCode> {
    let request = Request::get(format!("versions?limit={}", history.limit));
    history.asked.show(request, rows).await
}

fn rows(answer: &Value) -> Table {
    let mut table = Table::under(&["REVISION", "STORED AT", "AUTHOR", "REASON"]);
    for version in items(&answer["versions"]) {
        table.push([
            version["revision"].to_string().into(),
            to_the_second(&text(&version["created_at"])).into(),
            text(&version["author"]).into(),
            text(&version["reason"]).into(),
        ]);
    }
    table
}
