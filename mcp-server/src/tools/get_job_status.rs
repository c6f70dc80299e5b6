//! `get_job_status`: how a submitted Spark job goes.

use serde_json::Value;

use super::text_lines::join_within;
use super::{Effect, Output, Tool, ToolFailure, job_view};
use crate::call::Call;
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
        let rest = "they are in structuredContent";
        let text = join_within(&job_view::lines(&job), services.text_bytes, rest);
        Ok(Output::new(&job_view::full(&job), text))
    }
}
