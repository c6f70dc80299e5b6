//! `get_job_status`: how a submitted Spark job goes.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure, job_view};
use crate::call::Call;
use crate::jobs::{Job, JobId};
use crate::services::Services;

/// The tool `get_job_status` of this server.
pub struct GetJobStatus;

/// The arguments of `get_job_status`, as a caller writes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    job_id: String,
}

impl Tool for GetJobStatus {
    const NAME: &'static str = "get_job_status";
    const TITLE: &'static str = "Status of a Spark job";
    const DESCRIPTION: &'static str = "How a job of submit_spark_job goes: status, progress, \
        tasks, what it waits for, and for a failed one the end of its output. It is over when \
        `status` is finished, failed, killed or unknown.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {"job_id": {"type": "string", "minLength": 1}},
            "required": ["job_id"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        job_view::full_schema()
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let unknown = || {
            ToolFailure::not_found(format!("there is no job `{}`", arguments.job_id))
                .with_hint("list_spark_jobs lists them")
        };
        let id = arguments.job_id.parse().map(JobId).map_err(|_| unknown())?;
        let find = services.jobs.get(id, call.principal.owner());
        let job = call.unless_cancelled(find).await??.ok_or_else(unknown)?;
        Ok(Output::new(&job_view::full(&job), text(&job)))
    }
}

fn text(job: &Job) -> String {
    let lines = [
        Some(job_view::line(job)),
        job.message.clone(),
        job.error_tail.clone(),
    ];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}
