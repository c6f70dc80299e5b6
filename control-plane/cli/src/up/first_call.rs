//! The proof that it works: a real tool call, through the gateway, to the database and back.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::Value;
use tokio::time::sleep;

use crate::{mcp_client, output};

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
    let deadline = Instant::now() + PATIENCE;
    let health = format!("http://{}/health", reachable(stack.settings.mcp_address));
    until(
        deadline,
        "the data server does not report everything up",
        || healthy(&health),
    )
    .await?;
    progress.done("PostgreSQL and Spark answer the data server");
    let url = stack.settings.mcp_url();
    let arguments = mcp_client::no_arguments();
    until(deadline, "no call comes through the gateway", || {
        mcp_client::call_well(&url, "list_tables", &arguments, CALL_PATIENCE)
    })
    .await?;
    progress.done("a tool call went through the gateway");
    Ok(())
}

async fn until<F: Future<Output = anyhow::Result<()>>>(
    deadline: Instant,
    what: &str,
    attempt: impl Fn() -> F,
) -> anyhow::Result<()> {
    let mut told = Instant::now();
    while let Err(reason) = attempt().await {
        if Instant::now() > deadline {
            bail!("{what} after {} s: {reason:#}", PATIENCE.as_secs());
        }
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            output::tell(format_args!("           still waiting: {reason:#}"));
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
    if report["status"] != "up" {
        bail!("{url} answers {status} `{text}`");
    }
    Ok(())
}
