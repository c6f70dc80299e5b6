//! `portcullis status`: whether it runs, in a line for each Envoy, each server and each thing that
//! has no effect.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use crate::control_plane::{Address, ControlPlane, Format};
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

    #[command(flatten)]
    address: Address,

    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
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
    let process = match process(&settings) {
        Ok(Some(process)) => process,
        Ok(None) => {
            if settings.output == Format::Json {
                output::data(json!({"running": false}))?;
            }
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return settings.output.failure(json!({}), error),
    };
    let report = match report(&settings.address).await {
        Ok(report) => report,
        Err(error) => {
            let known = json!({"running": true, "process": process});
            return settings.output.failure(known, error);
        }
    };
    match settings.output {
        Format::Text => {
            output::tell(format_args!(
                "portcullis is running (process {}; logs: {})",
                process.pid,
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

/// The `portcullis up` of the data folder; says so where none runs.
fn process(settings: &Settings) -> anyhow::Result<Option<Process>> {
    let data = settings.folders.data()?;
    let Some(pid) = running::holder(&data)? else {
        output::tell(format_args!(
            "portcullis is not running (data: {})",
            data.display()
        ));
        return Ok(None);
    };
    let logs = data.join("logs");
    Ok(Some(Process { pid, logs }))
}

/// The control plane's account of its Envoys and servers.
async fn report(address: &Address) -> anyhow::Result<Report> {
    let control_plane = ControlPlane::at(address)?;
    Ok(Report::new(
        &control_plane.get("version").await?,
        &control_plane.get_all("nodes").await?,
        &control_plane.get_all("servers").await?,
        &control_plane.get_all("tools").await?,
    ))
}
