//! `portcullis completions`: what a shell has to know to complete commands and flags.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::output;

/// The shell that is to complete commands.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The name of the shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script that teaches the shell the commands of `program`.
pub(crate) fn run(completions: &Completions, mut program: Command) -> anyhow::Result<ExitCode> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    generate(completions.shell, &mut program, name, &mut script);
    let script = String::from_utf8(script).context("the script is no text")?;
    output::data(script.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
