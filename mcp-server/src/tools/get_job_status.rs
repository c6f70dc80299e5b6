//! `get_job_status`: how a submitted Spark job goes.

use serde_json::Value;

use super::{Effect, Output, Tool, ToolFailure, job_view};
use crate::call::Call;
use crate::jobs::Job;
use crate::services::Services;

/// The tool `get_job_status` of this server.
pub struct GetJobStatus;

impl Tool for GetJobStatus {
    const NAME: &'static str = "get_job_status";
    const TITLE: &'static str = "Status of a Spark job";
    const DESCRIPTION: &'static str = "How a job of submit_spark_job goes: status, progress, \
        tasks, executors, what it waits for, and for a failed one the end of its output. It is \
        over when `status` is finished, failed, killed or unknown.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = job_view::OneJob;

    fn input_schema() -> Value {
        job_view::one_job_schema()
    }

    fn output_schema() -> Value {
        job_view::full_schema()
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: job_view::OneJob,
    ) -> Result<Output, ToolFailure> {
        let find = services.jobs.get(arguments.id()?, call.principal.owner());
        let job = call.unless_cancelled(find).await??;
        let job = job.ok_or_else(|| arguments.unknown())?;
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
