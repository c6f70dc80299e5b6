//! `portcullis servers remove`: takes a server out of the document.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;

use crate::changes;
use crate::control_plane::{Asked, Author, DryRun, Request, segment};

/// The server to take out.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The name of the server
    name: String,
    #[command(flatten)]
    author: Author,
    #[command(flatten)]
    trial: DryRun,
    #[command(flatten)]
    asked: Asked,
}

/// Takes the server out; calls of its tools are refused from then on.
pub(super) async fn run(remove: Remove) -> anyhow::Result<ExitCode> {
    let resource = remove
        .trial
        .resource(&format!("servers/{}", segment(&remove.name)));
    let request = Request::change(Method::DELETE, resource, &remove.author);
    changes::make(&remove.asked, request).await
}
