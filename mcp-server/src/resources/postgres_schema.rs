//! `postgres://schema/{schema_name}`: the tables, views and functions of a schema.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::{Contents, ListedResource, Resource, UriTemplate, Variables};
use crate::call::Call;
use crate::config::PostgresConfig;
use crate::known_names::NameKind;
use crate::postgres::{Database, FunctionSummary, TableFilter, TableSummary};
use crate::results::RawJson;
use crate::services::{Services, database_caller};
use crate::tools::ToolFailure;

/// Tables, and functions, that are told of: a schema with more is paged by `list_tables`.
const MOST: u32 = 500;

/// How long a client may keep a schema: it changes when somebody alters it, which is seldom.
const FRESH_FOR: Duration = Duration::from_secs(30);

/// The form of the URI for the database that the POSTGRES_* settings name.
const OF_DEFAULT: &str = "postgres://schema/{schema_name}";

/// The form of the URI for any database.
const OF_DATABASE: &str = "postgres://{database}/schema/{schema_name}";

/// The resource `postgres://schema/{schema_name}` of this server.
pub struct PostgresSchema;

impl Resource for PostgresSchema {
    const TEMPLATES: &'static [&'static str] = &[OF_DEFAULT, OF_DATABASE];
    const NAME: &'static str = "postgres-schema";
    const TITLE: &'static str = "A PostgreSQL schema";
    const DESCRIPTION: &'static str = "Tables and views (kind, estimated rows, size, comment) and \
                                       functions (arguments, result) of one PostgreSQL schema.";
    const VARIABLES: &'static [(&'static str, NameKind)] = &[
        ("database", NameKind::Database),
        ("schema_name", NameKind::Schema),
    ];

    async fn read(
        services: &Services,
        call: &Call,
        variables: &Variables,
    ) -> Result<Contents, ToolFailure> {
        let name = variables.get("database");
        let database = services.databases.get(name, database_caller(call))?;
        let schema = variables.text("schema_name");
        let contents = call.unless_cancelled(look(&database, schema)).await??;
        Ok(Contents::json(&RawJson::of(&json!(contents)), FRESH_FOR))
    }

    async fn list(
        services: &Services,
        call: &Call,
        after: Option<&Variables>,
        most: usize,
    ) -> Result<Vec<ListedResource>, ToolFailure> {
        let default = PostgresConfig::FIRST;
        let first = after.map(|after| after.get("database").unwrap_or(default));
        let mut after = after.map(|after| after.text("schema_name"));
        let mut listed = Vec::new();
        let databases = services.databases.of_caller(database_caller(call));
        for database in databases.skip_while(|one| first.is_some_and(|first| one.name() != first)) {
            let room = u32::try_from(most - listed.len()).unwrap_or(u32::MAX);
            let look = database.schema_names(None, after.take(), room);
            let schemas = call.unless_cancelled(look).await??;
            let is_default = database.name() == default;
            listed.extend(schemas.iter().map(|schema| ListedResource {
                uri: match is_default {
                    true => UriTemplate::new(OF_DEFAULT).fill(&[schema]),
                    false => UriTemplate::new(OF_DATABASE).fill(&[database.name(), schema]),
                },
                title: format!("schema {schema} of database {}", database.name()),
                description: None,
            }));
            if listed.len() == most {
                break;
            }
        }
        Ok(listed)
    }
}

#[derive(Serialize)]
struct SchemaContents<'a> {
    database: &'a str,
    schema: &'a str,
    tables: Vec<TableSummary>,
    functions: Vec<FunctionSummary>,
    truncated: bool,
}

async fn look<'a>(
    database: &'a Database,
    schema: &'a str,
) -> Result<SchemaContents<'a>, ToolFailure> {
    let Some(mut functions) = database.functions(schema, MOST + 1).await? else {
        return Err(ToolFailure::not_found(format!(
            "there is no schema `{schema}` in the database `{}`",
            database.name()
        ))
        .with_hint("resources/list names those there are"));
    };
    let filter = TableFilter {
        schema: Some(schema),
        ..TableFilter::default()
    };
    let mut tables = database.tables(filter, None, MOST + 1).await?;
    let most = usize::try_from(MOST).unwrap_or(usize::MAX);
    let truncated = tables.len() > most || functions.len() > most;
    tables.truncate(most);
    functions.truncate(most);
    Ok(SchemaContents {
        database: database.name(),
        schema,
        tables,
        functions,
        truncated,
    })
}
