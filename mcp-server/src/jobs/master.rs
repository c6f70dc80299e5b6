//! A standalone master's two HTTP faces: the submission server (`/v1/submissions`), and the web
//! page with its JSON, through which the workers' logs and the drivers' REST interface are found.

use std::time::Duration;

use reqwest::{Client, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::job::{ExecutorMetrics, JobProgress};

mod cluster;

pub use cluster::{Cluster, ClusterApplication, ClusterWorker, Share};

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

/// Which of a driver's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// The text that the script's Python wrote to either of its own outputs, so also a traceback.
    Script,
    /// The log of the JVM around it, opened by the command line that started it.
    Driver,
}

/// Whose output to read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Output<'a> {
    /// The driver with this submission id.
    Driver(&'a str, Stream),
    /// An executor of an application; its log is what it writes to standard error.
    Executor {
        /// The id of the application.
        application: &'a str,
        /// The id of the executor in it.
        executor: &'a str,
    },
}

/// A part of a log, and where in the log it is, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogPart {
    pub text: String,
    pub start: u64,
    pub end: u64,
    pub total: u64,
}

impl Stream {
    fn name(self) -> &'static str {
        match self {
            Self::Script => "stdout",
            Self::Driver => "stderr",
        }
    }
}

/// Which part of a log.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    First(u32),
    Last(u32),
    Range { offset: u64, bytes: u32 },
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

    /// The value of one of the Spark properties of a running application.
    pub(super) async fn property(
        &self,
        app: &str,
        name: &str,
    ) -> Result<Option<String>, MasterError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Environment {
            #[serde(default)]
            spark_properties: Vec<(String, String)>,
        }
        let url = self.of_app(app, "environment");
        let environment: Environment = self.json(&url, self.http.get(url.clone())).await?;
        let mut properties = environment.spark_properties.into_iter();
        Ok(properties
            .find(|(key, _)| key == name)
            .map(|(_, value)| value))
    }

    /// How far a running application is.
    pub(super) async fn progress(&self, app: &str) -> Result<JobProgress, MasterError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[derive(Default)]
        struct SparkJob {
            num_tasks: i64,
            num_active_tasks: i64,
            num_completed_tasks: i64,
            num_skipped_tasks: i64,
            num_failed_tasks: i64,
            num_completed_stages: i64,
            num_skipped_stages: i64,
            stage_ids: Vec<i64>,
        }
        let url = self.of_app(app, "jobs");
        let jobs: Vec<SparkJob> = self.json(&url, self.http.get(url.clone())).await?;
        let sum = |of: fn(&SparkJob) -> i64| jobs.iter().map(of).sum();
        Ok(JobProgress {
            tasks: sum(|job| job.num_tasks - job.num_skipped_tasks),
            tasks_done: sum(|job| job.num_completed_tasks),
            tasks_running: sum(|job| job.num_active_tasks),
            tasks_failed: sum(|job| job.num_failed_tasks),
            stages: sum(|job| {
                i64::try_from(job.stage_ids.len()).unwrap_or_default() - job.num_skipped_stages
            }),
            stages_done: sum(|job| job.num_completed_stages),
        })
    }

    /// The executors of a running application, the driver's own entry left out.
    pub(super) async fn executors(&self, app: &str) -> Result<Vec<ExecutorMetrics>, MasterError> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Executor {
            id: String,
            is_active: bool,
            total_cores: i64,
            active_tasks: i64,
            completed_tasks: i64,
            failed_tasks: i64,
            total_duration: i64,
            #[serde(rename = "totalGCTime")]
            total_gc_time: i64,
            memory_used: i64,
            max_memory: i64,
            total_input_bytes: i64,
            total_shuffle_read: i64,
            total_shuffle_write: i64,
        }
        let url = self.of_app(app, "allexecutors");
        let all: Vec<Executor> = self.json(&url, self.http.get(url.clone())).await?;
        let executors = all.into_iter().filter(|executor| executor.id != "driver");
        Ok(executors
            .map(|executor| ExecutorMetrics {
                id: executor.id,
                active: executor.is_active,
                cores: executor.total_cores,
                tasks_running: executor.active_tasks,
                tasks_done: executor.completed_tasks,
                tasks_failed: executor.failed_tasks,
                run_ms: executor.total_duration,
                gc_ms: executor.total_gc_time,
                memory_used: executor.memory_used,
                memory: executor.max_memory,
                input: executor.total_input_bytes,
                shuffle_read: executor.total_shuffle_read,
                shuffle_write: executor.total_shuffle_write,
            })
            .collect())
    }

    /// The executors that a worker runs or has run for an application, by their ids.
    pub(super) async fn executors_on(
        &self,
        worker_ui: &str,
        app: &str,
    ) -> Result<Vec<String>, MasterError> {
        #[derive(Deserialize)]
        struct Executor {
            id: i64,
            #[serde(default, rename = "appid")]
            app: String,
        }
        #[derive(Deserialize)]
        struct State {
            #[serde(default)]
            executors: Vec<Executor>,
            #[serde(default, rename = "finishedexecutors")]
            finished: Vec<Executor>,
        }
        let url = page_of_worker(worker_ui, "/json/")?;
        let state: State = self.json(&url, self.http.get(url.clone())).await?;
        let all = state.executors.into_iter().chain(state.finished);
        let of_app = all.filter(|executor| executor.app == app);
        Ok(of_app.map(|executor| executor.id.to_string()).collect())
    }

    /// A part of what a driver or an executor wrote on a worker.
    pub(super) async fn log(
        &self,
        worker_ui: &str,
        output: Output<'_>,
        part: Part,
    ) -> Result<LogPart, MasterError> {
        let malformed = |reason: &str| MasterError::Malformed {
            url: worker_ui.to_owned(),
            reason: reason.to_owned(),
        };
        let mut url = page_of_worker(worker_ui, "/log/")?;
        match output {
            Output::Driver(submission, stream) => url
                .query_pairs_mut()
                .append_pair("driverId", submission)
                .append_pair("logType", stream.name()),
            Output::Executor {
                application,
                executor,
            } => url
                .query_pairs_mut()
                .append_pair("appId", application)
                .append_pair("executorId", executor)
                .append_pair("logType", "stderr"),
        };
        match part {
            Part::Range { offset, bytes } => url
                .query_pairs_mut()
                .append_pair("offset", &offset.to_string())
                .append_pair("byteLength", &bytes.to_string()),
            Part::First(bytes) => url
                .query_pairs_mut()
                .append_pair("offset", "0")
                .append_pair("byteLength", &bytes.to_string()),
            Part::Last(bytes) => url
                .query_pairs_mut()
                .append_pair("byteLength", &bytes.to_string()),
        };
        let text = self.text(&url, self.http.get(url.clone())).await?;
        // The first line says which bytes of which file these are; where it is missing, there is no
        // such log.
        let (first, log) = text.split_once('\n').unwrap_or((&text, ""));
        let place = first.strip_prefix("==== Bytes ").and_then(place);
        let (start, end, total) = place.ok_or_else(|| malformed(first))?;
        Ok(LogPart {
            text: log.to_owned(),
            start,
            end,
            total,
        })
    }

    /// A page of a driver's own REST interface, which the master passes on
    /// (`spark.ui.reverseProxy`).
    fn of_app(&self, app: &str, page: &str) -> Url {
        at(
            &self.ui,
            &format!("/proxy/{app}/api/v1/applications/{app}/{page}"),
        )
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

/// `0-9 of 12 of /path ====`: first byte, the one after the last, and all of them.
fn place(line: &str) -> Option<(u64, u64, u64)> {
    let (range, rest) = line.split_once(" of ")?;
    let (start, end) = range.split_once('-')?;
    let total = rest.split(' ').next()?;
    Some((start.parse().ok()?, end.parse().ok()?, total.parse().ok()?))
}

/// A page of a worker.
fn page_of_worker(worker_ui: &str, path: &str) -> Result<Url, MasterError> {
    let base = Url::parse(worker_ui).map_err(|_| MasterError::Malformed {
        url: worker_ui.to_owned(),
        reason: "not an address".to_owned(),
    })?;
    Ok(at(&base, path))
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
