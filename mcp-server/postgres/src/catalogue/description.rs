//! Everything that one needs to know of a table to query it.

mod queries;

use serde::Serialize;

use super::asking::Asked;
use super::{MissingTable, TableName};
use crate::{Database, Error, ReadTransaction, TextRow};
use queries::{COLUMNS, CONSTRAINTS, INDEXES, REFERENCES, TABLE};

/// A table, view or foreign table in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableDescription {
    /// The schema that it is in.
    pub schema: String,
    /// Its name within the schema.
    #[serde(rename = "table")]
    pub name: String,
    /// `table`, `partitioned table`, `view`, `materialized view` or `foreign table`.
    pub kind: String,
    /// The comment that somebody gave it.
    pub comment: Option<String>,
    /// The rows that the last ANALYZE found; `None` before the first one, and for views.
    pub rows_estimate: Option<i64>,
    /// The bytes on disk; `None` for what has none, and while it is locked.
    pub bytes: Option<i64>,
    /// The columns, in their order.
    pub columns: Vec<ColumnDescription>,
    /// The columns of the primary key.
    pub primary_key: Vec<String>,
    /// The constraints that make values unique, beside the primary key.
    pub unique: Vec<UniqueConstraint>,
    /// The references to other tables.
    pub foreign_keys: Vec<ForeignKey>,
    /// The conditions that every row fulfils.
    pub checks: Vec<Check>,
    /// The conditions on pairs of rows.
    pub exclusions: Vec<Check>,
    /// The indexes, those of constraints among them.
    pub indexes: Vec<Index>,
    /// The references of other tables to this one, and its own to itself.
    pub referenced_by: Vec<Reference>,
    /// The query of a view; `None` for tables, and while a table below it is locked.
    pub definition: Option<String>,
    /// The constraints as SQL writes them, the primary key first.
    #[serde(skip)]
    pub constraint_definitions: Vec<String>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnDescription {
    /// The name of the column.
    pub name: String,
    /// Its type, as SQL writes it, with length and precision.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// The expression of its default; that by which it is generated, where it is.
    pub default: Option<String>,
    /// The values that its type has, where that is an enumeration.
    pub enum_values: Option<Vec<String>>,
    /// The comment that somebody gave it.
    pub comment: Option<String>,
}

/// A constraint that makes values unique.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UniqueConstraint {
    /// The name of the constraint.
    pub name: String,
    /// The columns whose values are unique together.
    pub columns: Vec<String>,
}

/// A reference to another table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForeignKey {
    /// The name of the constraint.
    pub name: String,
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The table that they refer to, with its schema.
    pub references: Option<String>,
    /// The columns that they refer to.
    pub referenced_columns: Vec<String>,
}

/// A reference of another table to this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reference {
    /// The name of the constraint.
    pub name: String,
    /// The table that refers, with its schema.
    pub table: String,
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The columns of this table that they refer to.
    pub referenced_columns: Vec<String>,
}

/// A condition that every row fulfils, or no two rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The name of the constraint.
    pub name: String,
    /// The condition, as SQL writes it.
    pub definition: String,
}

/// An index of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Index {
    /// The name of the index.
    pub name: String,
    /// The statement that would make it.
    pub definition: String,
}

impl Database {
    /// The table of this name, or the names that are near it.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached, is too busy, or refuses to read this ([`Error`]).
    pub async fn describe_table(
        &self,
        wanted: &TableName,
    ) -> Result<Result<TableDescription, MissingTable>, Error> {
        let parameters = [wanted.schema.as_deref(), Some(wanted.table.as_str())];
        let question = self.question(TABLE, &parameters);
        if let Some(described) = self.known_answer(&question).await {
            return Ok(described);
        }
        let lease = self.lease(&self.catalogue).await?;
        self.in_time(lease.begun, async {
            let mut asking = match self.ask(lease, question).await? {
                Asked::Known(described) => return Ok(described),
                Asked::Anew(asking) => asking,
            };
            let described = describe(&mut asking.transaction, wanted).await;
            asking.end(described).await
        })
        .await
    }
}

async fn describe(
    transaction: &mut ReadTransaction,
    wanted: &TableName,
) -> Result<Result<TableDescription, MissingTable>, Error> {
    let Some(table) = find(transaction, wanted).await? else {
        return Ok(Err(MissingTable::find_near(transaction, wanted).await?));
    };
    let id = table.text("id");
    let columns = transaction.rows(COLUMNS, &[Some(&id)]).await?;
    let constraints = transaction.rows(CONSTRAINTS, &[Some(&id)]).await?;
    let indexes = transaction.rows(INDEXES, &[Some(&id)]).await?;
    let references = transaction.rows(REFERENCES, &[Some(&id)]).await?;
    let mut description = description(&table, &columns, &constraints, &indexes);
    description.referenced_by = references.iter().map(Reference::of).collect();
    Ok(Ok(description))
}

/// The table in its schema; when no schema is given, a name with a point may hold both.
async fn find(
    transaction: &mut ReadTransaction,
    wanted: &TableName,
) -> Result<Option<TextRow>, Error> {
    let mut found = transaction
        .rows(TABLE, &[Some(wanted.schema()), Some(&wanted.table)])
        .await?;
    if let (true, Some((schema, table))) = (found.is_empty(), wanted.split()) {
        found = transaction
            .rows(TABLE, &[Some(schema), Some(table)])
            .await?;
    }
    Ok(found.pop())
}

fn description(
    table: &TextRow,
    columns: &[TextRow],
    constraints: &[TextRow],
    indexes: &[TextRow],
) -> TableDescription {
    let text = |row: &TextRow, name| row.get(name).map(ToOwned::to_owned);
    let mut description = TableDescription {
        schema: table.text("schema"),
        name: table.text("name"),
        kind: table.text("kind"),
        comment: text(table, "comment"),
        rows_estimate: table.number("rows_estimate"),
        bytes: table.number("bytes"),
        columns: Vec::with_capacity(columns.len()),
        primary_key: Vec::new(),
        unique: Vec::new(),
        foreign_keys: Vec::new(),
        checks: Vec::new(),
        exclusions: Vec::new(),
        referenced_by: Vec::new(),
        definition: text(table, "definition"),
        indexes: Vec::with_capacity(indexes.len()),
        constraint_definitions: Vec::with_capacity(constraints.len()),
    };
    for column in columns {
        description.columns.push(ColumnDescription {
            name: column.text("name"),
            type_name: column.text("type"),
            nullable: column.is_true("nullable"),
            default: text(column, "default"),
            enum_values: column
                .get("enum_values")
                .and_then(|values| serde_json::from_str(values).ok()),
            comment: text(column, "comment"),
        });
    }
    for constraint in constraints {
        let (name, definition) = (constraint.text("name"), constraint.text("definition"));
        let columns = names_of(constraint, "columns");
        description.constraint_definitions.push(definition.clone());
        match constraint.get("kind") {
            Some("p") => description.primary_key = columns,
            Some("u") => description.unique.push(UniqueConstraint { name, columns }),
            Some("f") => description.foreign_keys.push(ForeignKey {
                name,
                columns,
                references: text(constraint, "references"),
                referenced_columns: names_of(constraint, "referenced_columns"),
            }),
            Some("x") => description.exclusions.push(Check { name, definition }),
            _ => description.checks.push(Check { name, definition }),
        }
    }
    for index in indexes {
        description.indexes.push(Index {
            name: index.text("name"),
            definition: index.text("definition"),
        });
    }
    description
}

impl Reference {
    fn of(row: &TextRow) -> Self {
        Self {
            name: row.text("name"),
            table: row.text("table"),
            columns: names_of(row, "columns"),
            referenced_columns: names_of(row, "referenced_columns"),
        }
    }
}

/// A list of names, which PostgreSQL has written as JSON.
fn names_of(row: &TextRow, column: &str) -> Vec<String> {
    row.get(column)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}
