//! `portcullis diff`: what one revision changed of another.

use std::process::ExitCode;

use clap::Args;

use super::rows;
use crate::control_plane::{Asked, Request};

/// Two revisions to compare.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The revision to compare with
    from: u64,
    /// The revision that is compared
    to: u64,
    #[command(flatten)]
    asked: Asked,
}

/// Shows what one revision changed of another.
pub(crate) async fn run(diff: Diff) -> anyhow::Result<ExitCode> {
    let resource = format!("versions/{}/diff/{}", diff.from, diff.to);
    diff.asked.show(Request::get(resource), rows::changes).await
}
