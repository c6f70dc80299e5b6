//! Looks at what a stage would meet if it ran now: what is refused whatever comes refuses the
//! pipeline, and what is not there yet is told as a warning.

use std::time::Duration;

use orchestrator::definition::{ParameterType, ParametersByName};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::config::Access;
use crate::pipelines::{Destination, Flow, IntoPostgres, Source};
use crate::postgres::{DatabaseCaller, TableName};
use crate::services::Services;
use crate::spark::connect::{Parameters, Statement};
use crate::tools::ToolFailure;
use crate::tools::pipeline_changes::change;
use crate::tools::sql_fault::SqlFault;
use crate::tools::unconfirmed::source_to_confirm;

/// The time that all looks at a pipeline have together: some hundred of them are made in it, and a
/// pipeline is stored, too, while a service does not answer.
pub(super) const LOOK_TIME: Duration = Duration::from_secs(10);

/// One stage of a pipeline that is to be stored.
pub(super) struct LookAhead<'a> {
    pub(super) services: &'a Services,
    pub(super) caller: DatabaseCaller<'a>,
    pub(super) parameters: &'a ParametersByName,
    pub(super) stage: &'a str,
    pub(super) flow: &'a Flow,
    /// The end of the time for all looks.
    pub(super) until: Instant,
}

/// The things that are seen of a stage before it runs.
pub(super) struct Seen {
    /// The things that are not there yet.
    pub(super) warnings: Vec<String>,
    /// The source in Spark, as it is shown, that its author has to mean since nobody could judge
    /// it.
    pub(super) unjudged_source: Option<String>,
    /// The source in Spark, as it is shown, that Spark could not be asked about now.
    pub(super) source_not_seen: Option<String>,
}

impl LookAhead<'_> {
    /// Looks at this stage.
    ///
    /// # Errors
    /// A text of SQL is refused whatever comes, or what the settings name is none.
    pub(super) async fn look(&self) -> Result<Seen, ToolFailure> {
        let mut warnings = Vec::new();
        let mut unjudged_source = None;
        let judged = self.in_time(self.judge_source()).await;
        let source_not_seen = match &judged {
            Err(SqlFault::NotAsked(_)) => self.shown_spark_source(),
            _ => None,
        };
        let judged = judged.map(|shown| unjudged_source = shown);
        warnings.extend(self.sort("its source", judged)?);
        match &self.flow.destination {
            Destination::Postgres(into) => self.look_into(into, &mut warnings).await?,
            Destination::SparkSql { table, .. } => {
                let look = self.services.spark.check_read(Statement::of_columns(table));
                let judged = async { Ok(look.await?) };
                let judged = self.in_time(judged).await;
                // A table that is there may still be refused to a reader.
                warnings.extend(
                    judged
                        .err()
                        .map(|fault| self.warn("its destination", &fault)),
                );
            }
            Destination::File(_) => {}
        }
        warnings.extend(self.missing_folder());
        Ok(Seen {
            warnings,
            unjudged_source,
            source_not_seen,
        })
    }

    async fn look_into(
        &self,
        into: &IntoPostgres,
        warnings: &mut Vec<String>,
    ) -> Result<(), ToolFailure> {
        let name = into.database.as_deref();
        let database = self.services.databases.get(name, self.caller)?;
        for (at, statement) in into.statements.iter().enumerate() {
            // Whether every row is meant is asked apart from this.
            let change = change(statement, &[], true, true);
            let judge = async {
                let found = database.judge_change(&change).await?;
                count(found, statement.bind.len())
            };
            let judged = self.in_time(judge).await;
            let place = format!("statement {}", at + 1);
            warnings.extend(self.sort(&place, judged)?);
        }
        for table in [&into.table, &into.marker_table].into_iter().flatten() {
            let wanted = TableName {
                schema: None,
                table: table.clone(),
            };
            let look = async { Ok(database.describe_table(&wanted).await?.is_ok()) };
            match self.in_time(look).await {
                Ok(true) => {}
                Ok(false) => warnings.push(format!(
                    "stage `{}`: there is no table `{table}` yet; create_table makes one",
                    self.stage
                )),
                Err(fault) => warnings.push(self.warn("its destination", &fault)),
            }
        }
        Ok(())
    }

    /// Has the source judged: nothing, or what its author has to mean.
    async fn judge_source(&self) -> Result<Option<String>, SqlFault> {
        let sql = self.flow.query().unwrap_or_default();
        match &self.flow.source {
            Some(Source::Postgres { database, .. }) => {
                let database = database.as_deref();
                let database = self.services.databases.get(database, self.caller)?;
                let found = database.check_query(&sql).await?;
                count(found, self.flow.bind.len())?;
            }
            Some(Source::SparkSql { .. }) => {
                let parameters = self.samples().map_err(SqlFault::Refused)?;
                let statement = Statement::new(sql).parameters(parameters);
                let spark = &self.services.spark;
                if self.services.pipelines.spark() == Access::Read {
                    spark.check_read(statement).await?;
                } else {
                    // Where Spark may write, a source is a query all the same.
                    let verdict = spark.judge_source(&statement).await?;
                    return source_to_confirm(verdict).map_err(SqlFault::Refused);
                }
            }
            Some(Source::File(_)) | None => {}
        }
        Ok(None)
    }

    /// The source as it is shown to whoever is asked about it, where Spark runs it.
    fn shown_spark_source(&self) -> Option<String> {
        matches!(&self.flow.source, Some(Source::SparkSql { .. }))
            .then(|| Statement::new(self.flow.query().unwrap_or_default()).shown())
    }

    /// A value for each name that the SQL of the source takes: the default, or one of its type.
    fn samples(&self) -> Result<Parameters, ToolFailure> {
        let sample = |name: &String| {
            let declared = self.parameters.get(name)?;
            let value = declared
                .default
                .clone()
                .unwrap_or_else(|| match declared.value_type {
                    ParameterType::String => json!(""),
                    ParameterType::Integer => json!(0),
                    ParameterType::Number => json!(0.5),
                    ParameterType::Boolean => json!(false),
                });
            Some((name.clone(), value))
        };
        let samples: Map<String, Value> = self.flow.bind.iter().filter_map(sample).collect();
        Ok(Parameters::named(&samples)?)
    }

    fn missing_folder(&self) -> Option<String> {
        let is_file = matches!(self.flow.source, Some(Source::File(_)))
            || matches!(self.flow.destination, Destination::File(_));
        let folder = self.services.pipelines.files().filter(|_| is_file)?;
        let stage = self.stage;
        (!folder.is_dir()).then(|| {
            format!(
                "stage `{stage}`: the folder of pipelines is not there: the operator makes the one \
                 that MCP_PIPELINE_FILES names"
            )
        })
    }

    async fn in_time<T>(
        &self,
        look: impl Future<Output = Result<T, SqlFault>>,
    ) -> Result<T, SqlFault> {
        let late = || {
            let message = "the service did not answer in time";
            Err(SqlFault::NotAsked(ToolFailure::unavailable(message)))
        };
        let looked = tokio::time::timeout_at(self.until, Box::pin(look)).await;
        looked.unwrap_or_else(|_| late())
    }

    /// The warning that comes of a judgement, or the refusal.
    fn sort(
        &self,
        place: &str,
        judged: Result<(), SqlFault>,
    ) -> Result<Option<String>, ToolFailure> {
        match judged {
            Ok(()) => Ok(None),
            Err(fault) if fault.is_final() => {
                let failure = fault.into_failure();
                let message = format!("stage `{}`, {place}: {}", self.stage, failure.message);
                Err(ToolFailure { message, ..failure })
            }
            Err(fault) => Ok(Some(self.warn(place, &fault))),
        }
    }

    fn warn(&self, place: &str, fault: &SqlFault) -> String {
        let stage = self.stage;
        let message = &fault.failure().message;
        match fault {
            SqlFault::Refused(_) => format!("stage `{stage}`, {place}: not yet: {message}"),
            SqlFault::NotAsked(_) => {
                format!("stage `{stage}`, {place}: not looked at: {message}")
            }
        }
    }
}

/// Whether a text takes as many parameters as are bound to it.
fn count(found: usize, bound: usize) -> Result<(), SqlFault> {
    match found == bound {
        true => Ok(()),
        false => Err(SqlFault::Refused(ToolFailure::invalid_arguments(format!(
            "PostgreSQL finds {found} parameters in the SQL, and `bind` names {bound}: name one \
             parameter of the pipeline for each of $1, $2, … in that order"
        )))),
    }
}
