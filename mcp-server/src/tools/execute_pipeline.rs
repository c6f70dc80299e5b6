//! `execute_pipeline`: accepts a run of a pipeline and answers at once.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use orchestrator::store::Submission;

use super::{Effect, Output, Tool, ToolFailure};
use crate::call::Call;
use crate::services::Services;

/// The tool `execute_pipeline`: accepts a run, which then comes to its end by itself.
pub struct ExecutePipeline;

/// The arguments of a call of `execute_pipeline`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    name: String,
    #[serde(default)]
    version: Option<i32>,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default)]
    idempotency_key: Option<String>,
}

impl Tool for ExecutePipeline {
    const NAME: &'static str = "execute_pipeline";
    const TITLE: &'static str = "Run a pipeline";
    const DESCRIPTION: &'static str = "Start a run of a pipeline of create_etl_pipeline; it runs \
        on by itself, and this answers at once with its `run_id` for get_pipeline_status. With an \
        idempotency_key a repeated call gives the same run.";
    const EFFECT: Effect = Effect::Destroys;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "version": {"type": "integer", "minimum": 1,
                    "description": "The latest one when left out"},
                "parameters": {"type": "object", "description": "Values by name"},
                "idempotency_key": {"type": "string", "minLength": 1, "maxLength": 200}
            },
            "required": ["name"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        json!({
            "properties": {
                "run_id": {"type": "string"},
                "is_new": {"type": "boolean", "description": "false: the key's earlier run"}
            }
        })
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let store = services.pipelines.store()?;
        let submit = store.submit(Submission {
            owner: call.principal.owner(),
            pipeline: &arguments.name,
            version: arguments.version,
            parameters: arguments.parameters,
            key: arguments.idempotency_key.as_deref(),
        });
        let submitted = call.unless_cancelled(submit).await??;
        let run = submitted.run.to_string();
        let text = match submitted.is_new {
            true => format!("run {run} was accepted; get_pipeline_status tells how it goes"),
            false => format!("run {run} was accepted before with this key"),
        };
        Ok(Output::new(
            &json!({"run_id": run, "is_new": submitted.is_new}),
            text,
        ))
    }
}
