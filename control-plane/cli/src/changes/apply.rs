//! `portcullis apply`: a gateway document in the place of the one that there is, with what it
//! changes and how far Envoys have taken it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;

use super::{base_revision, progress, rows, text_of};
use crate::answer::{Format, text};
use crate::control_plane::{Asked, Author, Body, DryRun, Request};
use crate::output;

/// A document to put in the place of the one that there is.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The document in YAML or JSON; `-` is standard input
    file: PathBuf,
    /// Refuse unless the document is at this revision [default: the one that the first line of what
    /// `portcullis get config` printed names, or else any]
    #[arg(long, value_name = "REVISION")]
    if_match: Option<u64>,
    /// Take the document whatever was changed since it was read
    #[arg(long, conflicts_with = "if_match")]
    overwrite: bool,
    #[command(flatten)]
    author: Author,
    #[command(flatten)]
    trial: DryRun,
    #[command(flatten)]
    asked: Asked,
}

/// Shows what a document changes, and puts it in the place of the one that there is.
pub(crate) async fn run(apply: Apply) -> anyhow::Result<ExitCode> {
    let document = text_of(&apply.file)?;
    let base = match apply.overwrite {
        true => None,
        false => apply.if_match.or_else(|| base_revision::read(&document)),
    };
    let request = |trial: DryRun| Request {
        if_match: base,
        ..Request::change(Method::PUT, trial.resource("config"), &apply.author)
            .with(Body::Written(document.clone()))
    };
    let answer = async {
        let control_plane = apply.asked.control_plane()?;
        if !apply.trial.dry_run && apply.asked.format() == Format::Table {
            let trial = request(DryRun { dry_run: true });
            let trial = control_plane.send(trial).await?;
            output::data(rows::changes(&trial).text(output::is_coloured()))?;
        }
        let change = control_plane.send(request(apply.trial));
        progress::while_envoys_answer(&control_plane, change).await
    };
    let answer = answer.await;
    let goes_on = answer.as_ref().is_ok_and(|answer| {
        ["rolling_out", "waiting"].contains(&text(&answer["outcome"]).as_str())
    });
    let code = apply.asked.show_answer(answer, rows::outcome)?;
    if goes_on {
        output::tell("further waves follow; `portcullis rollout show --watch` follows them");
    }
    Ok(code)
}
