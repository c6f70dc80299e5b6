//! `portcullis get`: a resource of the gateway document, or all of a kind.

use std::process::ExitCode;

use clap::Args;

use super::base_revision;
use super::kinds::{Verb, resource_of, with_meant_kind};
use crate::answer::{self, Format};
use crate::control_plane::{Address, ControlPlane};
use crate::output;
use crate::table::Table;

/// A kind of resources, or one of them.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// `servers`, `rules`, `listeners`, `clusters`, `roles` …, or `config` for the whole document
    kind: String,
    /// The name of one
    name: Option<String>,
    #[command(flatten)]
    address: Address,
    /// As a document has it (`yaml`), or the control plane's own answer (`json`)
    #[arg(long, short, value_enum, default_value_t = Written::Yaml)]
    output: Written,
}

/// The ways to write a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Written {
    /// As `portcullis apply` takes it
    Yaml,
    /// The control plane's own answer
    Json,
}

/// Shows a resource, or all of a kind.
pub(crate) async fn run(get: Get) -> anyhow::Result<ExitCode> {
    let answer = async {
        let control_plane = ControlPlane::at(&get.address)?;
        let resource = resource_of(&get.kind, get.name.as_deref());
        let answer = control_plane.get(&resource).await;
        with_meant_kind(
            &control_plane,
            Verb::Get,
            &get.kind,
            get.name.as_deref(),
            answer,
        )
        .await
    };
    let answer = answer.await?;
    let format = match get.output {
        Written::Yaml => Format::Yaml,
        Written::Json => Format::Json,
    };
    output::data(match (get.output, answer.get("document")) {
        (Written::Yaml, Some(document)) => {
            let revision = answer["revision"].as_u64().unwrap_or_default();
            base_revision::mark(&answer::yaml(document)?, revision)
        }
        _ => format.text(&answer, |_| Table::default())?,
    })?;
    Ok(ExitCode::SUCCESS)
}
