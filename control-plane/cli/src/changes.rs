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

use crate::answer::text;
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
    show(asked, outcome_of(asked, request).await)
}

/// Shows the outcome of a change, and tells what follows where that is not all.
fn show(asked: &Asked, answer: anyhow::Result<Value>) -> anyhow::Result<ExitCode> {
    let outcome = answer.as_ref().map(|answer| text(&answer["outcome"]));
    let words = outcome.ok().and_then(|outcome| what_follows(&outcome));
    let code = asked.show_answer(answer, rows::outcome)?;
    if let Some(words) = words {
        output::tell(words);
    }
    Ok(code)
}

/// The words for an outcome that is not the last of a change.
fn what_follows(outcome: &str) -> Option<&'static str> {
    Some(match outcome {
        "rolling_out" => "further waves follow: `portcullis rollout show --watch` follows them",
        "waiting" => {
            "it waits until the rollout before it is over, or for an Envoy that its first wave \
             reaches: `portcullis rollout show --watch` says which"
        }
        "no_envoys" => "no Envoy is connected; the next one gets it",
        "pending" => {
            "no Envoy has acknowledged it yet: `portcullis status --watch` says how far it is"
        }
        _ => return None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_follows_where_an_outcome_is_not_the_last() {
        for (outcome, part) in [
            ("rolling_out", "further waves"),
            ("waiting", "an Envoy that its first wave reaches"),
            ("no_envoys", "no Envoy is connected"),
            ("pending", "no Envoy has acknowledged"),
        ] {
            let words = what_follows(outcome).unwrap();
            assert!(words.contains(part), "{words}");
        }
        for outcome in ["accepted", "partial", "unchanged", "superseded", ""] {
            assert_eq!(what_follows(outcome), None);
        }
    }
}
