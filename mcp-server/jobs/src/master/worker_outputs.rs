//! Reads from a worker's web page the text that drivers and executors have written there.

use reqwest::Url;
use serde::Deserialize;

use super::{Master, MasterError, at};

/// Which of a driver's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// The text that the script's Python wrote to either of its own outputs, so also a traceback.
    Script,
    /// The log of the JVM around it, opened by the command line that started it.
    Driver,
}

/// Whose output to read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Output<'a> {
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
pub(crate) struct LogPart {
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
pub(crate) enum Part {
    First(u32),
    Last(u32),
    Range { offset: u64, bytes: u32 },
}

impl Master {
    /// The executors that a worker runs or has run for an application, by their ids.
    pub(crate) async fn executors_on(
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
    pub(crate) async fn log(
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
