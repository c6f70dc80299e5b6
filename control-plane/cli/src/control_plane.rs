//! The management API of a control plane, as subcommands ask it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::Value;
use url::form_urlencoded;

use crate::output;

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

/// The ways to show an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line for each thing, for people
    Text,
    /// One JSON object for programs
    Json,
}

impl Format {
    /// Says that something failed. A program that asked for JSON gets JSON all the same: this
    /// object with the `error` in it; that it failed is told by the exit code.
    pub(crate) fn failure(
        self,
        mut known: Value,
        error: anyhow::Error,
    ) -> anyhow::Result<ExitCode> {
        if self == Self::Json {
            known["error"] = Value::String(format!("{error:#}"));
            output::data(known)?;
        }
        Err(error)
    }
}

/// The entries of a list that are asked for at once: as many as the control plane gives.
const PAGE: u32 = 1000;

/// A change waits until Envoys have judged it, at most for the document's deadline and, while
/// another one is being judged, for that one's.
const JUDGED_WITHIN: Duration = Duration::from_secs(600);

/// A request to a control plane.
#[derive(Default)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// The path behind `/api/v1/`, with parameters.
    pub(crate) resource: String,
    /// The text that is sent, in YAML or JSON.
    pub(crate) body: Option<String>,
    /// Who makes the change, for the record.
    pub(crate) author: Option<&'a str>,
    /// The reason for the change, for the record.
    pub(crate) reason: Option<&'a str>,
}

/// A control plane that can be asked.
pub(crate) struct ControlPlane {
    client: reqwest::Client,
    base: String,
}

/// Longer, and a user believes that the command hangs; the control plane answers from memory.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

impl ControlPlane {
    pub(crate) fn at(address: &Address) -> anyhow::Result<Self> {
        Ok(Self {
            client: reqwest::Client::builder().timeout(ANSWER_WITHIN).build()?,
            base: format!("http://{}/api/v1", address.rest_address),
        })
    }

    /// Sends a request that may wait for the Envoys. What the control plane refuses becomes an
    /// error in its own words, each fault of what was sent on a line of its own.
    pub(crate) async fn send(&self, request: Request<'_>) -> anyhow::Result<Value> {
        let url = format!("{}/{}", self.base, request.resource);
        let mut sent = self
            .client
            .request(request.method, &url)
            .timeout(JUDGED_WITHIN);
        if let Some(author) = request.author {
            sent = sent.header("x-portcullis-author", author);
        }
        if let Some(reason) = request.reason {
            sent = sent.header("x-portcullis-reason", reason);
        }
        if let Some(body) = request.body {
            // JSON is YAML, too.
            sent = sent.header("content-type", "application/yaml").body(body);
        }
        let answer = sent
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(|| format!("nothing answers at {url}"))?;
        let status = answer.status();
        let said: Value = answer
            .json()
            .await
            .with_context(|| format!("{url} answers {status} and no JSON"))?;
        if status.is_success() {
            return Ok(said);
        }
        let faults = said["errors"].as_array().into_iter().flatten();
        let faults = faults.map(|fault| {
            let of = fault["of"].as_str().map(|of| format!(" of the {of}"));
            format!(
                "\n  {}{}: {}",
                fault["path"]
                    .as_str()
                    .filter(|path| !path.is_empty())
                    .unwrap_or("/"),
                of.unwrap_or_default(),
                fault["reason"].as_str().unwrap_or_default()
            )
        });
        let faults: String = faults.collect();
        match said["detail"].as_str() {
            Some(detail) => bail!("{detail}{faults}"),
            None => bail!("{url} answers {status}: no control plane is at this address"),
        }
    }

    /// Asks for every page of a list, and gives the first page with the entries of all.
    pub(crate) async fn get_all(&self, list: &str) -> anyhow::Result<Value> {
        let mut whole = self.get(&format!("{list}?limit={PAGE}")).await?;
        while let Some(cursor) = whole["next_cursor"].as_str() {
            let cursor: String = form_urlencoded::byte_serialize(cursor.as_bytes()).collect();
            let next = format!("{list}?limit={PAGE}&cursor={cursor}");
            let mut page = self.get(&next).await?;
            whole["next_cursor"] = page["next_cursor"].take();
            if let (Value::Array(entries), Value::Array(more)) =
                (&mut whole[list], page[list].take())
            {
                entries.extend(more);
            }
        }
        Ok(whole)
    }

    /// Asks for a resource of the management API.
    pub(crate) async fn get(&self, resource: &str) -> anyhow::Result<Value> {
        let url = format!("{}/{resource}", self.base);
        let answer = self
            .client
            .get(&url)
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(|| format!("nothing answers at {url}"))?;
        let status = answer.status();
        if !status.is_success() {
            bail!("{url} answers {status}: no control plane's REST interface is at this address");
        }
        answer
            .json()
            .await
            .with_context(|| format!("{url} answers no JSON"))
    }
}
