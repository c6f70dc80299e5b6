//! `portcullis top`: calls and refusals of each tool and kind of item, failures and times of each
//! server, live.

use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::answer::{Format, items, text};
use crate::control_plane::{Asked, ControlPlane};
use crate::output;
use crate::table::{Cell, Table, Tone};
use crate::watch::{Look, watch};

/// Envoys report every few seconds: a look more often shows the same numbers.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Says which control plane is asked, and whether its numbers are followed.
#[derive(Debug, Args)]
pub(crate) struct Top {
    /// Show the numbers once; without a terminal they are shown once anyway
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    asked: Asked,
}

/// Shows the traffic that Envoys report: again and again on a terminal, else once.
pub(crate) async fn run(top: Top) -> anyhow::Result<ExitCode> {
    let format = top.asked.format();
    let is_live = !top.once && format == Format::Table && stdout().is_terminal();
    if is_live {
        let control_plane = top.asked.control_plane()?;
        return watch(&control_plane, format, LOOK_EVERY, async || {
            let traffic = traffic(&control_plane).await?;
            let words = silence(&traffic).map(|words| format!("{words}\n\n"));
            let rows = rows(&traffic).text(output::is_coloured());
            let text = words.unwrap_or_default() + &rows;
            Ok(Look { text, end: None })
        })
        .await;
    }
    let answer = async { traffic(&top.asked.control_plane()?).await }.await;
    if let Some(words) = answer.as_ref().ok().and_then(silence) {
        output::tell(words);
    }
    top.asked.show_answer(answer, rows)
}

async fn traffic(control_plane: &ControlPlane) -> anyhow::Result<Value> {
    control_plane.get_all_of("traffic", "tools").await
}

/// The words where numbers do not come from everywhere, so that nobody takes them for zeros.
fn silence(traffic: &Value) -> Option<String> {
    let [reporting, connected] =
        ["reporting", "connected"].map(|field| traffic[field].as_u64().unwrap_or_default());
    let sink =
        "give its bootstrap the statistics sink of `envoy/bootstrap.yaml`, and start it again";
    match (reporting, connected) {
        (0, 0) => Some(
            "no Envoy is connected, and none reports its numbers: these are of before, since the \
             control plane was started"
                .to_owned(),
        ),
        (0, _) => Some(format!("no Envoy reports its numbers: {sink}")),
        _ if reporting < connected => Some(format!(
            "{reporting} of {connected} Envoys report their numbers: where one does not, {sink}"
        )),
        _ => None,
    }
}

/// The busiest tools first; behind them the servers.
fn rows(traffic: &Value) -> Table {
    let headings = [
        "TOOL",
        "SERVER",
        "CALLS",
        "IN A MINUTE",
        "REFUSED",
        "IN A MINUTE",
        "BECAUSE",
    ];
    let mut table = Table::under(&headings);
    let mut tools: Vec<&Value> = items(&traffic["tools"]).collect();
    tools.sort_by_key(|tool| std::cmp::Reverse(tool["calls"]["last_minute"].as_u64()));
    for tool in tools {
        let [calls, recently] = counts(&tool["calls"]);
        let [refused, refused_recently] = counts(&tool["refusals"]);
        let tone = match tool["refusals"]["last_minute"].as_u64() {
            None | Some(0) => Tone::Plain,
            Some(_) => Tone::Waiting,
        };
        table.push([
            name(tool).into(),
            text(&tool["server"]).into(),
            calls.into(),
            recently.into(),
            refused.into(),
            Cell::new(refused_recently, tone),
            reasons(tool).into(),
        ]);
    }
    table.push(["".into()]);
    let headings = [
        "SERVER",
        "",
        "REQUESTS",
        "IN A MINUTE",
        "FAILED",
        "IN A MINUTE",
    ];
    let headings = headings.map(|heading| Cell::new(heading, Tone::Heading));
    let [a, b, c, d, e, f] = headings;
    table.push([
        a,
        b,
        c,
        d,
        e,
        f,
        Cell::new("HALF, 90 %, 99 % ANSWERED WITHIN", Tone::Heading),
    ]);
    for server in items(&traffic["servers"]) {
        let [requests, recently] = counts(&server["requests"]);
        let [failed, failed_recently] = counts(&server["failures"]);
        let tone = match server["failures"]["last_minute"].as_u64() {
            None | Some(0) => Tone::Plain,
            Some(_) => Tone::Bad,
        };
        let within = &server["answered_within_ms"];
        let times = ["p50", "p90", "p99"].map(|share| within[share].as_f64());
        let times: Vec<String> = times
            .into_iter()
            .flatten()
            .map(|time| format!("{time:.1} ms"))
            .collect();
        table.push([
            text(&server["server"]).into(),
            "".into(),
            requests.into(),
            recently.into(),
            failed.into(),
            Cell::new(failed_recently, tone),
            times.join(", ").into(),
        ]);
    }
    table
}

/// The name of a tool, or the kind of all items of which the row tells.
fn name(tool: &Value) -> String {
    match tool["kind"].as_str() {
        Some(kind) => format!("every {kind} with a rule"),
        None => text(&tool["tool"]),
    }
}

/// Why calls of a tool were refused, and how many passed only because validation is in shadow.
fn reasons(tool: &Value) -> String {
    let refused = tool["refused_for"].as_object().into_iter().flatten();
    let refused = refused.filter(|(_, count)| count["total"] != 0);
    let refused = refused.map(|(reason, count)| format!("{reason} {}", count["total"]));
    let refused = refused.collect::<Vec<_>>().join(", ");
    let shadowed = match tool["shadowed"]["total"].as_u64() {
        None | Some(0) => None,
        Some(count) => Some(format!("shadow let pass {count}")),
    };
    let parts = [Some(refused).filter(|words| !words.is_empty()), shadowed];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// A count in all, and in the last minute.
fn counts(count: &Value) -> [String; 2] {
    ["total", "last_minute"].map(|of| count[of].as_u64().unwrap_or_default().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_shows_the_busiest_tools_first_and_the_times_of_servers() {
        let count =
            |total: u64, last_minute: u64| json!({"total": total, "last_minute": last_minute});
        let traffic = json!({"reporting": 2, "connected": 2,
            "tools": [
                {"server": "data", "tool": "idle", "calls": count(90, 0), "refusals": count(0, 0),
                 "refused_for": {}, "shadowed": count(4, 0)},
                {"server": "data", "tool": "query", "calls": count(20, 7), "refusals": count(5, 1),
                 "refused_for": {"forbidden": count(2, 0), "limited": count(3, 1)},
                 "shadowed": count(0, 0)},
                {"server": "data", "tool": "seen", "calls": count(9, 0), "refusals": count(1, 0),
                 "refused_for": {"limited": count(1, 0)}, "shadowed": count(2, 0)},
                {"server": "data", "kind": "prompt", "calls": count(8, 3),
                 "refusals": count(2, 0), "refused_for": {"forbidden": count(2, 0)},
                 "shadowed": count(0, 0)}],
            "servers": [{"server": "data", "requests": count(105, 6), "failures": count(1, 0),
                "answered_within_ms": {"p50": 1.25, "p90": 3.0, "p99": 40.04}}]});
        let expected = [
            "TOOL                      SERVER  CALLS     IN A MINUTE  REFUSED  IN A MINUTE  \
             BECAUSE",
            "query                     data    20        7            5        1            \
             forbidden 2, limited 3",
            "every prompt with a rule  data    8         3            2        0            \
             forbidden 2",
            "idle                      data    90        0            0        0            \
             shadow let pass 4",
            "seen                      data    9         0            1        0            \
             limited 1; shadow let pass 2",
            "",
            "SERVER                            REQUESTS  IN A MINUTE  FAILED   IN A MINUTE  \
             HALF, 90 %, 99 % ANSWERED WITHIN",
            "data                              105       6            1        0            \
             1.2 ms, 3.0 ms, 40.0 ms",
        ];
        assert_eq!(rows(&traffic).text(false), expected.join("\n"));
        assert_eq!(silence(&traffic), None);
        for (reporting, connected, part) in [
            (0, 0, "no Envoy is connected"),
            (0, 2, "no Envoy reports its numbers: give its bootstrap"),
            (1, 2, "1 of 2 Envoys report"),
        ] {
            let traffic = json!({"reporting": reporting, "connected": connected});
            let words = silence(&traffic).unwrap();
            assert!(words.contains(part), "{words}");
        }
        // One that has just gone is still counted for some seconds.
        assert_eq!(silence(&json!({"reporting": 2, "connected": 1})), None);
    }
}
