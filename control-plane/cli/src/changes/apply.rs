//! `portcullis apply`: a gateway document in the place of the one that there is, with what it
//! changes and how far Envoys have taken it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;

use super::{base_revision, progress, rows, show, text_of};
use crate::answer::Format;
use crate::control_plane::{Body, DocumentChange, Request};
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
    change: DocumentChange,
}

/// Shows what a document changes, and puts it in the place of the one that there is.
pub(crate) async fn run(apply: Apply) -> anyhow::Result<ExitCode> {
    let document = text_of(&apply.file)?;
    let base = match apply.overwrite {
        true => None,
        false => apply.if_match.or_else(|| base_revision::read(&document)),
    };
    let with_document = |request| with_document(request, &document, base);
    let change = &apply.change;
    let answer = async {
        let control_plane = change.asked().control_plane()?;
        if !change.dry_run && change.asked().format() == Format::Table {
            let trial = with_document(change.trial(Method::PUT, "config"));
            let trial = control_plane.send(trial).await?;
            output::data(rows::changes(&trial).text(output::is_coloured()))?;
        }
        let request = with_document(change.request(Method::PUT, "config"));
        progress::while_envoys_answer(&control_plane, control_plane.send(request)).await
    };
    show(change.asked(), answer.await)
}

/// The request with the document, which has to be at the revision `base` if one is given.
fn with_document<'a>(request: Request<'a>, document: &str, base: Option<u64>) -> Request<'a> {
    Request {
        if_match: base,
        ..request.with(Body::Written(document.to_owned()))
    }
}
