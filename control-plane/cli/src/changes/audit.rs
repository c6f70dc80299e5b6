//! `portcullis audit`: who did what, the newest first.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::answer::{Format, items, text, to_the_second};
use crate::control_plane::{Asked, segment};
use crate::output;
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
    /// Only what was done from this address
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Only what was about this kind of resource, such as `servers` or `config`
    #[arg(long)]
    kind: Option<String>,
    /// Only what begins like this, such as `PUT /api/v1/servers`
    #[arg(long)]
    what: Option<String>,
    /// Only what made this revision, or concerned it
    #[arg(long)]
    revision: Option<u64>,
    /// Only what was done at this time or later, such as 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what was done before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The page behind the one that named this cursor
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

/// Lists who did what, and says how the records behind them are seen.
pub(crate) async fn run(audit: Audit) -> anyhow::Result<ExitCode> {
    let answer = async {
        let control_plane = audit.asked.control_plane()?;
        control_plane.get(&audit.resource()).await
    };
    let answer = answer.await;
    let next = answer.as_ref().ok();
    let next = next.and_then(|answer| answer["next_cursor"].as_str().map(str::to_owned));
    let code = audit.asked.show_answer(answer, rows)?;
    if let (Some(cursor), Format::Table) = (next, audit.asked.format()) {
        output::tell(format_args!(
            "older ones: the same with `--cursor {cursor}`"
        ));
    }
    Ok(code)
}

impl Audit {
    /// The resource with what was asked for.
    fn resource(&self) -> String {
        let revision = self.revision.map(|revision| revision.to_string());
        let asked = [
            ("who", &self.who),
            ("origin", &self.from),
            ("kind", &self.kind),
            ("what", &self.what),
            ("revision", &revision),
            ("since", &self.since),
            ("until", &self.until),
            ("cursor", &self.cursor),
        ];
        let asked = asked.into_iter().filter_map(|(name, value)| {
            let value = segment(value.as_ref()?);
            Some(format!("&{name}={value}"))
        });
        format!("audit?limit={}{}", self.limit, asked.collect::<String>())
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        audit: Audit,
    }

    #[test]
    fn it_asks_for_what_was_typed_alone() {
        let resource = |words: &[&str]| {
            let typed = Typed::try_parse_from([&["audit"], words].concat());
            typed.unwrap().audit.resource()
        };
        assert_eq!(resource(&[]), "audit?limit=20");
        let typed = [
            "--limit=3",
            "--who=ada l",
            "--from=::1",
            "--kind=servers",
            "--what=PUT /api",
            "--revision=7",
            "--since=2026-01-31T08:00:00Z",
            "--until=2026-02-01T08:00:00Z",
            "--cursor=a&b",
        ];
        let expected = "audit?limit=3&who=ada%20l&origin=%3A%3A1&kind=servers&what=PUT%20%2Fapi\
             &revision=7&since=2026-01-31T08%3A00%3A00Z&until=2026-02-01T08%3A00%3A00Z\
             &cursor=a%26b";
        assert_eq!(resource(&typed), expected);
    }
}
