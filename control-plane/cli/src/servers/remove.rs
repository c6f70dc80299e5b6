//! `portcullis servers remove`: takes a server out of the document.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;

use crate::changes;
use crate::control_plane::{DocumentChange, segment};

/// The server to take out.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The name of the server
    name: String,
    #[command(flatten)]
    change: DocumentChange,
}

/// Takes the server out; calls of its tools are refused from then on.
pub(super) async fn run(remove: Remove) -> anyhow::Result<ExitCode> {
    let resource = format!("servers/{}", segment(&remove.name));
    let request = remove.change.request(Method::DELETE, &resource);
    changes::make(remove.change.asked(), request).await
}
