//! The things that Spark has to query: databases, tables and views, as its own catalogue tells.
//!
//! Questions go to Spark in forms of their own where it has them, and else as texts that this
//! program writes, with every name quoted. They are asked in the session in which the caller's
//! statements run, so that they see its temporary views.

mod description;
mod names;
mod pages;
#[cfg(test)]
mod tests;

use results::{JsonRows, Limits};
use serde_json::Value;

use super::connect::{ConnectError, Statement};
use super::{Author, Error, Sink, Spark, SparkCaller, in_time};
use crate::protocol as pb;
use pb::catalog::CatType;

pub use description::{SparkColumn, SparkTableDescription};
use names::unquoted;
pub use names::{SparkTableKind, SparkTableName};
pub(super) use names::{quoted_name, quoted_path};
pub use pages::{SparkPageEnd, SparkTableFilter, SparkTablePage};

/// The most that an answer of the catalogue may be: some 100 000 tables.
const LARGEST_ANSWER: Limits = Limits {
    rows: 100_000,
    bytes: 32 << 20,
};

/// Error classes of a Spark, or of a catalogue, that does not know `DESCRIBE … AS JSON`.
const NO_JSON: [&str; 3] = ["PARSE_SYNTAX_ERROR", "UNSUPPORTED_FEATURE", "NOT_SUPPORTED"];

/// A table or view, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkTable {
    /// Its catalogue; none of a temporary view.
    pub catalog: Option<String>,
    /// Its database, with dots between the parts; none of a view of this session.
    pub database: Option<String>,
    /// The name of the table.
    pub name: String,
    /// The kind of table; none where Spark could not look.
    pub kind: Option<SparkTableKind>,
    /// The comment of its author.
    pub comment: Option<String>,
}

/// The tables and views of one database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TablesOfDatabase {
    /// Those of the database itself, by their names.
    pub tables: Vec<SparkTable>,
    /// The temporary views of the session, which Spark lists with every database.
    pub temporary: Vec<SparkTable>,
}

impl Spark {
    /// The databases of a catalogue, of the session's own where none is named, in order.
    ///
    /// # Errors
    /// There is no such catalogue, or Spark cannot be reached ([`Error`]).
    pub async fn databases(
        &self,
        caller: &SparkCaller,
        catalog: Option<&str>,
    ) -> Result<Vec<String>, Error> {
        let statement = match catalog {
            None => Statement::asking(CatType::ListDatabases(pb::ListDatabases::default())),
            Some(catalog) => Statement::new(format!("SHOW NAMESPACES IN {}", quoted_name(catalog))),
        };
        let rows = self.ask(caller, statement).await;
        let rows = rows.map_err(|error| name_catalog(error, catalog))?;
        let mut names: Vec<String> = rows.iter().filter_map(|row| text(row, 0)).collect();
        if catalog.is_some() {
            for name in &mut names {
                *name = unquoted(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The tables and views of a database, of the session's own where none is named.
    ///
    /// # Errors
    /// There is no such database, or Spark cannot be reached ([`Error`]).
    pub async fn tables(
        &self,
        caller: &SparkCaller,
        catalog: Option<&str>,
        database: Option<&str>,
    ) -> Result<TablesOfDatabase, Error> {
        let place = database.map(|database| {
            let parts = catalog.into_iter().chain(database.split('.'));
            parts.map(quoted_name).collect::<Vec<_>>().join(".")
        });
        let question = CatType::ListTables(pb::ListTables {
            db_name: place,
            pattern: None,
        });
        let rows = self.ask(caller, Statement::asking(question)).await;
        let rows = rows.map_err(|error| name_catalog(error, catalog))?;
        let mut found = TablesOfDatabase::default();
        for table in rows.iter().filter_map(table_of_row) {
            match table.kind {
                Some(SparkTableKind::Temporary) => found.temporary.push(table),
                _ => found.tables.push(table),
            }
        }
        for tables in [&mut found.tables, &mut found.temporary] {
            tables.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        }
        Ok(found)
    }

    /// A table or view with its columns.
    ///
    /// # Errors
    /// There is no such table, or Spark cannot be reached ([`Error`]).
    pub async fn describe_table(
        &self,
        caller: &SparkCaller,
        name: &SparkTableName,
    ) -> Result<SparkTableDescription, Error> {
        let sql = format!("DESCRIBE TABLE EXTENDED {} AS JSON", name.quoted());
        match self.ask(caller, Statement::new(sql)).await {
            Ok(rows) => {
                let json = rows.first().and_then(|row| text(row, 0));
                let json = json.and_then(|json| serde_json::from_str(&json).ok());
                let told = json.and_then(|json: Value| SparkTableDescription::told(&json));
                told.ok_or_else(|| ConnectError::Malformed("no description".to_owned()).into())
            }
            Err(Error::Connect(ConnectError::Spark(failure)))
                if failure.error_class.as_deref().is_some_and(knows_no_json) =>
            {
                self.describe_briefly(caller, name).await
            }
            Err(error) => Err(error),
        }
    }

    /// The description that every Spark and every catalogue can give.
    async fn describe_briefly(
        &self,
        caller: &SparkCaller,
        name: &SparkTableName,
    ) -> Result<SparkTableDescription, Error> {
        let table = CatType::GetTable(pb::GetTable {
            table_name: name.quoted(),
            db_name: None,
        });
        let columns = CatType::ListColumns(pb::ListColumns {
            table_name: name.quoted(),
            db_name: None,
        });
        let tables = self.ask(caller, Statement::asking(table)).await?;
        let columns = self.ask(caller, Statement::asking(columns)).await?;
        let table = tables.first().and_then(table_of_row);
        let table = table.ok_or_else(|| ConnectError::Malformed("no table".to_owned()))?;
        Ok(SparkTableDescription::brief(table, &columns))
    }

    /// The rows of a statement that this program writes.
    async fn ask(&self, caller: &SparkCaller, statement: Statement) -> Result<Vec<Value>, Error> {
        let mut rows = JsonRows::new(LARGEST_ANSWER);
        let statement = Author::Ourselves(statement);
        let run = self.run_to_its_end(self.access, caller, statement, Sink::Rows(&mut rows));
        in_time(self.statement_timeout, run).await?;
        match rows.into_json().to_value() {
            Value::Array(rows) => Ok(rows),
            _ => Ok(Vec::new()),
        }
    }
}

/// Says of a catalog that it is not there, where Spark took its name for that of a database in its
/// own catalog.
fn name_catalog(error: Error, catalog: Option<&str>) -> Error {
    let Some(catalog) = catalog else {
        return error;
    };
    let Error::Connect(ConnectError::Spark(failure)) = &error else {
        return error;
    };
    let quoted = quoted_name(catalog);
    let is_taken_for_database = match failure.error_class.as_deref() {
        Some("SCHEMA_NOT_FOUND") => failure
            .message
            .contains(&format!("`spark_catalog`.{quoted}")),
        Some(
            "REQUIRES_SINGLE_PART_NAMESPACE" | "NESTED_DATABASE_UNSUPPORTED_BY_V1_SESSION_CATALOG",
        ) => failure.message.contains(&quoted),
        _ => false,
    };
    match is_taken_for_database {
        true => Error::NoCatalog(catalog.to_owned()),
        false => error,
    }
}

fn knows_no_json(class: &str) -> bool {
    NO_JSON.iter().any(|known| class.starts_with(known))
}

fn text(row: &Value, at: usize) -> Option<String> {
    row.get(at)?.as_str().map(ToOwned::to_owned)
}

/// A row of `listTables` or `getTable`: name, catalogue, namespace, description, type, temporary.
fn table_of_row(row: &Value) -> Option<SparkTable> {
    let namespace = row.get(2).and_then(Value::as_array);
    let parts = namespace.into_iter().flatten().filter_map(Value::as_str);
    let parts: Vec<&str> = parts.collect();
    let is_temporary = row.get(5).and_then(Value::as_bool).unwrap_or_default();
    let kind = match is_temporary {
        true => Some(SparkTableKind::Temporary),
        false => text(row, 4).and_then(|kind| SparkTableKind::told(&kind)),
    };
    Some(SparkTable {
        catalog: text(row, 1).filter(|_| !is_temporary),
        database: (!parts.is_empty()).then(|| parts.join(".")),
        name: text(row, 0)?,
        kind,
        comment: text(row, 3).filter(|comment| !comment.is_empty()),
    })
}
