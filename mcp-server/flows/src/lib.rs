//! A pipeline as its author writes it, and what can be said of it before it runs.
//!
//! A pipeline is stages; a stage is a [`Flow`], rows from a source through transformations into a
//! destination. The engine under it is the crate `orchestrator`, which knows none of these words:
//! to it a stage is a step of the kind [`FLOW`].

mod faults;

use std::collections::BTreeMap;

use orchestrator::definition::{ParameterDefinition, Retry};
use orchestrator::{PipelineDefinition, StepDefinition};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The kind of the steps that are flows.
pub const FLOW: &str = "flow";

/// A pipeline as its author writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// The name that it is run by.
    pub name: String,
    /// A sentence for people.
    #[serde(default)]
    pub description: String,
    /// Values that each run may bring along.
    #[serde(default)]
    pub parameters: BTreeMap<String, ParameterDefinition>,
    /// The work, in any order.
    pub stages: Vec<Stage>,
    /// Whether it is meant that its runs empty tables which they overwrite, change every row where
    /// a statement says so, and take rows from what Spark has no check to judge by.
    #[serde(default)]
    pub confirm: bool,
}

/// One stage: a flow, and when it runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    name: String,
    #[serde(default)]
    after: Vec<String>,
    #[serde(default)]
    required: Option<bool>,
    #[serde(default)]
    timeout_s: Option<u32>,
    #[serde(default)]
    retry: Retry,
    #[serde(default)]
    source: Option<Source>,
    #[serde(default)]
    transformations: Vec<Transformation>,
    destination: Destination,
    #[serde(default)]
    bind: Vec<String>,
}

/// Rows from a source through transformations into a destination; the work of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Where the rows come from; a flow that only changes what is at its destination has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Queries, each over the source and those before it, in the SQL of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transformations: Vec<Transformation>,
    /// Where the rows go.
    pub destination: Destination,
    /// Parameters of the run for the SQL: `$1`, `$2` … in this order, or `:name` in Spark.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bind: Vec<String>,
}

/// Where the rows of a flow come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A query on one of this server's databases.
    Postgres {
        /// One SELECT, or another query that only reads.
        sql: String,
        /// The name of the database.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        database: Option<String>,
    },
    /// A query of Spark.
    SparkSql {
        /// One query in Spark's SQL.
        sql: String,
        /// Whether its author has said that it is meant, where Spark has no check that could tell
        /// whether it only reads; the pipeline's own `confirm` decides.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        confirmed: bool,
    },
    /// A file of rows.
    File(RowFile),
}

/// A file of rows below the folder of the setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowFile {
    /// Its path in that folder.
    pub path: String,
    /// The form of the rows.
    #[serde(default)]
    pub format: FileFormat,
}

/// One query over the rows of a flow so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transformation {
    /// The name that later ones select from.
    pub name: String,
    /// A query that selects from `source` or an earlier name.
    pub sql: String,
    /// The engine, `postgres` or `spark_sql`; that of the source when nothing is said.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

/// Where the rows of a flow go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Destination {
    /// One of this server's databases.
    Postgres(IntoPostgres),
    /// A table of Spark, which is there already.
    SparkSql {
        /// Its name, with catalogue and schema in front where they are not the usual ones.
        table: String,
        /// Whether its rows stay or go.
        #[serde(default)]
        mode: LoadMode,
    },
    /// A file, which is replaced as a whole.
    File(RowFile),
}

/// The changes that a flow makes in a database, in one transaction: rows come into a table, and
/// then statements run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntoPostgres {
    /// The name of the table, with the schema in front where it is not `public`; it is there
    /// already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Whether the rows that the table has stay, go or change.
    #[serde(default)]
    pub mode: LoadMode,
    /// The columns of a unique index, by which an upsert finds the rows that are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Statements that change rows, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<ChangeStatement>,
    /// The name of the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// A table of the same database in which effects are marked, so that each happens once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker_table: Option<String>,
    /// Whether its author has said that a statement which changes every row is meant; the
    /// pipeline's own `confirm` decides.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirmed: bool,
}

/// One INSERT, UPDATE, DELETE or MERGE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeStatement {
    /// The text of the statement.
    pub sql: String,
    /// Parameters of the run for `$1`, `$2` …, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bind: Vec<String>,
    /// The most rows that it may change; above that the flow fails, and nothing of it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_affected_rows: Option<u64>,
}

/// Whether the rows that a table has stay, go or change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadMode {
    /// The rows that are there stay.
    #[default]
    Append,
    /// They go in the same transaction in which the new ones come.
    Overwrite,
    /// Those with the keys of a new one change, and the others stay.
    Upsert,
}

/// The form of rows in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// A JSON object on each line.
    #[default]
    Ndjson,
    /// RFC 4180 with a header.
    Csv,
}

/// Why a stage could not do its work here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stage `{stage}`: {problem}")]
pub struct InvalidFlow {
    /// The name of the stage.
    pub stage: String,
    /// A sentence on what is wrong.
    pub problem: String,
}

impl Destination {
    /// The table whose rows all go before others come.
    pub fn emptied_table(&self) -> Option<&str> {
        match self {
            Self::Postgres(IntoPostgres {
                table: Some(table),
                mode: LoadMode::Overwrite,
                ..
            })
            | Self::SparkSql {
                table,
                mode: LoadMode::Overwrite,
            } => Some(table),
            _ => None,
        }
    }
}

impl Pipeline {
    /// The pipeline in the engine's words.
    ///
    /// # Errors
    /// [`InvalidFlow`], the first fault that is plain without looking at any service.
    pub fn definition(self) -> Result<PipelineDefinition, InvalidFlow> {
        let (parameters, confirmed) = (self.parameters, self.confirm);
        let step = |mut stage: Stage| {
            if let Destination::Postgres(into) = &mut stage.destination {
                into.confirmed = confirmed;
            }
            if let Some(Source::SparkSql {
                confirmed: meant, ..
            }) = &mut stage.source
            {
                *meant = confirmed;
            }
            let statements = match &stage.destination {
                Destination::Postgres(into) => into.statements.as_slice(),
                _ => &[],
            };
            let bound = statements.iter().flat_map(|statement| &statement.bind);
            let mut bound = stage.bind.iter().chain(bound);
            let unknown = bound.find(|name| !parameters.contains_key(*name));
            let unknown = unknown.map(|name| format!("`bind`: there is no parameter `{name}`"));
            let flow = Flow {
                source: stage.source,
                transformations: stage.transformations,
                destination: stage.destination,
                bind: stage.bind,
            };
            if let Some(problem) = unknown.or_else(|| flow.problem()) {
                return Err(InvalidFlow {
                    stage: stage.name,
                    problem,
                });
            }
            Ok(StepDefinition {
                name: stage.name,
                kind: FLOW.to_owned(),
                config: serde_json::to_value(flow).unwrap_or(Value::Null),
                after: stage.after,
                required: stage.required.unwrap_or(true),
                timeout_s: stage.timeout_s.unwrap_or(3600),
                retry: stage.retry,
            })
        };
        Ok(PipelineDefinition {
            name: self.name,
            description: self.description,
            steps: self
                .stages
                .into_iter()
                .map(step)
                .collect::<Result<_, _>>()?,
            parameters: parameters.clone(),
        })
    }
}

/// A stored pipeline as its author would write it again: what `create_etl_pipeline` takes.
pub fn as_written(definition: &PipelineDefinition) -> Value {
    let mut confirm = false;
    let stages = definition.steps.iter().map(|step| {
        let mut stage = serde_json::to_value(step).unwrap_or_default();
        if let Some(fields) = stage.as_object_mut() {
            fields.remove("kind");
            let work = fields.remove("config").unwrap_or_default();
            if let Value::Object(work) = work {
                fields.extend(work);
            }
        }
        for end in ["source", "destination"] {
            let end = stage.get_mut(end).and_then(Value::as_object_mut);
            let confirmed = end.and_then(|end| end.remove("confirmed"));
            confirm |= confirmed == Some(Value::Bool(true));
        }
        stage
    });
    let stages: Vec<Value> = stages.collect();
    let mut written = json!({"name": definition.name, "stages": stages});
    if !definition.description.is_empty() {
        written["description"] = json!(definition.description);
    }
    if !definition.parameters.is_empty() {
        written["parameters"] = json!(definition.parameters);
    }
    if confirm {
        written["confirm"] = json!(true);
    }
    written
}

impl Flow {
    /// The one query that gives the rows: each transformation is a common table expression.
    pub fn query(&self) -> Option<String> {
        let Some(Source::Postgres { sql, .. } | Source::SparkSql { sql, .. }) = &self.source else {
            return None;
        };
        let Some(last) = self.transformations.last() else {
            return Some(sql.clone());
        };
        // A line of its own ends a comment at the end of what an author wrote.
        let expression = |name: &str, sql: &str| format!("{name} AS (\n{}\n)", without_end(sql));
        let named = self.transformations.iter();
        let later =
            named.map(|transformation| expression(&transformation.name, &transformation.sql));
        let all: Vec<String> = std::iter::once(expression("source", sql))
            .chain(later)
            .collect();
        Some(format!(
            "WITH {}\nSELECT * FROM {}",
            all.join(",\n"),
            last.name
        ))
    }
}

impl Source {
    /// Whether its author has said that it is meant, where nobody could judge it.
    pub fn is_confirmed(&self) -> bool {
        matches!(self, Self::SparkSql { confirmed, .. } if *confirmed)
    }

    fn engine(&self) -> &'static str {
        match self {
            Self::Postgres { .. } => "postgres",
            Self::SparkSql { .. } => "spark_sql",
            Self::File(_) => "file",
        }
    }
}

fn without_end(sql: &str) -> &str {
    sql.trim_end_matches(|letter: char| letter.is_whitespace() || letter == ';')
}

#[cfg(test)]
mod tests;
