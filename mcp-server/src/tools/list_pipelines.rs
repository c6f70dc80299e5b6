//! `list_pipelines`: the pipelines there are, or one as it is stored, with its runs.

use serde::Deserialize;
use serde_json::{Value, json};

use orchestrator::RunState;
use orchestrator::store::RunFilter;

use super::paging::{cursor_schema, open_cursor, page_limit, page_output};
use super::text_lines::join_within;
use super::{Effect, Output, Tool, ToolFailure, pipeline_view};
use crate::call::Call;
use crate::cursor;
use crate::pipelines::as_written;
use crate::results::RawJson;
use crate::services::Services;

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 200;

/// The tool `list_pipelines`: pipelines by name, or one with its versions and its runs, newest
/// first.
pub struct ListPipelines;

/// The arguments of a call of `list_pipelines`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    version: Option<i32>,
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
        version; or, with `name`, one as it is stored, with its versions and runs; or, with \
        `status`, runs of execute_pipeline. The newest come first.";
    const EFFECT: Effect = Effect::Reads;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "This pipeline and its runs"},
                "version": {"type": "integer", "minimum": 1,
                    "description": "Of `name`; the latest when left out"},
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
                "definition": {"type": "object",
                    "description": "With `name`: as create_etl_pipeline takes it"},
                "version": {"type": "integer", "description": "With `name`"},
                "versions": {"type": "array", "description": "With `name`", "items": {
                    "type": "object",
                    "properties": {"version": {"type": "integer"}, "created_at": {"type": "string"}}
                }},
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
        let shows_one = arguments.name.is_some() && state.is_none() && last.is_none();
        if arguments.version.is_some() && !shows_one {
            return Err(ToolFailure::invalid_arguments(
                "`version` goes with `name`, without `status` and `cursor`",
            ));
        }
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
                    let mut output = runs(services, call, &filter, limit).await?;
                    // The pages after the first one go on with the runs.
                    if let (Some(name), None, None) = (name, state, last) {
                        add_definition(services, call, name, arguments.version, &mut output)
                            .await?;
                    }
                    Ok(output)
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

/// Puts a version of a pipeline before its runs, and the versions that there are. A pipeline that
/// is not there has neither.
async fn add_definition(
    services: &Services,
    call: &Call,
    name: &str,
    version: Option<i32>,
    output: &mut Output,
) -> Result<(), ToolFailure> {
    let store = services.pipelines.store()?;
    let owner = call.principal.owner();
    let versions = store.versions(owner, name).await?;
    let Some(record) = store.pipeline(owner, name, version).await? else {
        return match (version, versions.first()) {
            (Some(version), Some((latest, _))) => Err(ToolFailure::not_found(format!(
                "pipeline `{name}` has no version {version}; its latest is {latest}"
            ))),
            _ => Ok(()),
        };
    };
    let definition = as_written(&record.definition);
    let numbers: Vec<String> = versions
        .iter()
        .map(|(number, _)| number.to_string())
        .collect();
    let lines = [
        format!(
            "{name} version {} of {}",
            record.version,
            numbers.join(", ")
        ),
        definition.to_string(),
    ];
    let before = join_within(&lines, services.text_bytes, "it is in structuredContent");
    output.text = format!("{before}\nruns:\n{}", output.text);
    let version =
        |(number, created): (i32, String)| json!({"version": number, "created_at": created});
    let versions: Vec<Value> = versions.into_iter().map(version).collect();
    let mut structured = output.structured.to_value();
    structured["definition"] = definition;
    structured["version"] = json!(record.version);
    structured["versions"] = json!(versions);
    output.structured = RawJson::of(&structured);
    Ok(())
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
