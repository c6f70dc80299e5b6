//! Tools by configuration: an operator writes down a text of SQL with its parameters, and clients
//! list and call it like a tool of this server's own.
//!
//! Nothing here reads SQL. A tool for PostgreSQL lists its parameters beside the text, in the order
//! of $1, $2, …, and PostgreSQL's own analysis says how many there are; Spark binds its parameters
//! by name (`docs/decisions/0028-a-declared-tool-lists-its-parameters.md`).

mod checking;

use std::path::Path;
use std::time::Duration;

use declared_tools::{ArgumentSchema, Declaration, DeclaredLimits, Engine};
use rmcp::model::JsonObject;
use serde::Deserialize;
use serde_json::{Value, json};

use super::execute_dml::{AskedChange, ExecuteDml, MOST_ROWS};
use super::execute_query::AskedQuery;
use super::execute_spark_sql::{AskedStatement, StatementRight};
use super::row_delivery::{self, BlockArguments, RowDelivery};
use super::row_format::{self, RowFormat};
use super::tool_card::ToolCard;
use super::{Effect, Output, Tool as _, ToolFailure};
use crate::call::Call;
use crate::postgres::{self, Change, Database, InvalidParameters};
use crate::results::Limits;
use crate::services::{Services, database_caller, spark_caller};
use crate::spark::connect::{Parameters, Statement};
pub(super) use checking::Verdict;

/// A tool that the operator declares, made ready to be called.
#[derive(Debug)]
pub(super) struct DeclaredTool {
    declaration: Declaration,
    arguments: ArgumentSchema,
}

/// The arguments that every declared tool of a kind has besides its parameters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DeliveryArguments {
    format: RowFormat,
    use_block_transport: Option<bool>,
    fetch_size: Option<u32>,
    dry_run: Option<bool>,
}

/// The tools that a file declares, in its order. `is_taken` knows the names of this server's own.
///
/// # Errors
/// Everything that is wrong with the file, one line for each fault.
pub(super) fn read(
    path: &Path,
    is_taken: &dyn Fn(&str) -> bool,
) -> anyhow::Result<Vec<DeclaredTool>> {
    let declarations = declared_tools::read(path, is_taken)?.into_iter();
    Ok(declarations.map(DeclaredTool::new).collect())
}

impl DeclaredTool {
    fn new(declaration: Declaration) -> Self {
        let own = delivery_properties(&declaration.engine, &declaration.limits);
        Self {
            arguments: ArgumentSchema::new(&declaration.parameters, own),
            declaration,
        }
    }

    /// The tool as clients see it.
    pub(super) fn card(&self) -> ToolCard {
        let effect = self.effect();
        ToolCard {
            name: self.declaration.name.clone(),
            title: self.declaration.title.clone(),
            description: self.declaration.description.clone(),
            effect,
            is_idempotent: self.declaration.annotations.idempotent.unwrap_or_default(),
            is_open_world: self.declaration.annotations.open_world.unwrap_or_default(),
            input_schema: self.arguments.schema().clone(),
            output_schema: match self.writes() {
                true => ExecuteDml::output_schema(),
                false => row_format::output_schema(),
            },
        }
    }

    fn effect(&self) -> Effect {
        match (self.writes(), self.declaration.annotations.destructive) {
            (false, _) => Effect::Reads,
            (true, Some(false)) => Effect::Adds,
            (true, _) => Effect::Destroys,
        }
    }

    fn writes(&self) -> bool {
        matches!(
            self.declaration.engine,
            Engine::Postgres { writes: true, .. }
        )
    }

    /// Runs the SQL with the arguments of a call.
    pub(super) async fn run(
        &self,
        services: &Services,
        call: &Call,
        arguments: JsonObject,
    ) -> Result<Output, ToolFailure> {
        let (values, delivery) = self.take(arguments)?;
        match &self.declaration.engine {
            Engine::Postgres { database, writes } => {
                let name = database.as_deref();
                let database = services.databases.get(name, database_caller(call))?;
                match writes {
                    true => {
                        let change = self.change(&values, delivery.dry_run.unwrap_or_default());
                        Box::pin(self.deliver_change(services, call, database, change)).await
                    }
                    false => {
                        Box::pin(self.deliver_query(services, call, database, &values, &delivery))
                            .await
                    }
                }
            }
            Engine::Spark => Box::pin(self.deliver_spark(services, call, &values, &delivery)).await,
        }
    }

    /// The values of the parameters, in their order, and the arguments besides.
    fn take(
        &self,
        mut arguments: JsonObject,
    ) -> Result<(Vec<Value>, DeliveryArguments), ToolFailure> {
        // A null is the absence of what may be absent, as in the tools of this server's own.
        arguments.retain(|name, value| {
            !value.is_null()
                || self
                    .declaration
                    .parameters
                    .iter()
                    .any(|one| one.name == *name && one.is_required)
        });
        let misfit = |what: &dyn std::fmt::Display| {
            ToolFailure::invalid_arguments(format!(
                "the arguments of `{}` do not fit: {what}",
                self.declaration.name
            ))
        };
        self.arguments
            .check(&arguments, &self.declaration.parameters)
            .map_err(|fault| misfit(&fault))?;
        let values = self.declaration.parameters.iter().map(|parameter| {
            let given = arguments.remove(&parameter.name);
            given.or_else(|| parameter.default.clone())
        });
        let values = values.map(Option::unwrap_or_default).collect();
        let delivery = serde_json::from_value(Value::Object(arguments));
        Ok((values, delivery.map_err(|error| misfit(&error))?))
    }

    fn limits(&self, of_service: Limits) -> Limits {
        Limits {
            rows: of_service
                .rows
                .min(self.declaration.limits.max_rows.unwrap_or(usize::MAX)),
            bytes: of_service
                .bytes
                .min(self.declaration.limits.max_bytes.unwrap_or(usize::MAX)),
        }
    }

    fn time(&self) -> Option<Duration> {
        self.declaration
            .limits
            .statement_timeout_ms
            .map(Duration::from_millis)
    }

    /// The way of the rows: where the operator limits them, no blocks hold more.
    fn delivery<'a>(
        &self,
        services: &'a Services,
        call: &'a Call,
        asked: &DeliveryArguments,
    ) -> Result<RowDelivery<'a>, ToolFailure> {
        let asked = BlockArguments {
            use_block_transport: match self.declaration.limits.bounds_rows() {
                true => Some(false),
                false => asked.use_block_transport,
            },
            fetch_size: asked.fetch_size,
        };
        RowDelivery::new(services, call, asked)
    }

    async fn deliver_query(
        &self,
        services: &Services,
        call: &Call,
        database: Database,
        values: &[Value],
        asked: &DeliveryArguments,
    ) -> Result<Output, ToolFailure> {
        let query = AskedQuery {
            limits: self.limits(database.limits()),
            database: database.within(self.time()),
            sql: &self.declaration.sql,
            parameters: values,
            delivery: self.delivery(services, call, asked)?,
            explain: &|error| self.explain(error),
        };
        query.deliver(asked.format).await
    }

    async fn deliver_change(
        &self,
        services: &Services,
        call: &Call,
        database: Database,
        change: Change<'_>,
    ) -> Result<Output, ToolFailure> {
        let change = AskedChange {
            limits: self.limits(database.limits()),
            database: database.within(self.time()),
            change,
            explain: &|error| self.explain(error),
        };
        change.deliver(services, call).await
    }

    async fn deliver_spark(
        &self,
        services: &Services,
        call: &Call,
        values: &[Value],
        asked: &DeliveryArguments,
    ) -> Result<Output, ToolFailure> {
        let statement = AskedStatement {
            limits: self.limits(services.spark.limits()),
            spark: &services.spark,
            caller: spark_caller(call),
            right: StatementRight::Read(self.time()),
            statement: self.statement(values, None)?,
            delivery: self.delivery(services, call, asked)?,
        };
        statement.deliver(asked.format).await
    }

    /// The change that it makes with these values. The operator has written that every row is
    /// meant, where that is what the text says.
    fn change<'a>(&'a self, values: &'a [Value], is_rehearsal: bool) -> Change<'a> {
        Change {
            sql: &self.declaration.sql,
            parameters: values,
            most_rows: self
                .declaration
                .limits
                .max_affected_rows
                .unwrap_or(MOST_ROWS),
            is_rehearsal,
            is_confirmed: true,
            is_last: true,
        }
    }

    /// The statement for Spark with these values, but for the parameter that is left out.
    fn statement(
        &self,
        values: &[Value],
        left_out: Option<&str>,
    ) -> Result<Statement, ToolFailure> {
        let names = self
            .declaration
            .parameters
            .iter()
            .map(|one| one.name.clone());
        let bound = names.zip(values.iter().cloned());
        let bound = bound.filter(|(name, _)| Some(name.as_str()) != left_out);
        let parameters = Parameters::named(&bound.collect())?;
        Ok(Statement::new(self.declaration.sql.clone()).parameters(parameters))
    }

    /// A failure of PostgreSQL in the terms of this tool, whose callers see no SQL.
    fn explain(&self, error: postgres::Error) -> ToolFailure {
        match error {
            postgres::Error::Parameters(InvalidParameters::Value {
                number,
                type_name,
                problem,
            }) => {
                let parameter = number
                    .checked_sub(1)
                    .and_then(|at| self.declaration.parameters.get(at));
                let name = parameter.map_or("?", |parameter| &parameter.name);
                ToolFailure::invalid_arguments(format!("`{name}` (`{type_name}`): {problem}"))
            }
            postgres::Error::Parameters(InvalidParameters::Count { wanted, given }) => {
                let fault = checking::count_fault(wanted, given);
                ToolFailure::new(
                    "misdeclared",
                    format!("`{}` cannot run: {fault}", self.declaration.name),
                )
                .with_hint(format!("the operator mends it: {}", self.declaration.place))
            }
            error @ postgres::Error::TooManyRows { .. } => ToolFailure::from(error).with_hint(
                "nothing was changed; the operator bounds how many rows this tool may change",
            ),
            error => error.into(),
        }
    }
}

/// The properties that a tool of this kind has besides those of its parameters.
fn delivery_properties(engine: &Engine, limits: &DeclaredLimits) -> JsonObject {
    let mut properties = JsonObject::new();
    if let Engine::Postgres { writes: true, .. } = engine {
        let dry_run = json!({"type": "boolean", "description": "Run it, and roll it back"});
        properties.insert("dry_run".to_owned(), dry_run);
        return properties;
    }
    properties.insert("format".to_owned(), row_format::argument());
    if !limits.bounds_rows()
        && let Value::Object(blocks) = row_delivery::properties()
    {
        properties.extend(blocks);
    }
    properties
}
