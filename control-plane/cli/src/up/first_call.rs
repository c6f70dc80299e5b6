//! The proof that it works: a real tool call, through the gateway, to the database and back.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::Value;
use tokio::time::sleep;

use crate::mcp_client::{self, Endpoint};
use crate::output;
use crate::trust::Trust;

use super::progress::StepReport;
use super::settings::reachable;
use super::stack::Stack;

const PATIENCE: Duration = Duration::from_secs(180);
const CALL_PATIENCE: Duration = Duration::from_secs(10);
const TELL_EVERY: Duration = Duration::from_secs(15);
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Returns when the data server reports everything behind it up, and a call has come back through
/// the gateway.
pub(crate) async fn wait(stack: &Stack, progress: StepReport) -> anyhow::Result<()> {
    let began = Instant::now();
    let deadline = began + PATIENCE;
    let health = format!("http://{}/health", reachable(stack.settings.mcp_address));
    // Services of this stack take their time to start; the user's own are there, or never come.
    let mut telling = Telling {
        next: match stack.settings.uses_own_services() {
            true => began,
            false => began + TELL_EVERY,
        },
    };
    until(
        deadline,
        &mut telling,
        "not everything behind the data server is up",
        || healthy(&health),
    )
    .await?;
    progress.done("PostgreSQL and Spark answer the data server");
    let url = stack.settings.mcp_url();
    let endpoint = Endpoint::at(&url, &Trust::default(), CALL_PATIENCE)?;
    let arguments = mcp_client::no_arguments();
    telling.next = Instant::now() + TELL_EVERY;
    until(
        deadline,
        &mut telling,
        "no call comes through the gateway",
        || endpoint.call_well("list_tables", &arguments),
    )
    .await?;
    progress.done("a tool call went through the gateway");
    Ok(())
}

/// Decides when the user hears what is waited for.
#[derive(Debug)]
struct Telling {
    next: Instant,
}

impl Telling {
    /// Whether the user hears it now; not again for a while then.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now >= self.next;
        if is_due {
            self.next = now + TELL_EVERY;
        }
        is_due
    }
}

async fn until<F: Future<Output = anyhow::Result<()>>>(
    deadline: Instant,
    telling: &mut Telling,
    what: &str,
    attempt: impl Fn() -> F,
) -> anyhow::Result<()> {
    while let Err(reason) = attempt().await {
        if Instant::now() > deadline {
            bail!("{what} after {} s: {reason:#}", PATIENCE.as_secs());
        }
        if telling.is_due(Instant::now()) {
            let patience = PATIENCE.as_secs();
            output::tell(format_args!(
                "           waiting, for {patience} s at most: {reason:#}"
            ));
        }
        sleep(ASK_EVERY).await;
    }
    Ok(())
}

async fn healthy(url: &str) -> anyhow::Result<()> {
    let answer = reqwest::Client::new()
        .get(url)
        .timeout(Duration::from_secs(10))
        .send()
        .await?;
    let status = answer.status();
    let text = answer.text().await?;
    // The server answers 200 as long as some tool can work.
    let report: Value = serde_json::from_str(&text).unwrap_or_default();
    match report["status"].as_str() {
        Some("up") => Ok(()),
        Some(_) => bail!("{}", what_is_down(&report)),
        None => bail!("{url} answers {status} `{text}`"),
    }
}

/// The services that the data server does not reach, each with its reason.
fn what_is_down(report: &Value) -> String {
    let services = report["services"].as_object().into_iter().flatten();
    let down = services
        .filter(|(_, service)| service["status"] != "up")
        .map(|(name, service)| format!("{name}: {}", service["detail"].as_str().unwrap_or("down")));
    down.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_names_each_service_that_is_waited_for_and_why() {
        let report = json!({"status": "degraded", "down": ["spark", "spark_master"], "services": {
            "postgres": {"status": "up", "detail": "PostgreSQL 15"},
            "spark": {"status": "down", "detail": "Spark at `sc://far:15002` does not answer"},
            "spark_master": {"status": "down"}}});
        assert_eq!(
            what_is_down(&report),
            "spark: Spark at `sc://far:15002` does not answer; spark_master: down"
        );
    }

    #[test]
    fn it_tells_at_once_where_it_is_due_and_then_from_time_to_time() {
        let began = Instant::now();
        let mut telling = Telling { next: began };
        let second = Duration::from_secs(1);
        let told = [0, 1, 14, 15, 16, 30].map(|after| telling.is_due(began + second * after));
        assert_eq!(told, [true, false, false, true, false, true]);
    }
}
