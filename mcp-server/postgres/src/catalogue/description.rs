//! Everything that one needs to know of a table to query it.

use serde::Serialize;

use super::{MissingTable, TableName};
use crate::{Database, Error, ReadTransaction, TextRow};

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
    /// The indexes, those of constraints among them.
    pub indexes: Vec<Index>,
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

/// A condition that every row fulfils.
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
        self.in_time(async {
            let mut transaction = self.read().await?;
            let described = describe(&mut transaction, wanted).await;
            transaction.end().await;
            described
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
    Ok(Ok(description(&table, &columns, &constraints, &indexes)))
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
        indexes: Vec::with_capacity(indexes.len()),
        constraint_definitions: Vec::with_capacity(constraints.len()),
    };
    for column in columns {
        description.columns.push(ColumnDescription {
            name: column.text("name"),
            type_name: column.text("type"),
            nullable: column.is_true("nullable"),
            default: text(column, "default"),
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

/// A list of names, which PostgreSQL has written as JSON.
fn names_of(row: &TextRow, column: &str) -> Vec<String> {
    row.get(column)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The size of a table that is locked is not asked for.
const TABLE: &str = concat!(
    include_str!("locked_tables.sql"),
    "
SELECT c.oid AS id,
       n.nspname::text AS schema,
       c.relname::text AS name,
       CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
            WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END AS kind,
       pg_catalog.obj_description(c.oid, 'pg_class') AS comment,
       CASE WHEN c.relkind <> 'v' AND c.reltuples >= 0 THEN c.reltuples::bigint END
       AS rows_estimate,
       CASE WHEN c.oid IN (SELECT l.relid FROM locked l) THEN NULL ELSE CASE c.relkind
            WHEN 'p' THEN (SELECT sum(pg_catalog.pg_total_relation_size(t.relid))::bigint
            FROM pg_catalog.pg_partition_tree(c.oid) t)
            WHEN 'v' THEN NULL WHEN 'f' THEN NULL
            ELSE pg_catalog.pg_total_relation_size(c.oid) END END AS bytes
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
);

/// A generated column's expression stands where others have their default.
const COLUMNS: &str = "
SELECT a.attname::text AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       NOT a.attnotnull AS nullable,
       CASE WHEN a.attidentity = 'a' THEN 'generated always as identity'
            WHEN a.attidentity = 'd' THEN 'generated by default as identity'
            WHEN a.attgenerated = 's' THEN 'generated always as (' ||
            pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ') stored'
            WHEN a.attgenerated = 'v' THEN 'generated always as (' ||
            pg_catalog.pg_get_expr(d.adbin, d.adrelid) || ')'
            ELSE pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS default,
       pg_catalog.col_description(a.attrelid, a.attnum) AS comment
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum";

const CONSTRAINTS: &str = "
SELECT k.conname::text AS name,
       k.contype::text AS kind,
       pg_catalog.pg_get_constraintdef(k.oid) AS definition,
       to_json(ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY
       AS u (number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number
             ORDER BY u.place)) AS columns,
       to_json(ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY
       AS u (number, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number
             ORDER BY u.place)) AS referenced_columns,
       (SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = k.confrelid)
        AS references
FROM pg_catalog.pg_constraint k
WHERE k.conrelid = $1::oid AND k.contype IN ('p', 'u', 'f', 'c')
ORDER BY k.contype <> 'p', k.conname";

const INDEXES: &str = "
SELECT c.relname::text AS name, pg_catalog.pg_get_indexdef(i.indexrelid) AS definition
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = $1::oid
ORDER BY c.relname";
