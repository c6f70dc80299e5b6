//! `postgres://tables/{table_name}/data`: the first rows of a table or view.

use std::time::Duration;

use super::{Contents, ListedResource, Resource, UriTemplate, Variables};
use crate::call::Call;
use crate::config::PostgresConfig;
use crate::known_names::NameKind;
use crate::postgres::{Database, TableFilter, TableKey, TableName, TableSummary};
use crate::results::{JsonRows, Limits, RawObject};
use crate::services::{Services, database_caller};
use crate::tools::{ToolFailure, missing_table};

/// Rows that are read: enough to see what a table holds. Whoever wants more asks by a query.
const ROWS: usize = 100;

/// Bytes of the rows. The JSON travels as a string within JSON, which can double it, and must stay
/// below the 1 MiB that some clients take.
const BYTES: usize = 384 << 10;

/// The form of the URI for the database that the POSTGRES_* settings name.
const OF_DEFAULT: &str = "postgres://tables/{table_name}/data";

/// The form of the URI for any database.
const OF_DATABASE: &str = "postgres://{database}/tables/{table_name}/data";

/// The resource `postgres://tables/{table_name}/data` of this server.
pub struct PostgresTable;

impl Resource for PostgresTable {
    const TEMPLATES: &'static [&'static str] = &[OF_DEFAULT, OF_DATABASE];
    const NAME: &'static str = "postgres-table-data";
    const TITLE: &'static str = "First rows of a PostgreSQL table";
    const DESCRIPTION: &'static str = "The first 100 rows of a PostgreSQL table or view with its \
                                       columns and their types; `schema.table` outside of public.";
    const VARIABLES: &'static [(&'static str, NameKind)] = &[
        ("database", NameKind::Database),
        ("table_name", NameKind::Table),
    ];

    async fn read(
        services: &Services,
        call: &Call,
        variables: &Variables,
    ) -> Result<Contents, ToolFailure> {
        let name = variables.get("database");
        let database = services.databases.get(name, database_caller(call))?;
        let wanted = TableName {
            schema: None,
            table: variables.text("table_name").to_owned(),
        };
        call.unless_cancelled(first_rows(&database, &wanted))
            .await?
    }

    async fn list(
        services: &Services,
        call: &Call,
        after: Option<&Variables>,
        most: usize,
    ) -> Result<Vec<ListedResource>, ToolFailure> {
        let default = PostgresConfig::FIRST;
        let first = after.map(|after| after.get("database").unwrap_or(default));
        let mut after = after.map(|after| {
            let name = after.text("table_name");
            let (schema, name) = name.split_once('.').unwrap_or(("public", name));
            TableKey {
                schema: schema.to_owned(),
                name: name.to_owned(),
            }
        });
        let mut listed = Vec::new();
        let databases = services.databases.of_caller(database_caller(call));
        for database in databases.skip_while(|one| first.is_some_and(|first| one.name() != first)) {
            let room = u32::try_from(most - listed.len()).unwrap_or(u32::MAX);
            let after = after.take();
            let look = database.tables(TableFilter::default(), after.as_ref(), room);
            let tables = call.unless_cancelled(look).await??;
            let is_default = database.name() == default;
            let of_database = (!is_default).then_some(database.name());
            listed.extend(tables.iter().map(|table| list(of_database, table)));
            if listed.len() == most {
                break;
            }
        }
        Ok(listed)
    }
}

fn list(database: Option<&str>, table: &TableSummary) -> ListedResource {
    let name = match table.schema.as_str() {
        "public" if !table.name.contains('.') => table.name.clone(),
        schema => format!("{schema}.{}", table.name),
    };
    let uri = match database {
        None => UriTemplate::new(OF_DEFAULT).fill(&[&name]),
        Some(database) => UriTemplate::new(OF_DATABASE).fill(&[database, &name]),
    };
    ListedResource {
        uri,
        title: format!("{}.{} ({})", table.schema, table.name, table.kind),
        description: None,
    }
}

async fn first_rows(database: &Database, wanted: &TableName) -> Result<Contents, ToolFailure> {
    let table = database.describe_table(wanted).await?;
    let table = table.map_err(|missing| missing_table(wanted, &missing))?;
    let mut rows = JsonRows::new(Limits {
        rows: ROWS,
        bytes: database.limits().bytes.min(BYTES),
    });
    let written = database.first_rows(&table, &mut rows).await?;
    let row_count = rows.row_count();
    let json = RawObject::default()
        .member("database", &database.name())
        .member("schema", &table.schema)
        .member("table", &table.name);
    let json = written.describe(json, row_count);
    let json = json.raw_member("rows", &rows.into_json()).close();
    Ok(Contents::json(&json, Duration::ZERO))
}
