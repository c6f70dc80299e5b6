//! A standalone master's two HTTP faces: the submission server (`/v1/submissions`), and the web
//! page with its JSON, through which the workers' logs and the drivers' REST interface are found.

use std::time::Duration;

use reqwest::{Client, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

mod applications;
mod cluster;
mod worker_outputs;

pub use cluster::{Cluster, ClusterApplication, ClusterWorker, ResourceUse};
pub(super) use worker_outputs::{LogPart, Output, Part, Stream};

/// One look takes no longer than this.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Starting a driver may make the master wait for its own log to be written.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A client of one master. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Master {
    http: Client,
    rest: Url,
    ui: Url,
}

/// Why the master gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MasterError {
    /// No connection: the master has heard nothing.
    #[error("the Spark master at `{url}` does not answer: {reason}")]
    Unreachable { url: String, reason: String },
    /// The connection broke or took too long after the question was sent.
    #[error("the Spark master at `{url}` did not answer in time: {reason}")]
    NoAnswer { url: String, reason: String },
    /// The master answered with a refusal.
    #[error("the Spark master refused: {0}")]
    Refused(String),
    /// Not what a master answers.
    #[error("what answers at `{url}` is no Spark master: {reason}")]
    Malformed { url: String, reason: String },
}

/// The body of `POST /v1/submissions/create`.
#[derive(Debug, Clone, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateSubmission {
    pub action: &'static str,
    pub client_spark_version: &'static str,
    pub app_resource: &'static str,
    pub main_class: &'static str,
    pub app_args: Vec<String>,
    pub environment_variables: std::collections::BTreeMap<String, String>,
    pub spark_properties: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubmissionAnswer {
    success: bool,
    submission_id: Option<String>,
    message: Option<String>,
    driver_state: Option<String>,
    worker_id: Option<String>,
    server_spark_version: Option<String>,
}

/// A driver, as the master describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Driver {
    /// `SUBMITTED`, `RUNNING`, `FINISHED`, `RELAUNCHING`, `UNKNOWN`, `KILLED`, `FAILED`, `ERROR`.
    pub state: String,
    /// The worker it runs or ran on.
    pub worker: Option<String>,
    /// Why it is in that state.
    pub message: Option<String>,
}

/// The master's own account of its cluster, `/json/`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Overview {
    #[serde(default)]
    pub workers: Vec<Worker>,
    #[serde(default)]
    pub cores: i64,
    #[serde(default, rename = "coresused")]
    pub cores_used: i64,
    #[serde(default, rename = "activeapps")]
    pub active_apps: Vec<App>,
    #[serde(default, rename = "activedrivers")]
    pub active_drivers: Vec<ListedDriver>,
    #[serde(default, rename = "completeddrivers")]
    pub completed_drivers: Vec<ListedDriver>,
    /// `ALIVE`, `STANDBY`, `RECOVERING` …
    pub status: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Worker {
    pub id: String,
    #[serde(rename = "webuiaddress")]
    pub ui: String,
    /// `ALIVE`, `DEAD`, `DECOMMISSIONED`, `UNKNOWN`.
    #[serde(default)]
    pub state: String,
}

impl Overview {
    /// The workers that run something or could; the master lists dead ones for a while.
    pub(super) fn alive_workers(&self) -> impl Iterator<Item = &Worker> {
        let alive = |worker: &&Worker| worker.state == "ALIVE";
        self.workers.iter().filter(alive)
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct App {
    pub id: String,
    #[serde(default)]
    pub state: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct ListedDriver {
    pub id: String,
    #[serde(default)]
    pub worker: Option<String>,
}

impl Master {
    pub(super) fn new(rest: &str, ui: &str) -> anyhow::Result<Self> {
        let url = |text: &str, variable: &str| {
            let url = Url::parse(text).ok().filter(|url| url.scheme() == "http");
            url.ok_or_else(|| {
                anyhow::anyhow!("{variable} is no address of the form `http://host:port`")
            })
        };
        Ok(Self {
            http: Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(TIMEOUT)
                .no_proxy()
                .build()?,
            rest: url(rest, "SPARK_MASTER_REST")?,
            ui: url(ui, "SPARK_MASTER_UI")?,
        })
    }

    /// Starts a driver; gives the master's id of it.
    pub(super) async fn create(
        &self,
        submission: &CreateSubmission,
    ) -> Result<String, MasterError> {
        let url = at(&self.rest, "/v1/submissions/create");
        let request = self.http.post(url.clone()).timeout(SUBMIT_TIMEOUT);
        let answer: SubmissionAnswer = self.json(&url, request.json(submission)).await?;
        let said = answer.message.unwrap_or_default();
        match answer.submission_id {
            Some(id) if answer.success => Ok(id),
            _ => Err(MasterError::Refused(said)),
        }
    }

    /// Asks the master to end a driver. That it has ended already is no error.
    pub(super) async fn kill(&self, submission: &str) -> Result<(), MasterError> {
        let url = at(&self.rest, &format!("/v1/submissions/kill/{submission}"));
        let answer: SubmissionAnswer = self.json(&url, self.http.post(url.clone())).await?;
        if !answer.success {
            tracing::info!(driver = submission, said = answer.message, "nothing to end");
        }
        Ok(())
    }

    /// The state of a driver; `None` if the master does not know it.
    pub(super) async fn driver(&self, submission: &str) -> Result<Option<Driver>, MasterError> {
        let url = at(&self.rest, &format!("/v1/submissions/status/{submission}"));
        let answer: SubmissionAnswer = self.json(&url, self.http.get(url.clone())).await?;
        Ok(answer.driver_state.map(|state| Driver {
            state,
            worker: answer.worker_id,
            message: answer.message.filter(|message| !message.is_empty()),
        }))
    }

    pub(super) async fn overview(&self) -> Result<Overview, MasterError> {
        let url = at(&self.ui, "/json/");
        self.json(&url, self.http.get(url.clone())).await
    }

    async fn json<T: DeserializeOwned>(
        &self,
        url: &Url,
        request: reqwest::RequestBuilder,
    ) -> Result<T, MasterError> {
        let text = self.text(url, request).await?;
        serde_json::from_str(&text).map_err(|error| MasterError::Malformed {
            url: shown(url),
            reason: error.to_string(),
        })
    }

    async fn text(
        &self,
        url: &Url,
        request: reqwest::RequestBuilder,
    ) -> Result<String, MasterError> {
        let failed = |error: &reqwest::Error| {
            let (url, reason) = (shown(url), innermost(error));
            if error.is_connect() {
                MasterError::Unreachable { url, reason }
            } else {
                MasterError::NoAnswer { url, reason }
            }
        };
        let response = request.send().await.map_err(|error| failed(&error))?;
        response.text().await.map_err(|error| failed(&error))
    }
}

/// `base` with this path.
fn at(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(path);
    url
}

/// Where a question went, without what was asked.
fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
