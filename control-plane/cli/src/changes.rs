//! `portcullis get`, `apply`, `validate`, `diff`, `rollback`, `history` and `audit`: the gateway
//! document, its revisions, and who changed them.
//!
//! Each asks the control plane once and shows its answer: data on standard output, as text for
//! people or as the control plane's own JSON; words on standard error, and a failing exit code,
//! where it refuses.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::control_plane::{Address, ControlPlane, Format, Request};
use crate::output;

mod words;

/// Where to ask, and how to show the answer.
#[derive(Debug, Args)]
struct Asked {
    #[command(flatten)]
    address: Address,

    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Who makes a change, and why.
#[derive(Debug, Args)]
struct Author {
    /// Your name, for the record
    #[arg(long)]
    author: Option<String>,

    /// Why you make the change, for the record
    #[arg(long)]
    reason: Option<String>,

    /// Show what the change would do, and do not make it
    #[arg(long)]
    dry_run: bool,
}

/// A kind of resources, or one of them.
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// `servers`, `rules`, `listeners`, `clusters`, `roles` …, or `config` for the whole document
    kind: String,
    /// The name of one
    name: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

/// A document to put in the place of the one that there is.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The document in YAML or JSON; `-` is standard input
    file: PathBuf,
    #[command(flatten)]
    author: Author,
    #[command(flatten)]
    asked: Asked,
}

/// A document to look at.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// The document in YAML or JSON; `-` is standard input
    file: PathBuf,
    #[command(flatten)]
    asked: Asked,
}

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

/// The revision to go back to.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// Its number; without it, the newest one that every Envoy accepted before the latest
    to: Option<u64>,
    /// Calls may pass afterwards that are refused now
    #[arg(long)]
    allow_loosening: bool,
    #[command(flatten)]
    author: Author,
    #[command(flatten)]
    asked: Asked,
}

/// The revisions to list: the newest.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// How many, up to 1000
    #[arg(long, default_value_t = 20)]
    limit: u32,
    #[command(flatten)]
    asked: Asked,
}

/// The newest records of the audit trail.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// How many, up to 1000
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Only what this author did
    #[arg(long)]
    who: Option<String>,
    /// Only what was done at this time or later, such as 2026-01-31T08:00:00Z
    #[arg(long)]
    since: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

/// Shows a resource, or all of a kind.
pub(crate) async fn get(get: Get) -> anyhow::Result<ExitCode> {
    let mut resource = segment(&get.kind);
    if let Some(name) = &get.name {
        resource = format!("{resource}/{}", segment(name));
    }
    let request = Request {
        resource,
        ..Request::default()
    };
    show(&get.asked, request, words::yaml).await
}

/// Puts a document in the place of the one that there is.
pub(crate) async fn apply(apply: Apply) -> anyhow::Result<ExitCode> {
    let request = Request {
        method: Method::PUT,
        resource: changing("config", &apply.author),
        body: Some(text_of(&apply.file)?),
        author: apply.author.author.as_deref(),
        reason: apply.author.reason.as_deref(),
    };
    show(&apply.asked, request, words::outcome).await
}

/// Tells everything that is wrong with a document, or what it would change. A document that is not
/// valid is a failure.
pub(crate) async fn validate(validate: Validate) -> anyhow::Result<ExitCode> {
    let request = Request {
        method: Method::POST,
        resource: "config/validate".to_owned(),
        body: Some(text_of(&validate.file)?),
        ..Request::default()
    };
    let answer = match ask(&validate.asked, request).await {
        Ok(answer) => answer,
        Err(error) => return validate.asked.output.failure(json!({}), error),
    };
    tell(&validate.asked, &answer, words::outcome)?;
    Ok(if answer["valid"] == true {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Shows what one revision changed of another.
pub(crate) async fn diff(diff: Diff) -> anyhow::Result<ExitCode> {
    let request = Request {
        resource: format!("versions/{}/diff/{}", diff.from, diff.to),
        ..Request::default()
    };
    show(&diff.asked, request, words::changes).await
}

/// Goes back to an earlier revision.
pub(crate) async fn rollback(rollback: Rollback) -> anyhow::Result<ExitCode> {
    let mut body = json!({"allow_loosening": rollback.allow_loosening});
    if let Some(to) = rollback.to {
        body["to"] = to.into();
    }
    let request = Request {
        method: Method::POST,
        resource: changing("rollback", &rollback.author),
        body: Some(body.to_string()),
        author: rollback.author.author.as_deref(),
        reason: rollback.author.reason.as_deref(),
    };
    show(&rollback.asked, request, words::outcome).await
}

/// Lists the revisions, the newest first.
pub(crate) async fn history(history: History) -> anyhow::Result<ExitCode> {
    let request = Request {
        resource: format!("versions?limit={}", history.limit),
        ..Request::default()
    };
    show(&history.asked, request, words::revisions).await
}

/// Lists who did what.
pub(crate) async fn audit(audit: Audit) -> anyhow::Result<ExitCode> {
    let mut resource = format!("audit?limit={}", audit.limit);
    for (name, value) in [("who", &audit.who), ("since", &audit.since)] {
        if let Some(value) = value {
            resource = format!("{resource}&{name}={}", segment(value));
        }
    }
    let request = Request {
        resource,
        ..Request::default()
    };
    show(&audit.asked, request, words::records).await
}

async fn ask(asked: &Asked, request: Request<'_>) -> anyhow::Result<Value> {
    ControlPlane::at(&asked.address)?.send(request).await
}

/// Asks, and shows the answer.
async fn show(
    asked: &Asked,
    request: Request<'_>,
    text: fn(&Value) -> String,
) -> anyhow::Result<ExitCode> {
    match ask(asked, request).await {
        Ok(answer) => tell(asked, &answer, text)?,
        Err(error) => return asked.output.failure(json!({}), error),
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(asked: &Asked, answer: &Value, text: fn(&Value) -> String) -> anyhow::Result<()> {
    match asked.output {
        Format::Text => output::data(text(answer)),
        Format::Json => output::data(serde_json::to_string_pretty(answer)?),
    }
}

/// The resource that a change goes to.
fn changing(resource: &str, author: &Author) -> String {
    if author.dry_run {
        format!("{resource}?dry_run=true")
    } else {
        resource.to_owned()
    }
}

/// A text as a part of a URL: what is encoded for a form holds there, too, but for the blank.
fn segment(text: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    encoded.replace('+', "%20")
}

fn text_of(file: &PathBuf) -> anyhow::Result<String> {
    if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))
}
