//! Pipelines and runs as the pipeline tools show them.

use orchestrator::store::{PipelineRecord, RunRecord, StepReading};
use orchestrator::{RunId, RunState};
use serde_json::{Value, json};

use super::ToolFailure;

/// The states of a run, for schemas.
pub(super) fn states() -> Vec<&'static str> {
    RunState::ALL.map(RunState::as_str).to_vec()
}

/// A version of a pipeline in a list.
pub(super) fn pipeline(record: &PipelineRecord) -> Value {
    let stages = record.definition.steps.iter().map(|step| &step.name);
    json!({
        "name": record.definition.name,
        "version": record.version,
        "description": record.definition.description,
        "stages": stages.collect::<Vec<_>>(),
        "parameters": record.definition.parameters,
        "created_at": record.created,
    })
}

/// The schema of [`pipeline`].
pub(super) fn pipeline_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "version": {"type": "integer"},
            "description": {"type": "string"},
            "stages": {"type": "array", "items": {"type": "string"}},
            "parameters": {"type": "object"},
            "created_at": {"type": "string"}
        }
    })
}

/// A run without its stages.
pub fn run(record: &RunRecord) -> Value {
    json!({
        "run_id": record.id.to_string(),
        "pipeline": record.pipeline,
        "version": record.version,
        "status": record.state.as_str(),
        "stopping": record.stop.is_some() && !record.state.is_final(),
        "created_at": record.times.created,
        "ended_at": record.times.ended,
    })
}

/// The schema of [`run`].
pub(super) fn run_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "run_id": {"type": "string"},
            "pipeline": {"type": "string"},
            "version": {"type": "integer"},
            "status": {"enum": states()},
            "stopping": {"type": "boolean"},
            "created_at": {"type": "string"},
            "ended_at": {"type": ["string", "null"]}
        }
    })
}

/// One stage of a run.
pub(super) fn stage(step: &StepReading) -> Value {
    let error = step.failure.as_ref();
    json!({
        "name": step.name,
        "required": step.required,
        "status": step.state,
        "attempts": step.attempts + step.losses,
        "progress": step.progress,
        "rows": step.rows,
        "error": error.map(|error| json!({"code": error.code, "message": error.message})),
        "tried_again_at": step.due.as_ref().filter(|_| step.attempts > 0),
        "started_at": step.times.started,
        "ended_at": step.times.ended,
    })
}

/// The schema of [`stage`].
pub(super) fn stage_schema() -> Value {
    let text = json!({"type": ["string", "null"]});
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "required": {"type": "boolean"},
            "status": {"enum": ["waiting", "ready", "running", "succeeded", "failed", "skipped",
                "cancelled"]},
            "attempts": {"type": "integer"},
            "progress": {"type": ["object", "null"]},
            "rows": {"type": ["integer", "null"]},
            "error": {"type": ["object", "null"]},
            "tried_again_at": text,
            "started_at": text,
            "ended_at": text
        }
    })
}

/// A run in a line for a model.
pub(super) fn line(record: &RunRecord) -> String {
    let stopping = match record.stop.is_some() && !record.state.is_final() {
        true => ", stopping",
        false => "",
    };
    format!(
        "{} of {} {}: {}{stopping}",
        record.id,
        record.pipeline,
        record.version,
        record.state.as_str()
    )
}

/// A stage in a line for a model.
pub(super) fn stage_line(step: &StepReading) -> String {
    let mut line = format!("{}: {}", step.name, step.state);
    if let Some(rows) = step.rows {
        line += &format!(", {rows} rows");
    } else if let Some(progress) = &step.progress {
        line += &format!(", {}", progress.message);
    }
    if let Some(failure) = &step.failure {
        line += &format!(": {} [{}]", failure.message, failure.code);
    }
    line
}

/// The id that a caller gives; one that is none is that of no run.
pub(super) fn run_id(text: &str) -> Result<RunId, ToolFailure> {
    text.parse().map_err(|_| unknown_run(text))
}

/// There is no such run of this caller.
pub(super) fn unknown_run(id: &str) -> ToolFailure {
    ToolFailure::not_found(format!("there is no run `{id}`"))
        .with_hint("list_pipelines with a name lists the runs of a pipeline")
}
