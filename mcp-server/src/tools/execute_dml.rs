//! `execute_dml`: one INSERT, UPDATE, DELETE or MERGE on PostgreSQL, with bound parameters.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Effect, Output, Tool, ToolFailure, database_schema, rows_view};
use crate::call::Call;
use crate::postgres::{self, Change, Changed, Database, Refused};
use crate::quotes::shorten_name;
use crate::results::{JsonRows, Limits, TextForModels, WithText};
use crate::services::{Services, database_caller};

/// More rows than that change only where the caller says so: a slip in a condition shows by it.
pub(super) const MOST_ROWS: u64 = 1000;

/// The tool `execute_dml`: one statement that changes rows.
pub struct ExecuteDml;

/// The arguments of a call of `execute_dml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    #[serde(default)]
    database: Option<String>,
    sql: String,
    #[serde(default)]
    parameters: Option<Vec<Value>>,
    #[serde(default)]
    max_affected_rows: Option<u64>,
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(default)]
    confirm: Option<bool>,
}

impl Tool for ExecuteDml {
    const NAME: &'static str = "execute_dml";
    const TITLE: &'static str = "Change rows in PostgreSQL";
    const DESCRIPTION: &'static str = "Run one INSERT, UPDATE, DELETE or MERGE on PostgreSQL, \
        atomically. Put values into `parameters`, as $1, $2, …; RETURNING gives rows back. Try it \
        with `dry_run` first. More than `max_affected_rows` changed rows, cascades included, are \
        rolled back.";
    const EFFECT: Effect = Effect::Destroys;

    type Arguments = Arguments;

    fn input_schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "database": database_schema(),
                "sql": {"type": "string", "minLength": 1,
                    "description": "INSERT, UPDATE, DELETE or MERGE, with or without WITH"},
                "parameters": {
                    "type": "array",
                    "items": {},
                    "description": "Values of $1, $2, …"
                },
                "max_affected_rows": {"type": "integer", "minimum": 0,
                    "description": "1000 when left out"},
                "dry_run": {"type": "boolean", "description": "Run it, and roll it back"},
                "confirm": {"type": "boolean",
                    "description": "True if every row is meant: no WHERE"}
            },
            "required": ["sql"],
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        let mut properties = rows_view::properties();
        properties["affected_rows"] = json!({"type": "integer"});
        properties["dry_run"] = json!({"type": "boolean"});
        properties["changes"] = json!({"type": "array", "items": {
            "type": "object",
            "properties": {"table": {"type": "string"}, "inserted": {"type": "integer"},
                "updated": {"type": "integer"}, "deleted": {"type": "integer"}}
        }});
        json!({"properties": properties})
    }

    async fn run(
        services: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<Output, ToolFailure> {
        let name = arguments.database.as_deref();
        let database = services.databases.get(name, database_caller(call))?;
        let is_rehearsal = arguments.dry_run.unwrap_or_default();
        let change = Change {
            sql: &arguments.sql,
            parameters: &arguments.parameters.unwrap_or_default(),
            most_rows: arguments.max_affected_rows.unwrap_or(MOST_ROWS),
            is_rehearsal,
            is_confirmed: arguments.confirm.unwrap_or_default(),
            is_last: true,
        };
        let asked = AskedChange {
            limits: database.limits(),
            database,
            change,
            explain: &|error| explain(error, &arguments.sql),
        };
        asked.deliver(services, call).await
    }
}

/// The words for what went wrong; a question shows the user the statement, which names the table.
fn explain(error: postgres::Error, sql: &str) -> ToolFailure {
    let is_unconfirmed = matches!(&error, postgres::Error::Refused(Refused::NotConfirmed));
    let failure = ToolFailure::from(error);
    match is_unconfirmed {
        true => failure.with_question(format!(
            "PostgreSQL would run this, which changes every row of a table: {}\nIs that meant?",
            shorten_name(sql.trim())
        )),
        false => failure,
    }
}

/// A change of rows that a caller asks for.
pub(super) struct AskedChange<'a> {
    pub(super) database: Database,
    pub(super) change: Change<'a>,
    /// The rows and bytes that it gives back by RETURNING.
    pub(super) limits: Limits,
    /// The words for what went wrong.
    pub(super) explain: &'a (dyn Fn(postgres::Error) -> ToolFailure + Sync),
}

impl AskedChange<'_> {
    /// Makes the change, and tells what it did.
    pub(super) async fn deliver(
        self,
        services: &Services,
        call: &Call,
    ) -> Result<Output, ToolFailure> {
        let is_rehearsal = self.change.is_rehearsal;
        let mut sink = WithText {
            rows: JsonRows::new(self.limits),
            text: TextForModels::new(services.text_bytes),
        };
        let work = self.database.change(&self.change, &mut sink);
        let changed = call.unless_cancelled(work).await?.map_err(self.explain)?;
        let mut text = describe(&changed, is_rehearsal);
        if !changed.returned.columns.is_empty() {
            let has_structured = call.revision.has_structured_content();
            let rows = sink
                .text
                .finish(changed.returned.truncation, has_structured);
            text = format!("{text}\n{rows}");
        }
        let row_count = sink.rows.row_count();
        let rows = sink.rows.into_json();
        Ok(rows_view::output(
            &changed.returned,
            row_count,
            text,
            |output| {
                output
                    .member("affected_rows", &changed.affected_rows)
                    .member("changes", &changed.tables)
                    .member("dry_run", &is_rehearsal)
                    .raw_member("rows", &rows)
            },
        ))
    }
}

/// How many rows changed where, and whether that stands.
fn describe(changed: &Changed, is_rehearsal: bool) -> String {
    let mut text = match changed.affected_rows {
        1 => "1 row affected".to_owned(),
        rows => format!("{rows} rows affected"),
    };
    if is_rehearsal {
        text.push_str("; rolled back, since this was a dry run");
    }
    for table in &changed.tables {
        let counts = [
            (table.inserted, "inserted"),
            (table.updated, "updated"),
            (table.deleted, "deleted"),
        ];
        let counts = counts.iter().filter(|(rows, _)| *rows > 0);
        let counts: Vec<String> = counts
            .map(|(rows, word)| format!("{rows} {word}"))
            .collect();
        text.push_str(&format!("\n{}: {}", table.table, counts.join(", ")));
    }
    text
}
