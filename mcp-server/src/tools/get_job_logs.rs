//! `get_job_logs`: what a submitted Spark job and its processes write.

use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure, job_view};
use crate::call::Call;
use crate::jobs::{Job, JobLog, LogRange, LogSource};
use crate::services::Services;

/// Bytes where the caller names no number: some hundred lines, which a model can read.
const DEFAULT_BYTES: u32 = 16 << 10;
/// With the escapes of JSON in the structured content and once more as text, an answer of this size
/// stays under the 1 MiB that some clients take.
const MOST_BYTES: u32 = 128 << 10;
/// The longest that a log is followed in one call.
const MOST_SECONDS: u32 = 600;
/// Between two looks at a log that is followed.
const PAUSE: Duration = Duration::from_millis(500);

/// The tool `get_job_logs` of this server.
pub struct GetJobLogs;

/// The arguments of `get_job_logs`, as a caller writes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    job_id: String,
    #[serde(default)]
    log: Option<LogName>,
    #[serde(default)]
    executor: Option<String>,
    #[serde(default)]
    offset: Option<u64>,
    #[serde(default)]
    bytes: Option<u32>,
    #[serde(default)]
    follow_seconds: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LogName {
    Script,
    Driver,
    Executor,
}

impl Tool for GetJobLogs {
    const NAME: &'static str = "get_job_logs";
    const TITLE: &'static str = "Logs of a Spark job";
    const DESCRIPTION: &'static str = "Read what a job of submit_spark_job writes: the output of \
        its script, the log of its driver or of an executor. The end of it, or `bytes` from \
        `offset` on: `next_offset` reads on. Credentials are masked.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "job_id": {"type": "string", "minLength": 1},
                "log": {"enum": ["script", "driver", "executor"],
                    "description": "script when left out"},
                "executor": {"type": "string", "minLength": 1,
                    "description": "Id of the executor; the first one when left out"},
                "offset": {"type": "integer", "minimum": 0,
                    "description": "First byte; the log's end when left out"},
                "bytes": {"type": "integer", "minimum": 1, "maximum": MOST_BYTES,
                    "description": "16384 when left out"},
                "follow_seconds": {"type": "integer", "minimum": 1, "maximum": MOST_SECONDS,
                    "description": "Go on reading until the job is over or so long, with new \
                                    lines as progress"}
            },
            "required": ["job_id"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        json!({
            "properties": {
                "job_id": {"type": "string"},
                "status": {"enum": job_view::states()},
                "text": {"type": "string"},
                "offset": {"type": "integer"},
                "next_offset": {"type": "integer"},
                "total_bytes": {"type": "integer"},
                "executor": {"type": ["string", "null"]},
                "executors": {"type": "array", "items": {"type": "string"}}
            }
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let asked = Asked::new(arguments)?;
        let (job, mut log) = asked.read(services, call, asked.range).await?;
        let mut status = job.state;
        if let Some(wait) = asked.follow {
            let deadline = Instant::now() + wait;
            let most = asked.most_bytes();
            let mut news = log.text.clone();
            loop {
                if !news.is_empty() {
                    let (done, total) = (log.end as f64, log.total as f64);
                    call.progress.report(done, Some(total), Some(news)).await;
                }
                let is_whole = status.is_final() && log.end >= log.total;
                if is_whole || log.text.len() >= most || Instant::now() >= deadline {
                    break;
                }
                call.unless_cancelled(tokio::time::sleep(PAUSE)).await?;
                let next = LogRange::From {
                    offset: log.end,
                    bytes: u32::try_from(most - log.text.len()).unwrap_or(1),
                };
                let (job, more) = asked.read(services, call, next).await?;
                status = job.state;
                log.text += &more.text;
                (log.end, log.total) = (more.end, more.total);
                news = more.text;
            }
        }
        let structured = json!({
            "job_id": job.id.to_string(),
            "status": status.as_str(),
            "text": log.text,
            "offset": log.start,
            "next_offset": log.end,
            "total_bytes": log.total,
            "executor": log.executor,
            "executors": log.executors,
        });
        let text = text(&log, services.text_bytes);
        Ok(Output::of_whole_text(&structured, text))
    }
}

/// A call's arguments, understood.
struct Asked {
    job: job_view::OneJob,
    source: LogSource,
    range: LogRange,
    follow: Option<Duration>,
}

impl Asked {
    fn new(arguments: Arguments) -> Result<Self, ToolFailure> {
        let invalid = |message: String| Err(ToolFailure::invalid_arguments(message));
        let bytes = arguments.bytes.unwrap_or(DEFAULT_BYTES);
        if !(1..=MOST_BYTES).contains(&bytes) {
            return invalid(format!("`bytes` is from 1 to {MOST_BYTES}"));
        }
        let wait = arguments.follow_seconds;
        if wait.is_some_and(|wait| !(1..=MOST_SECONDS).contains(&wait)) {
            return invalid(format!("`follow_seconds` is from 1 to {MOST_SECONDS}"));
        }
        let source = match (arguments.log.unwrap_or(LogName::Script), arguments.executor) {
            (LogName::Executor, executor) => LogSource::Executor(executor),
            (_, Some(_)) => return invalid("`executor` goes with log: executor".to_owned()),
            (LogName::Script, None) => LogSource::Script,
            (LogName::Driver, None) => LogSource::Driver,
        };
        Ok(Self {
            job: job_view::OneJob {
                job_id: arguments.job_id,
            },
            source,
            range: match arguments.offset {
                None => LogRange::Tail(bytes),
                Some(offset) => LogRange::From { offset, bytes },
            },
            follow: wait.map(|seconds| Duration::from_secs(seconds.into())),
        })
    }

    fn most_bytes(&self) -> usize {
        let (LogRange::Tail(bytes) | LogRange::From { bytes, .. }) = self.range;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    async fn read(
        &self,
        services: &Services,
        call: &Call,
        range: LogRange,
    ) -> Result<(Job, JobLog), ToolFailure> {
        let id = self.job.id()?;
        let read = services
            .jobs
            .log(id, call.principal.owner(), &self.source, range);
        let found = call.unless_cancelled(read).await??;
        found.ok_or_else(|| self.job.unknown())
    }
}

/// The log for a model: its end, within the budget, and where it stands in the whole.
fn text(log: &JobLog, budget: usize) -> String {
    let from = log.text.len().saturating_sub(budget);
    let from = log.text.ceil_char_boundary(from);
    let mut text = format!("bytes {} to {} of {}", log.start, log.end, log.total);
    if from > 0 {
        text += &format!("; the first {from} of them have no place here: ask for fewer bytes");
    }
    if let Some(executor) = &log.executor {
        text += &format!("; executor {executor} of {}", log.executors.join(", "));
    }
    format!("{text}\n{}", &log.text[from..])
}
