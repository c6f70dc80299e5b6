//! The gateway document, its revisions, and who changed them: `portcullis get`, `put`, `delete`,
//! `apply`, `validate`, `diff`, `rollback`, `history` and `audit`.
//!
//! Each asks the control plane and shows its answer: data on standard output, as rows for people or
//! as the control plane's own objects; words on standard error, and a failing exit code, where it
//! refuses.

use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::Value;

use crate::control_plane::{Asked, Request};
use crate::output;

pub(crate) mod apply;
pub(crate) mod audit;
mod base_revision;
pub(crate) mod delete;
pub(crate) mod diff;
pub(crate) mod get;
pub(crate) mod history;
mod kinds;
mod progress;
pub(crate) mod put;
pub(crate) mod rollback;
pub(crate) mod rows;
pub(crate) mod validate;

/// Makes a change, and shows its outcome; while Envoys judge it, how many have taken it.
pub(crate) async fn make(asked: &Asked, request: Request<'_>) -> anyhow::Result<ExitCode> {
    asked.show_answer(outcome_of(asked, request).await, rows::outcome)
}

/// Makes a change, and tells its outcome; while Envoys judge it, shows how many have taken it.
async fn outcome_of(asked: &Asked, request: Request<'_>) -> anyhow::Result<Value> {
    let control_plane = asked.control_plane()?;
    progress::while_envoys_answer(&control_plane, control_plane.send(request)).await
}

/// The text of a file; of standard input where it is `-`.
pub(crate) fn text_of(file: &Path) -> anyhow::Result<String> {
    if file.as_os_str() == "-" {
        let mut text = String::new();
        if std::io::stdin().is_terminal() {
            output::tell("reading what you type, until Ctrl-D");
        }
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))
}
