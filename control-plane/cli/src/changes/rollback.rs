//! `portcullis rollback`: an earlier revision becomes a new one.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::{outcome_of, show};
use crate::control_plane::{Body, DocumentChange, Request};
use crate::output;

/// The revision to go back to.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// Its number; without it, the newest one that every Envoy accepted before the latest that was
    /// not taken back: the command says which
    to: Option<u64>,
    /// Calls may pass afterwards that are refused now
    #[arg(long)]
    allow_loosening: bool,
    #[command(flatten)]
    change: DocumentChange,
}

/// Goes back to an earlier revision.
pub(crate) async fn run(rollback: Rollback) -> anyhow::Result<ExitCode> {
    let asked = rollback.change.asked();
    let answer = go_back(&rollback).await;
    let trial_loosens = answer
        .as_ref()
        .is_ok_and(|answer| answer["loosens"] == true);
    let code = show(asked, answer)?;
    if trial_loosens && !rollback.allow_loosening {
        output::tell("to make the change, add `--allow-loosening`");
    }
    Ok(code)
}

/// Goes back, or tries it. Where no revision is named, the control plane says first which one it
/// is; the change is made to what it said.
async fn go_back(rollback: &Rollback) -> anyhow::Result<Value> {
    let (asked, change) = (rollback.change.asked(), &rollback.change);
    let to = |to: Option<u64>| {
        let mut body = json!({"allow_loosening": rollback.allow_loosening});
        if let Some(to) = to {
            body["to"] = to.into();
        }
        Body::Json(body)
    };
    let request = change.request(Method::POST, "rollback");
    if rollback.to.is_some() {
        return outcome_of(asked, request.with(to(rollback.to))).await;
    }
    let trial = change.trial(Method::POST, "rollback").with(to(None));
    let trial = asked.control_plane()?.send(trial).await?;
    let way = &trial["way_back"];
    let chosen = way["to"].as_u64();
    let chosen =
        chosen.context("the control plane does not say where it would go: name a revision")?;
    output::tell(words_of(way));
    if change.dry_run {
        return Ok(trial);
    }
    let request = Request {
        if_match: way["from"].as_u64(),
        ..request.with(to(Some(chosen)))
    };
    outcome_of(asked, request).await
}

/// Where a way back leads, and why there.
fn words_of(way: &Value) -> String {
    let taken_back = way["taken_back"].as_u64();
    let taken_back = taken_back.map(|newest| format!("; {newest} was taken back already"));
    format!(
        "going back to revision {}, from {}{}",
        way["to"],
        way["from"],
        taken_back.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where_a_way_back_leads_and_what_was_taken_back_before() {
        assert_eq!(
            words_of(&json!({"to": 54, "from": 55, "taken_back": 56})),
            "going back to revision 54, from 55; 56 was taken back already"
        );
        assert_eq!(
            words_of(&json!({"to": 54, "from": 55})),
            "going back to revision 54, from 55"
        );
    }
}
