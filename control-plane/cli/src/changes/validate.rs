//! `portcullis validate`: everything that is wrong with a gateway document, or what it would
//! change.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;

use super::{rows, text_of};
use crate::control_plane::{Asked, Body, Request};
use crate::exit::REFUSED;

/// A document to look at.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// The document in YAML or JSON; `-` is standard input
    file: PathBuf,
    #[command(flatten)]
    asked: Asked,
}

/// Tells everything that is wrong with a document, or what it would change. A document that is not
/// valid is a failure.
pub(crate) async fn run(validate: Validate) -> anyhow::Result<ExitCode> {
    let Validate { file, asked } = validate;
    let request = Request {
        method: Method::POST,
        ..Request::get("config/validate")
    };
    let request = request.with(Body::Written(text_of(&file)?));
    let answer = async { asked.control_plane()?.send(request).await }.await;
    let is_valid = answer.as_ref().is_ok_and(|answer| answer["valid"] == true);
    let shown = asked.show_answer(answer, rows::outcome)?;
    Ok(if is_valid {
        shown
    } else {
        ExitCode::from(REFUSED)
    })
}
