//! `list_spark_jobs`: the jobs that were submitted, newest first.

use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::paging::{cursor_schema, open_cursor, page_limit, page_output};
use super::{Effect, Output, Tool, ToolFailure, job_view};
use crate::call::Call;
use crate::cursor;
use crate::jobs::{JobFilter, JobId, JobState};
use crate::services::Services;

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 500;

/// The tool `list_spark_jobs` of this server.
pub struct ListSparkJobs;

/// The arguments of `list_spark_jobs`, as a caller writes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    since: Option<String>,
    #[serde(default)]
    until: Option<String>,
    #[serde(default)]
    limit: Option<u16>,
    #[serde(default)]
    cursor: Option<String>,
}

impl Tool for ListSparkJobs {
    const NAME: &'static str = "list_spark_jobs";
    const TITLE: &'static str = "List Spark jobs";
    const DESCRIPTION: &'static str =
        "List the jobs of submit_spark_job, newest first, by status and time.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "status": {"enum": job_view::states()},
                "since": {"type": "string", "description": "Submitted then or later, RFC 3339: \
                                                            2026-11-20T08:00:00Z"},
                "until": {"type": "string", "description": "Submitted before, RFC 3339"},
                "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT,
                    "description": "Jobs per page, 50 when left out"},
                "cursor": cursor_schema()
            },
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        json!({
            "properties": {
                "jobs": {"type": "array", "items": job_view::brief_schema()},
                "next_cursor": {"type": ["string", "null"]}
            }
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let limit = page_limit(arguments.limit.unwrap_or(DEFAULT_LIMIT), MAX_LIMIT)?;
        let filter = JobFilter {
            status: arguments.status.as_deref().map(state).transpose()?,
            since: arguments.since.as_deref().map(moment).transpose()?,
            until: arguments.until.as_deref().map(moment).transpose()?,
            before: open_cursor(arguments.cursor.as_deref())?.map(JobId),
        };
        let owner = call.principal.owner();
        let list = services.jobs.list(owner, &filter, limit);
        let page = call.unless_cancelled(list).await??;
        let jobs: Vec<Value> = page.jobs.iter().map(job_view::brief).collect();
        let lines: Vec<String> = page.jobs.iter().map(job_view::line_of_list).collect();
        let next_cursor = page.last.map(|last| cursor::seal(&last.0));
        Ok(page_output(
            "jobs",
            json!(jobs),
            &lines,
            "no such jobs",
            next_cursor.as_deref(),
            services.text_bytes,
        ))
    }
}

fn state(word: &str) -> Result<JobState, ToolFailure> {
    word.parse().map_err(|_| {
        ToolFailure::invalid_arguments(format!(
            "`{word}` is no status: take one of {}",
            job_view::states().join(", ")
        ))
    })
}

/// A moment in the form that PostgreSQL reads the same way.
fn moment(text: &str) -> Result<String, ToolFailure> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok();
    let written = moment.and_then(|moment| moment.format(&Rfc3339).ok());
    written.ok_or_else(|| {
        ToolFailure::invalid_arguments(format!(
            "`{text}` is no time: write it as 2026-11-20T08:00:00Z"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_times_with_any_offset_and_refuses_the_rest() {
        assert_eq!(
            moment("2026-11-20T10:00:00+02:00").expect("a time"),
            "2026-11-20T10:00:00+02:00"
        );
        for text in ["", "2026-11-20", "now", "2026-11-20T10:00:00"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
