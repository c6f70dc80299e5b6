//! `portcullis put`: one resource of the gateway document, added or replaced.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;

use super::kinds::{Verb, resource_of, with_meant_kind};
use super::{progress, show, text_of};
use crate::control_plane::{Body, DocumentChange};

/// The resource to add or replace.
#[derive(Debug, Args)]
pub(crate) struct Put {
    /// `servers`, `rules`, `listeners`, `clusters`, `secrets` …
    kind: String,
    /// The name of the resource; none for `defaults`, `rollout` and other sections that are one
    name: Option<String>,
    #[command(flatten)]
    value: Given,
    #[command(flatten)]
    change: DocumentChange,
}

/// The value of the resource, from one of two places.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Given {
    /// Its fields in YAML or JSON, such as `{url: http://10.0.0.5:8001/mcp}`
    #[arg(long, value_name = "FIELDS")]
    set: Option<String>,
    /// The same from a file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    set_from: Option<PathBuf>,
}

/// Adds the resource, or puts it in the place of the one of its name.
pub(crate) async fn run(put: Put) -> anyhow::Result<ExitCode> {
    let fields = match &put.value.set_from {
        Some(file) => text_of(file)?,
        None => put.value.set.unwrap_or_default(),
    };
    let resource = resource_of(&put.kind, put.name.as_deref());
    let request = put.change.request(Method::PUT, &resource);
    let request = request.with(Body::Written(fields));
    let answer = async {
        let control_plane = put.change.asked().control_plane()?;
        let change = control_plane.send(request);
        let answer = progress::while_envoys_answer(&control_plane, change).await;
        with_meant_kind(
            &control_plane,
            Verb::Put,
            &put.kind,
            put.name.as_deref(),
            answer,
        )
        .await
    };
    show(put.change.asked(), answer.await)
}
