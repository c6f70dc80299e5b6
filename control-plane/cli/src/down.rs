//! `portcullis down`: stops what `up` runs in another terminal.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use crate::output;
use crate::places::Folders;
use crate::running;

/// How long everything may take to stop.
const PATIENCE: Duration = Duration::from_secs(90);

/// Says which installation is stopped.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    folders: Folders,
}

/// Asks the running `up` to stop everything, and waits until it has.
pub(crate) async fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    let data = settings.folders.data()?;
    let Some(pid) = running::holder(&data)? else {
        output::tell(format_args!(
            "portcullis is not running (data: {})",
            data.display()
        ));
        return Ok(ExitCode::SUCCESS);
    };
    let process = Pid::from_raw(pid).context("the lock names no process")?;
    kill_process(process, Signal::TERM).with_context(|| format!("cannot stop process {pid}"))?;
    let asked = Instant::now();
    while running::is_held_by(&data, pid) {
        if asked.elapsed() > PATIENCE {
            bail!(
                "process {pid} has not stopped after {} s; its logs are in `{}`",
                PATIENCE.as_secs(),
                data.join("logs").display()
            );
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    output::tell(format_args!(
        "stopped in {:.1} s",
        asked.elapsed().as_secs_f64()
    ));
    Ok(ExitCode::SUCCESS)
}
