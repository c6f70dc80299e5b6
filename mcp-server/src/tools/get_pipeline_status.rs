//! `get_pipeline_status`: how a run of a pipeline goes, stage by stage.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure, pipeline_view};
use crate::call::Call;
use crate::services::Services;

/// The tool `get_pipeline_status`: one run with its stages.
pub struct GetPipelineStatus;

/// The arguments of a call of `get_pipeline_status`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    run_id: String,
}

impl Tool for GetPipelineStatus {
    const NAME: &'static str = "get_pipeline_status";
    const TITLE: &'static str = "Status of a pipeline's run";
    const DESCRIPTION: &'static str = "How a run of execute_pipeline goes: its status and of each \
        stage the status, progress, rows and error. It is over when `status` is succeeded, failed \
        or cancelled.";
    const EFFECT: Effect = Effect::Reads;

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
        let mut schema = pipeline_view::run_schema();
        schema["properties"]["parameters"] = json!({"type": "object"});
        schema["properties"]["stages"] =
            json!({"type": "array", "items": pipeline_view::stage_schema()});
        schema
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let id = pipeline_view::run_id(&arguments.run_id)?;
        let store = services.pipelines.store()?;
        let look = store.run(id, call.principal.owner());
        let run = call.unless_cancelled(look).await??;
        let run = run.ok_or_else(|| pipeline_view::unknown_run(&arguments.run_id))?;
        let mut view = pipeline_view::run(&run);
        view["parameters"] = Value::Object(run.parameters.clone());
        view["stages"] = run.steps.iter().map(pipeline_view::stage).collect();
        let first = std::iter::once(pipeline_view::line(&run));
        let lines = first.chain(run.steps.iter().map(pipeline_view::stage_line));
        Ok(Output::new(&view, lines.collect::<Vec<_>>().join("\n")))
    }
}
