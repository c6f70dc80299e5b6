//! The management API of a control plane, as subcommands ask it.

mod address;
mod answering;
mod change;

use std::process::ExitCode;
use std::time::Duration;

pub(crate) use address::Address;
use anyhow::{Context, bail};
pub(crate) use change::{ChangeArguments, DocumentChange};
use clap::Args;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName, IF_MATCH};
use serde_json::Value;
use url::form_urlencoded;

use crate::answer::{Format, Shown, place, words};
use crate::table::Table;

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

    /// Shows an answer, of which `table` makes the rows for people.
    pub(crate) fn show_answer(
        &self,
        answer: anyhow::Result<Value>,
        table: impl FnOnce(&Value) -> Table,
    ) -> anyhow::Result<ExitCode> {
        self.format().show(&answer?, table)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The entries of a list that are asked for at once: as many as the control plane gives.
const PAGE: u32 = 1000;

/// A change waits until Envoys have judged it, at most for the document's deadline and, while
/// another one is being judged, for that one's.
const JUDGED_WITHIN: Duration = Duration::from_secs(600);

/// Longer, and a user believes that the command hangs; the control plane answers from memory.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The header by which a request that is sent again is known (`rest/idempotency.rs`).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Whether a request may change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Effect {
    /// It asks, or tries a change that is not made.
    #[default]
    Nothing,
    Change,
}

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
    pub(crate) effect: Effect,
    /// Who makes the change, for the record.
    pub(crate) author: Option<&'a str>,
    /// The reason for the change, for the record.
    pub(crate) reason: Option<&'a str>,
    /// The revision that the document has to be at.
    pub(crate) if_match: Option<u64>,
}

impl Request<'_> {
    pub(crate) fn get(resource: impl Into<String>) -> Self {
        Self {
            resource: resource.into(),
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
            base: format!("{}/api/v1", address.url()),
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
        let mut sent = self
            .client
            .request(request.method.clone(), &url)
            .timeout(patience);
        if let Some(author) = request.author {
            sent = sent.header("x-portcullis-author", author);
        }
        if let Some(reason) = request.reason {
            sent = sent.header("x-portcullis-reason", reason);
        }
        if let Some(revision) = request.if_match {
            sent = sent.header(IF_MATCH, format!("\"{revision}\""));
        }
        // The control plane knows a request by its key, also where somebody else has changed
        // something before it is sent again.
        if request.effect == Effect::Change {
            sent = sent.header(IDEMPOTENCY_KEY, new_key()?);
        }
        sent = match request.body {
            // JSON is YAML, too.
            Some(Body::Written(text)) => sent.header(CONTENT_TYPE, "application/yaml").body(text),
            Some(Body::Json(value)) => sent.json(&value),
            Some(Body::JsonText(text)) => sent.header(CONTENT_TYPE, "application/json").body(text),
            Some(Body::Module(bytes)) => sent.header(CONTENT_TYPE, "application/wasm").body(bytes),
            None => sent,
        };
        let sent = sent.build().map_err(reqwest::Error::without_url);
        let sent = sent.context(
            "this cannot be sent: an author and a reason are text without control characters",
        )?;
        // A reader of URLs goes up a folder at `..`, and names are folders to it.
        let path = url.split('?').next().unwrap_or_default();
        if !path.ends_with(sent.url().path()) || path.ends_with('/') {
            bail!(
                "`{}` has a name that is empty, `.` or `..`",
                request.resource
            );
        }
        answering::answer_to(&self.client, sent, request.effect).await
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
            if page["next_cursor"] == whole["next_cursor"] {
                bail!("the pages of {}/{resource} do not end", self.base);
            }
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

/// A key that no other request has.
fn new_key() -> anyhow::Result<String> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(hex::encode(key))
}

/// The faults that a problem document names, a line for each.
fn faults_of(problem: &Value) -> String {
    let faults = problem["errors"].as_array().into_iter().flatten();
    let faults = faults.map(|fault| format!("\n  {}: {}", place(fault), words(&fault["reason"])));
    faults.collect()
}

/// A text as a part of a URL: what is encoded for a form holds there, too, but for the blank.
pub(crate) fn segment(text: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    encoded.replace('+', "%20")
}
