//! `cancel_pipeline`: wants a run of a pipeline to end.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure, pipeline_view};
use crate::call::Call;
use crate::services::Services;

/// The tool `cancel_pipeline`: stops a run, and answers at once.
pub struct CancelPipeline;

/// The arguments of a call of `cancel_pipeline`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    run_id: String,
}

impl Tool for CancelPipeline {
    const NAME: &'static str = "cancel_pipeline";
    const TITLE: &'static str = "Cancel a pipeline's run";
    const DESCRIPTION: &'static str = "Stop a run of execute_pipeline: nothing of it begins any \
        more, and running statements are ended within seconds; what stages have done stays. A run \
        that is over stays as it is.";
    const EFFECT: Effect = Effect::Destroys;
    const IS_IDEMPOTENT: bool = true;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {"run_id": {"type": "string", "minLength": 1}},
            "required": ["run_id"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        pipeline_view::run_schema()
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let id = pipeline_view::run_id(&arguments.run_id)?;
        let unknown = || pipeline_view::unknown_run(&arguments.run_id);
        let store = services.pipelines.store()?;
        let owner = call.principal.owner();
        let cancel = async {
            match store.cancel(id, owner).await? {
                true => store.run(id, owner).await,
                false => Ok(None),
            }
        };
        let run = call.unless_cancelled(cancel).await??.ok_or_else(unknown)?;
        Ok(Output::new(
            &pipeline_view::run(&run),
            pipeline_view::line(&run),
        ))
    }
}
