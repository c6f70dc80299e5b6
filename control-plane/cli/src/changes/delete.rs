//! `portcullis delete`: one resource of the gateway document, taken out.

use std::process::ExitCode;

use clap::Args;
use reqwest::Method;

use super::kinds::{Verb, resource_of, with_meant_kind};
use super::{progress, show};
use crate::control_plane::DocumentChange;

/// The resource to take out.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// `servers`, `rules`, `listeners`, `clusters`, `secrets` …
    kind: String,
    /// The name of the resource
    name: String,
    #[command(flatten)]
    change: DocumentChange,
}

/// Takes the resource out of the document.
pub(crate) async fn run(delete: Delete) -> anyhow::Result<ExitCode> {
    let resource = resource_of(&delete.kind, Some(&delete.name));
    let request = delete.change.request(Method::DELETE, &resource);
    let answer = async {
        let control_plane = delete.change.asked().control_plane()?;
        let change = control_plane.send(request);
        let answer = progress::while_envoys_answer(&control_plane, change).await;
        with_meant_kind(
            &control_plane,
            Verb::Delete,
            &delete.kind,
            Some(&delete.name),
            answer,
        )
        .await
    };
    show(delete.change.asked(), answer.await)
}
