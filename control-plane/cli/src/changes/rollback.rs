//! `portcullis rollback`: an earlier revision becomes a new one.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::json;

use super::{outcome_of, show};
use crate::control_plane::{Body, DocumentChange};
use crate::output;

/// The revision to go back to.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// Its number; without it, the newest one that every Envoy accepted before the latest
    to: Option<u64>,
    /// Calls may pass afterwards that are refused now
    #[arg(long)]
    allow_loosening: bool,
    #[command(flatten)]
    change: DocumentChange,
}

/// Goes back to an earlier revision.
pub(crate) async fn run(rollback: Rollback) -> anyhow::Result<ExitCode> {
    let mut body = json!({"allow_loosening": rollback.allow_loosening});
    if let Some(to) = rollback.to {
        body["to"] = to.into();
    }
    let request = rollback.change.request(Method::POST, "rollback");
    let asked = rollback.change.asked();
    let answer = outcome_of(asked, request.with(Body::Json(body))).await;
    let trial_loosens = answer
        .as_ref()
        .is_ok_and(|answer| answer["loosens"] == true);
    let code = show(asked, answer)?;
    if trial_loosens && !rollback.allow_loosening {
        output::tell("to make the change, add `--allow-loosening`");
    }
    Ok(code)
}
