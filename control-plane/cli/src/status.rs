//! `portcullis status`: whether it runs, in a line for each Envoy, each server and each thing that
//! has no effect.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use crate::answer::Format;
use crate::control_plane::{Asked, ControlPlane};
use crate::exit::NobodyAnswers;
use crate::failure::KnownInPart;
use crate::output;
use crate::places::Folders;
use crate::running;
use crate::watch::{LOOK_EVERY, Look, watch};

mod report;

use report::Report;

/// The rollouts among which that of the newest revision is found: those after it, if any, were made
/// by what servers list.
const NEWEST_ROLLOUTS: &str = "rollouts?limit=20";

/// Says which control plane is asked, and how its answer is shown.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    folders: Folders,

    #[command(flatten)]
    asked: Asked,

    /// Show it again whenever it changes, until Ctrl-C
    #[arg(long, short)]
    watch: bool,
}

/// The `portcullis up` that runs on this machine.
#[derive(Debug, Serialize)]
struct Process {
    pid: i32,
    logs: PathBuf,
}

/// Prints the control plane's account of its Envoys and servers, and the process of `up` where that
/// started it; fails when nothing runs.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let format = settings.asked.format();
    let process = process(&settings)?;
    if let (Some(process), Format::Table) = (&process, format) {
        let logs = process.logs.display();
        output::tell(format_args!(
            "portcullis is running (process {}; logs: {logs})",
            process.pid
        ));
    }
    let control_plane = settings.asked.control_plane()?;
    if settings.watch {
        return watch(&control_plane, format, LOOK_EVERY, async || {
            let report = report(&control_plane).await?;
            let text = text(format, &process, &report)?;
            Ok(Look { text, end: None })
        })
        .await;
    }
    let report = match report(&control_plane).await {
        Ok(report) => report,
        Err(error) => {
            if process.is_none() && error.is::<NobodyAnswers>() {
                let data = settings.folders.data()?;
                output::tell(format_args!(
                    "portcullis is not running (data: {})",
                    data.display()
                ));
            }
            let known = about(&process);
            return Err(KnownInPart { known, error }.into());
        }
    };
    output::data(text(format, &process, &report)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The fields that tell about the process.
fn about(process: &Option<Process>) -> Value {
    match process {
        Some(process) => json!({"running": true, "process": process}),
        None => json!({"running": false}),
    }
}

fn text(format: Format, process: &Option<Process>, report: &Report) -> anyhow::Result<String> {
    let mut whole = serde_json::to_value(report)?;
    if let (Value::Object(fields), Value::Object(about)) = (&mut whole, about(process)) {
        fields.extend(about);
        fields.insert("running".to_owned(), true.into());
    }
    format.text(&whole, |_| report.table())
}

/// The `portcullis up` of the data folder, if one runs.
fn process(settings: &Settings) -> anyhow::Result<Option<Process>> {
    let data = settings.folders.data()?;
    let holder = running::holder(&data)?;
    Ok(holder.map(|pid| Process {
        pid,
        logs: data.join("logs"),
    }))
}

/// The control plane's account of its Envoys and servers.
async fn report(control_plane: &ControlPlane) -> anyhow::Result<Report> {
    Ok(Report::new(
        &control_plane.get("version").await?,
        &control_plane.get(NEWEST_ROLLOUTS).await?,
        &control_plane.get_all("nodes").await?,
        &control_plane.get_all("servers").await?,
        &control_plane.get_all("tools").await?,
        &control_plane.get_all("secrets").await?,
    ))
}
