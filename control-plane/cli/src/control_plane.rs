//! The management API of a control plane, as subcommands ask it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::header::{CONTENT_TYPE, IF_MATCH};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::answer::{Format, Shown};
use crate::exit::NobodyAnswers;
use crate::table::Table;

/// Says which control plane is asked.
#[derive(Debug, Args)]
pub(crate) struct Address {
    /// The control plane's REST address
    #[arg(
        long,
        env = "CONTROL_PLANE_REST_ADDRESS",
        default_value = "127.0.0.1:8080"
    )]
    rest_address: String,
}

/// Says which control plane is asked, and how its answer is shown.
#[derive(Debug, Args)]
pub(crate) struct Asked {
    #[command(flatten)]
    pub(crate) address: Address,

    #[command(flatten)]
    pub(crate) shown: Shown,
}

impl Asked {
    pub(crate) fn control_plane(&self) -> anyhow::Result<ControlPlane> {
        ControlPlane::at(&self.address)
    }

    pub(crate) fn format(&self) -> Format {
        self.shown.output
    }

    /// Sends a request and shows the answer, of which `table` makes the rows for people.
    pub(crate) async fn show(
        &self,
        request: Request<'_>,
        table: impl FnOnce(&Value) -> Table,
    ) -> anyhow::Result<ExitCode> {
        let answer = async { self.control_plane()?.send(request).await }.await;
        self.show_answer(answer, table)
    }

    /// Shows an answer, or that there is none.
    pub(crate) fn show_answer(
        &self,
        answer: anyhow::Result<Value>,
        table: impl FnOnce(&Value) -> Table,
    ) -> anyhow::Result<ExitCode> {
        match answer {
            Ok(answer) => self.format().show(&answer, table)?,
            Err(error) => return self.format().failure(json!({}), error),
        };
        Ok(ExitCode::SUCCESS)
    }
}

/// Who makes a change, and why.
#[derive(Debug, Args)]
pub(crate) struct Author {
    /// Your name, for the record
    #[arg(long)]
    pub(crate) author: Option<String>,

    /// Why you make the change, for the record
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

/// Says whether a change is made.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct DryRun {
    /// Show what the change would do, and do not make it
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl DryRun {
    /// The resource that a change goes to.
    pub(crate) fn resource(self, resource: &str) -> String {
        if self.dry_run {
            format!("{resource}?dry_run=true")
        } else {
            resource.to_owned()
        }
    }
}

/// The entries of a list that are asked for at once: as many as the control plane gives.
const PAGE: u32 = 1000;

/// A change waits until Envoys have judged it, at most for the document's deadline and, while
/// another one is being judged, for that one's.
const JUDGED_WITHIN: Duration = Duration::from_secs(600);

/// Longer, and a user believes that the command hangs; the control plane answers from memory.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The body of a request.
pub(crate) enum Body {
    /// Text that somebody wrote, in YAML or JSON.
    Written(String),
    /// An object of this program's own.
    Json(Value),
    /// JSON that holds a text that somebody wrote, byte for byte.
    JsonText(String),
    /// The bytes of a filter module.
    Module(Vec<u8>),
}

/// A request to a control plane.
#[derive(Default)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// The path behind `/api/v1/`, with parameters.
    pub(crate) resource: String,
    pub(crate) body: Option<Body>,
    /// Who makes the change, for the record.
    pub(crate) author: Option<&'a str>,
    /// The reason for the change, for the record.
    pub(crate) reason: Option<&'a str>,
    /// The revision that the document has to be at.
    pub(crate) if_match: Option<u64>,
}

impl<'a> Request<'a> {
    pub(crate) fn get(resource: impl Into<String>) -> Self {
        Self {
            resource: resource.into(),
            ..Self::default()
        }
    }

    /// A change by this author.
    pub(crate) fn change(method: Method, resource: impl Into<String>, author: &'a Author) -> Self {
        Self {
            method,
            resource: resource.into(),
            author: author.author.as_deref(),
            reason: author.reason.as_deref(),
            ..Self::default()
        }
    }

    pub(crate) fn with(self, body: Body) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }
}

/// A control plane that can be asked.
pub(crate) struct ControlPlane {
    pub(crate) client: reqwest::Client,
    pub(crate) base: String,
}

impl ControlPlane {
    pub(crate) fn at(address: &Address) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().connect_timeout(ANSWER_WITHIN);
        Ok(Self {
            client: client.build()?,
            base: format!("http://{}/api/v1", address.rest_address),
        })
    }

    /// Sends a request; a change may wait for the Envoys. What the control plane refuses becomes an
    /// error in its own words, each fault of what was sent on a line of its own.
    pub(crate) async fn send(&self, request: Request<'_>) -> anyhow::Result<Value> {
        let url = match request.resource.as_str() {
            "" => self.base.clone(),
            resource => format!("{}/{resource}", self.base),
        };
        let patience = if request.method == Method::GET {
            ANSWER_WITHIN
        } else {
            JUDGED_WITHIN
        };
        let mut sent = self.client.request(request.method, &url).timeout(patience);
        if let Some(author) = request.author {
            sent = sent.header("x-portcullis-author", author);
        }
        if let Some(reason) = request.reason {
            sent = sent.header("x-portcullis-reason", reason);
        }
        if let Some(revision) = request.if_match {
            sent = sent.header(IF_MATCH, format!("\"{revision}\""));
        }
        sent = match request.body {
            // JSON is YAML, too.
            Some(Body::Written(text)) => sent.header(CONTENT_TYPE, "application/yaml").body(text),
            Some(Body::Json(value)) => sent.json(&value),
            Some(Body::JsonText(text)) => sent.header(CONTENT_TYPE, "application/json").body(text),
            Some(Body::Module(bytes)) => sent.header(CONTENT_TYPE, "application/wasm").body(bytes),
            None => sent,
        };
        let answer = sent
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(|| NobodyAnswers { url: url.clone() })?;
        let status = answer.status();
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let said: Value = answer.json().await.with_context(|| {
            format!("{url} answers {status} and no JSON: no control plane is at this address")
        })?;
        if status.is_success() {
            return Ok(said);
        }
        match said["detail"].as_str() {
            Some(detail) => bail!("{detail}{}", faults_of(&said)),
            None => bail!("{url} answers {status}: no control plane is at this address"),
        }
    }

    /// Asks for a resource of the management API.
    pub(crate) async fn get(&self, resource: &str) -> anyhow::Result<Value> {
        self.send(Request::get(resource)).await
    }

    /// Asks for every page of a list, and gives the first page with the entries of all.
    pub(crate) async fn get_all(&self, list: &str) -> anyhow::Result<Value> {
        self.get_all_of(list, list).await
    }

    /// Asks for every page of a resource whose entries are in the field `list`.
    pub(crate) async fn get_all_of(&self, resource: &str, list: &str) -> anyhow::Result<Value> {
        let mut whole = self.get(&format!("{resource}?limit={PAGE}")).await?;
        while let Some(cursor) = whole["next_cursor"].as_str() {
            let cursor: String = form_urlencoded::byte_serialize(cursor.as_bytes()).collect();
            let next = format!("{resource}?limit={PAGE}&cursor={cursor}");
            let mut page = self.get(&next).await?;
            whole["next_cursor"] = page["next_cursor"].take();
            if let (Value::Array(entries), Value::Array(more)) =
                (&mut whole[list], page[list].take())
            {
                entries.extend(more);
            }
        }
        if let Value::Object(fields) = &mut whole {
            fields.remove("next_cursor");
        }
        Ok(whole)
    }
}

/// The faults that a problem document names, a line for each.
fn faults_of(problem: &Value) -> String {
    let faults = problem["errors"].as_array().into_iter().flatten();
    let faults = faults.map(|fault| {
        let path = fault["path"].as_str().filter(|path| !path.is_empty());
        let of = fault["of"].as_str().map(|of| format!(" of the {of}"));
        format!(
            "\n  {}{}: {}",
            path.unwrap_or("/"),
            of.unwrap_or_default(),
            fault["reason"].as_str().unwrap_or_default()
        )
    });
    faults.collect()
}

/// A text as a part of a URL: what is encoded for a form holds there, too, but for the blank.
pub(crate) fn segment(text: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    encoded.replace('+', "%20")
}
