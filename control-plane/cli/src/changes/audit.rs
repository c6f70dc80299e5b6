//! `portcullis audit`: who did what, the newest first.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::answer::{items, text, to_the_second};
use crate::control_plane::{Asked, Request, segment};
use crate::table::Table;

/// The newest records of the audit trail.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// How many, up to 1000
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Only what this author did
    #[arg(long)]
    who: Option<String>,
    /// Only what was done at this time or later, such as 2026-01-31T08:00:00Z
    #[arg(long)]
    since: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

/// Lists who did what.
pub(crate) async fn run(audit: Audit) -> anyhow::Result<ExitCode> {
    let mut resource = format!("audit?limit={}", audit.limit);
    for (name, value) in [("who", &audit.who), ("since", &audit.since)] {
        if let Some(value) = value {
            resource = format!("{resource}&{name}={}", segment(value));
        }
    }
    audit.asked.show(Request::get(resource), rows).await
}

fn rows(answer: &Value) -> Table {
    let mut table = Table::under(&["AT", "WHO", "FROM", "WHAT", "REVISION", "REASON"]);
    for record in items(&answer["records"]) {
        let revision = record["revision"].as_u64();
        table.push([
            to_the_second(&text(&record["at"])).into(),
            text(&record["who"]).into(),
            text(&record["origin"]).into(),
            text(&record["what"]).into(),
            revision
                .map(|number| number.to_string())
                .unwrap_or_default()
                .into(),
            text(&record["reason"]).into(),
        ]);
    }
    table
}
