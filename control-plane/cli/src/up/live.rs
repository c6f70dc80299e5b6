//! The last line of the terminal while everything runs: how long, how many programs, what passed
//! the gateway.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use serde_json::Value;
use supervisor::{Status, Supervisor};
use tokio::time::{interval, timeout};

use crate::output;

use super::settings::reachable;
use super::stack::Stack;

const EVERY: Duration = Duration::from_secs(2);

/// Keeps the line up to date for ever; without a terminal it does nothing, for ever.
pub(crate) async fn show(stack: &Stack, supervisor: &Supervisor) {
    if !std::io::stderr().is_terminal() {
        return std::future::pending().await;
    }
    let began = Instant::now();
    let stats = format!(
        "http://{}/stats?format=json&filter=portcullis_(calls|refusals)",
        reachable(stack.settings.envoy_admin_address)
    );
    let mut ticks = interval(EVERY);
    loop {
        ticks.tick().await;
        let programs = supervisor.status();
        let running = programs
            .iter()
            .filter(|(_, status)| matches!(status, Status::Ready { .. }))
            .count();
        let traffic = match timeout(EVERY, counts(&stats)).await {
            Ok(Ok((calls, refusals))) => format!("calls {calls}, refused {refusals}"),
            _ => "Envoy does not answer".to_owned(),
        };
        output::redraw(format_args!(
            "up {} · programs {running} of {} · {traffic}",
            in_words(began.elapsed()),
            programs.len()
        ));
    }
}

/// Makes room for another message.
pub(crate) fn clear() {
    if std::io::stderr().is_terminal() {
        output::redraw("");
    }
}

async fn counts(url: &str) -> anyhow::Result<(u64, u64)> {
    let answer: Value = reqwest::get(url).await?.json().await?;
    Ok((
        sum(&answer, "portcullis_calls"),
        sum(&answer, "portcullis_refusals"),
    ))
}

/// The sum of the counters whose name has `part`.
fn sum(stats: &Value, part: &str) -> u64 {
    let counters = stats["stats"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    counters
        .iter()
        .filter(|counter| {
            counter["name"]
                .as_str()
                .is_some_and(|name| name.contains(part))
        })
        .filter_map(|counter| counter["value"].as_u64())
        .sum()
}

fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_adds_up_the_counters_of_all_tools() {
        let stats = json!({"stats": [
            {"name": "wasmcustom.portcullis_calls.server.data.tool.list_tables", "value": 3},
            {"name": "wasmcustom.portcullis_calls.server.data.tool.execute_query", "value": 4},
            {"name": "wasmcustom.portcullis_refusals.server.data.tool.execute_query.reason.limited",
             "value": 2},
            {"histograms": {}},
        ]});
        assert_eq!(
            (
                sum(&stats, "portcullis_calls"),
                sum(&stats, "portcullis_refusals")
            ),
            (7, 2)
        );
    }

    #[test]
    fn it_shows_hours() {
        assert_eq!(in_words(Duration::from_secs(3725)), "1:02:05");
    }
}
