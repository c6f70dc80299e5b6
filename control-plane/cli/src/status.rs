//! `portcullis status`: does it run, and what has each Envoy in force?

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use crate::places::Folders;
use crate::running;

/// What to look at.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    folders: Folders,

    /// The control plane's REST address
    #[arg(
        long,
        env = "CONTROL_PLANE_REST_ADDRESS",
        default_value = "127.0.0.1:8080"
    )]
    rest_address: String,
}

/// Prints the process of `up` and the control plane's account of its Envoys; fails when nothing runs.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let data = settings.folders.data()?;
    let Some(pid) = running::holder(&data)? else {
        println!("portcullis is not running (data: {})", data.display());
        return Ok(ExitCode::FAILURE);
    };
    println!(
        "portcullis is running (process {pid}; logs: {})",
        data.join("logs").display()
    );
    let url = format!("http://{}/api/v1/nodes", settings.rest_address);
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    let nodes: Value = client
        .get(&url)
        .send()
        .await
        .with_context(|| format!("nothing answers at {url}"))?
        .json()
        .await
        .with_context(|| format!("{url} answers no JSON"))?;
    println!("{}", serde_json::to_string_pretty(&nodes)?);
    Ok(ExitCode::SUCCESS)
}
