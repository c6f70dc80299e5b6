//! `create_etl_pipeline`: stores a pipeline of flows under a name, as a new version of it.

mod looking_ahead;

use serde_json::{Value, json};
use tokio::time::Instant;

use self::looking_ahead::{LOOK_TIME, LookAhead};
use super::pipeline_changes::statements_on_every_row;
use super::unconfirmed::Unconfirmed;
use super::{Effect, Output, Tool, ToolFailure, pipeline_view};
use crate::call::Call;
use crate::config::Access;
use crate::pipelines::{Destination, Flow, Pipeline, Source};
use crate::postgres::DatabaseCaller;
use crate::services::{Services, database_caller};

/// The tool `create_etl_pipeline`: stores a pipeline; nothing runs by it.
pub struct CreateEtlPipeline;

impl Tool for CreateEtlPipeline {
    const NAME: &'static str = "create_etl_pipeline";
    const TITLE: &'static str = "Create a pipeline";
    const DESCRIPTION: &'static str = "Store a pipeline for execute_pipeline. Each stage moves \
        rows: source, then transformations (queries that select from `source` or an earlier name, \
        in the source's SQL), then a destination that exists. Stages run in parallel unless \
        `after`. A changed pipeline is a new version.";
    const EFFECT: Effect = Effect::Destroys;
    const IS_IDEMPOTENT: bool = true;

    type Arguments = Pipeline;

    fn input_schema() -> Value {
        let engine = json!({"enum": ["postgres", "spark_sql", "file"]});
        let form = json!({"enum": ["ndjson", "csv"]});
        let text = json!({"type": "string"});
        let names = json!({"type": "array", "items": text});
        json!({
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "confirm": {"type": "boolean", "description": "True if overwrites, \
                     statements on every row, and sources that Spark here cannot judge, are \
                     meant"},
                "description": text,
                "parameters": {"type": "object", "description": "By name: {\"type\": string | \
                     integer | number | boolean, \"default\"}"},
                "stages": {"type": "array", "minItems": 1, "items": {
                    "type": "object",
                    "properties": {
                        "name": text,
                        "after": names,
                        "required": {"type": "boolean", "description": "false: a failure is \
                             skipped"},
                        "timeout_s": {"type": "integer"},
                        "retry": {"type": "object", "description": "{attempts, backoff_s}"},
                        "bind": {"type": "array", "items": text, "description": "Parameters for \
                             $1, $2 … (Spark: :name)"},
                        "source": {"type": "object", "properties": {"type": engine, "sql": text,
                            "database": text, "path": text, "format": form},
                            "required": ["type"]},
                        "transformations": {"type": "array", "items": {"type": "object",
                            "properties": {"name": text, "sql": text},
                            "required": ["name", "sql"]}},
                        "destination": {"type": "object", "properties": {"type": engine,
                            "table": text, "database": text,
                            "mode": {"enum": ["append", "overwrite", "upsert"]},
                            "keys": names,
                            "statements": {"type": "array", "description": "INSERT, UPDATE, \
                                 DELETE or MERGE, after the rows in one transaction; or alone, \
                                 without source and table",
                                "items": {"type": "object",
                                    "properties": {"sql": text, "bind": names,
                                        "max_affected_rows": {"type": "integer", "minimum": 0}},
                                    "required": ["sql"]}},
                            "marker_table": {"type": "string", "description": "Makes a repeated \
                                 load happen once"},
                            "path": text, "format": form},
                            "required": ["type"]}
                    },
                    "required": ["name", "destination"]
                }}
            },
            "required": ["name", "stages"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        let mut schema = pipeline_view::pipeline_schema();
        schema["properties"]["warnings"] = json!({"type": "array", "items": {"type": "string"},
            "description": "What is not there yet"});
        schema
    }

    async fn run(
        services: &Services,
        call: &Call,
        pipeline: Pipeline,
    ) -> Result<Output, ToolFailure> {
        let is_confirmed = pipeline.confirm;
        let definition = pipeline
            .definition()
            .map_err(|invalid| ToolFailure::invalid_arguments(invalid.to_string()))?;
        let mut unconfirmed = Unconfirmed::default();
        let mut warnings = Vec::new();
        let until = Instant::now() + LOOK_TIME;
        for step in &definition.steps {
            if let Ok(flow) = serde_json::from_value::<Flow>(step.config.clone()) {
                check(services, database_caller(call), &flow)
                    .map_err(|failure| failure.of_stage(&step.name))?;
                let ahead = LookAhead {
                    services,
                    caller: database_caller(call),
                    parameters: &definition.parameters,
                    stage: &step.name,
                    flow: &flow,
                    until,
                };
                let look = Box::pin(ahead.look());
                let seen = call.unless_cancelled(look).await??;
                warnings.extend(seen.warnings);
                if !is_confirmed {
                    let of_stage = |shown| format!("{shown} (stage `{}`)", step.name);
                    let unjudged = seen.unjudged_source.map(of_stage);
                    unconfirmed.unjudged.extend(unjudged);
                    let not_seen = seen.source_not_seen.map(of_stage);
                    unconfirmed.not_judged_yet.extend(not_seen);
                    let stage = (step.name.as_str(), &flow);
                    let look = find_unconfirmed(services, call, stage, &mut unconfirmed);
                    call.unless_cancelled(look).await??;
                }
            }
        }
        unconfirmed.refuse()?;
        let store = services.pipelines.store()?;
        let create = store.create(call.principal.owner(), &definition);
        let created = call.unless_cancelled(create).await??;
        let mut text = format!(
            "{} version {}; execute_pipeline runs it",
            created.definition.name, created.version
        );
        for warning in &warnings {
            text += &format!("\nwarning: {warning}");
        }
        let mut view = pipeline_view::pipeline(&created);
        view["warnings"] = json!(warnings);
        Ok(Output::new(&view, text))
    }
}

/// The effects at the destination of one stage that its author has to mean.
async fn find_unconfirmed(
    services: &Services,
    call: &Call,
    (stage, flow): (&str, &Flow),
    found: &mut Unconfirmed,
) -> Result<(), ToolFailure> {
    let table = flow.destination.emptied_table();
    let table = table.map(|table| format!("`{table}` (stage `{stage}`)"));
    found.emptied.extend(table);
    if let Destination::Postgres(into) = &flow.destination {
        let name = into.database.as_deref();
        let database = services.databases.get(name, database_caller(call))?;
        let numbers = statements_on_every_row(&database, into).await;
        let of_stage = |number| format!("statement {number} of stage `{stage}`");
        let on_every_row = numbers.on_every_row.into_iter().map(of_stage);
        found.on_every_row.extend(on_every_row);
        let not_judged = numbers.not_judged.into_iter().map(of_stage);
        found.not_judged_yet.extend(not_judged);
    }
    Ok(())
}

/// Checks that this server, as it is set up, can do a flow at all.
fn check(services: &Services, caller: DatabaseCaller<'_>, flow: &Flow) -> Result<(), ToolFailure> {
    let is_file = matches!(flow.source, Some(Source::File(_)))
        || matches!(flow.destination, Destination::File(_));
    if is_file && services.pipelines.files().is_none() {
        return Err(ToolFailure::no_pipeline_files());
    }
    if let Some(Source::Postgres { database, .. }) = &flow.source {
        services.databases.get(database.as_deref(), caller)?;
    }
    match &flow.destination {
        Destination::Postgres(into) => {
            let database = services.databases.get(into.database.as_deref(), caller)?;
            Ok(database.check_writable()?)
        }
        Destination::SparkSql { .. } if services.pipelines.spark() == Access::Read => {
            Err(ToolFailure::spark_only_reads())
        }
        Destination::SparkSql { .. } | Destination::File(_) => Ok(()),
    }
}
