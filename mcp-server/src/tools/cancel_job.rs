//! `cancel_job`: ends a submitted Spark job.

use serde_json::Value;

use super::{Effect, Output, Tool, ToolFailure, job_view};
use crate::call::Call;
use crate::services::Services;

/// The tool `cancel_job` of this server.
pub struct CancelJob;

impl Tool for CancelJob {
    const NAME: &'static str = "cancel_job";
    const TITLE: &'static str = "Cancel a Spark job";
    const DESCRIPTION: &'static str = "End a job of submit_spark_job and free what it uses; what \
        it has written stays. A job that is over stays as it is. `status` is killed once Spark has \
        ended it, which takes a few seconds.";
    const EFFECT: Effect = Effect::Destroys;
    const IS_IDEMPOTENT: bool = true;

    type Arguments = job_view::OneJob;

    fn input_schema() -> Value {
        job_view::one_job_schema()
    }

    fn output_schema() -> Value {
        job_view::brief_schema()
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: job_view::OneJob,
    ) -> Result<Output, ToolFailure> {
        let cancel = services
            .jobs
            .cancel(arguments.id()?, call.principal.owner());
        let job = call.unless_cancelled(cancel).await??;
        let job = job.ok_or_else(|| arguments.unknown())?;
        let mut text = job_view::line(&job);
        if let Some(message) = &job.message {
            text += &format!("\n{message}");
        }
        Ok(Output::new(&job_view::brief(&job), text))
    }
}
