//! `list_pipelines`: the pipelines there are, or the runs of one.

use serde::Deserialize;
use serde_json::{Value, json};

use orchestrator::RunState;
use orchestrator::store::RunFilter;

use super::paging::{cursor_schema, open_cursor, page_limit, page_output};
use super::{Effect, Output, Tool, ToolFailure, pipeline_view};
use crate::call::Call;
use crate::cursor;
use crate::services::Services;

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 200;

/// The tool `list_pipelines`: pipelines by name, or the runs of one, newest first.
pub struct ListPipelines;

/// The arguments of a call of `list_pipelines`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    limit: Option<u16>,
    #[serde(default)]
    cursor: Option<String>,
}

impl Tool for ListPipelines {
    const NAME: &'static str = "list_pipelines";
    const TITLE: &'static str = "List pipelines and runs";
    const DESCRIPTION: &'static str = "List the pipelines of create_etl_pipeline in their latest \
        version; or, with `name` or `status`, the runs of execute_pipeline, newest first.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "Runs of this pipeline"},
                "status": {"enum": pipeline_view::states(), "description": "Runs with this status"},
                "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT,
                    "description": "Per page, 50 when left out"},
                "cursor": cursor_schema()
            },
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        json!({
            "properties": {
                "pipelines": {"type": "array", "items": pipeline_view::pipeline_schema(),
                    "description": "Without `name` and `status`"},
                "runs": {"type": "array", "items": pipeline_view::run_schema(),
                    "description": "With `name` or `status`"},
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
        let last: Option<String> = open_cursor(arguments.cursor.as_deref())?;
        let state = arguments.status.as_deref().map(state).transpose()?;
        let list = async {
            match (&arguments.name, state) {
                (None, None) => pipelines(services, call, last.as_deref(), limit).await,
                (name, state) => {
                    let last = last.as_deref().map(pipeline_view::run_id).transpose()?;
                    let filter = RunFilter {
                        pipeline: name.as_deref(),
                        state,
                        before: last,
                    };
                    runs(services, call, &filter, limit).await
                }
            }
        };
        call.unless_cancelled(list).await?
    }
}

async fn pipelines(
    services: &Services,
    call: &Call,
    after: Option<&str>,
    limit: u16,
) -> Result<Output, ToolFailure> {
    let store = services.pipelines.store()?;
    let owner = call.principal.owner();
    let mut found = store.pipelines(owner, after, i64::from(limit) + 1).await?;
    let more = found.len() > usize::from(limit);
    found.truncate(usize::from(limit));
    let last = found.last().filter(|_| more);
    let next = last.map(|record| cursor::seal(&record.definition.name));
    let line = |record: &orchestrator::store::PipelineRecord| {
        let steps = record
            .definition
            .steps
            .iter()
            .map(|step| step.name.as_str());
        let steps: Vec<&str> = steps.collect();
        let name = &record.definition.name;
        format!("{name} version {}: {}", record.version, steps.join(", "))
    };
    let lines: Vec<String> = found.iter().map(line).collect();
    let views: Vec<Value> = found.iter().map(pipeline_view::pipeline).collect();
    Ok(page_output(
        "pipelines",
        json!(views),
        &lines,
        "no pipelines",
        next.as_deref(),
        services.text_bytes,
    ))
}

async fn runs(
    services: &Services,
    call: &Call,
    filter: &RunFilter<'_>,
    limit: u16,
) -> Result<Output, ToolFailure> {
    let store = services.pipelines.store()?;
    let owner = call.principal.owner();
    let mut found = store.runs(owner, filter, i64::from(limit) + 1).await?;
    let more = found.len() > usize::from(limit);
    found.truncate(usize::from(limit));
    let last = found.last().filter(|_| more);
    let next = last.map(|run| cursor::seal(&run.id.to_string()));
    let lines: Vec<String> = found.iter().map(pipeline_view::line).collect();
    let views: Vec<Value> = found.iter().map(pipeline_view::run).collect();
    Ok(page_output(
        "runs",
        json!(views),
        &lines,
        "no runs",
        next.as_deref(),
        services.text_bytes,
    ))
}

fn state(word: &str) -> Result<RunState, ToolFailure> {
    let found = RunState::ALL
        .into_iter()
        .find(|state| state.as_str() == word);
    found.ok_or_else(|| {
        ToolFailure::invalid_arguments(format!(
            "`{word}` is no status: take one of {}",
            pipeline_view::states().join(", ")
        ))
    })
}
