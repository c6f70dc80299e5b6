//! `portcullis status`: whether it runs, in a line for each Envoy, each server and each thing that
//! has no effect.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use crate::output;
use crate::places::Folders;
use crate::running;

mod report;

use report::Report;

/// Says which control plane is asked, and how its answer is shown.
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

    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// The ways to show the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each thing, for people
    Text,
    /// One JSON object for programs
    Json,
}

/// The `portcullis up` that runs on this machine.
#[derive(Debug, Serialize)]
struct Process {
    pid: i32,
    logs: PathBuf,
}

/// Prints the process of `up` and the control plane's account of its Envoys and servers; fails when
/// nothing runs.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let data = settings.folders.data()?;
    let Some(pid) = running::holder(&data)? else {
        output::tell(format_args!(
            "portcullis is not running (data: {})",
            data.display()
        ));
        if settings.output == Format::Json {
            output::data(serde_json::json!({"running": false}))?;
        }
        return Ok(ExitCode::FAILURE);
    };
    let process = Process {
        pid,
        logs: data.join("logs"),
    };
    let control_plane = ControlPlane::at(&settings.rest_address)?;
    let report = Report::new(
        &control_plane.get("version").await?,
        &control_plane.get("nodes").await?,
        &control_plane.get("servers").await?,
        &control_plane.get("tools").await?,
    );
    match settings.output {
        Format::Text => {
            output::tell(format_args!(
                "portcullis is running (process {pid}; logs: {})",
                process.logs.display()
            ));
            output::data(report.text())?;
        }
        Format::Json => {
            #[derive(Serialize)]
            struct Whole {
                running: bool,
                process: Process,
                #[serde(flatten)]
                report: Report,
            }
            let whole = Whole {
                running: true,
                process,
                report,
            };
            output::data(serde_json::to_string_pretty(&whole)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The management API of a control plane.
struct ControlPlane {
    client: reqwest::Client,
    base: String,
}

/// Longer, and a user believes that the command hangs; the control plane answers from memory.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

impl ControlPlane {
    fn at(address: &str) -> anyhow::Result<Self> {
        Ok(Self {
            client: reqwest::Client::builder().timeout(ANSWER_WITHIN).build()?,
            base: format!("http://{address}/api/v1"),
        })
    }

    async fn get(&self, resource: &str) -> anyhow::Result<Value> {
        let url = format!("{}/{resource}", self.base);
        let answer = self
            .client
            .get(&url)
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(|| format!("nothing answers at {url}"))?;
        let status = answer.status();
        if !status.is_success() {
            bail!("{url} answers {status}: no control plane's REST interface is at this address");
        }
        answer
            .json()
            .await
            .with_context(|| format!("{url} answers no JSON"))
    }
}
