//! The tables of a database, page by page.

use serde::{Deserialize, Serialize};

use super::asking::Asked;
use crate::{Database, Error, TextRow};

/// A table, view or foreign table in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableSummary {
    /// The schema that it is in.
    pub schema: String,
    /// Its name within the schema.
    pub name: String,
    /// `table`, `partitioned table`, `view`, `materialized view` or `foreign table`.
    pub kind: String,
    /// The partitioned table that it is a part of, with its schema.
    pub partition_of: Option<String>,
    /// The rows that the last ANALYZE found; `None` before the first one, and for views.
    pub rows_estimate: Option<i64>,
    /// The bytes on disk; `None` for what has none, and while it is locked.
    pub bytes: Option<i64>,
    /// The comment that somebody gave it.
    pub comment: Option<String>,
}

/// The kinds of tables that a list can be narrowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TableKind {
    /// A table that holds its rows itself.
    #[serde(rename = "table")]
    Table,
    /// A table whose rows are in its partitions.
    #[serde(rename = "partitioned table")]
    Partitioned,
    /// A query with a name.
    #[serde(rename = "view")]
    View,
    /// A query whose rows are kept.
    #[serde(rename = "materialized view")]
    MaterializedView,
    /// A table of another server.
    #[serde(rename = "foreign table")]
    Foreign,
}

impl TableKind {
    /// Its letter in `pg_class.relkind`.
    fn letter(self) -> &'static str {
        match self {
            Self::Table => "r",
            Self::Partitioned => "p",
            Self::View => "v",
            Self::MaterializedView => "m",
            Self::Foreign => "f",
        }
    }
}

/// The tables that a list is to have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableFilter<'a> {
    /// The schema; all but the system's where none is named.
    pub schema: Option<&'a str>,
    /// The kind; any where none is named.
    pub kind: Option<TableKind>,
    /// A part of the name, in any case.
    pub name: Option<&'a str>,
}

/// The place of a table in the order of lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableKey {
    /// The schema that it is in.
    pub schema: String,
    /// The name within the schema.
    pub name: String,
}

impl Database {
    /// The first `most` tables of `filter` after `after`, in the order of their keys.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached, is too busy, or refuses to read this ([`Error`]).
    pub async fn tables(
        &self,
        filter: TableFilter<'_>,
        after: Option<&TableKey>,
        most: u32,
    ) -> Result<Vec<TableSummary>, Error> {
        let most = most.to_string();
        let (after_schema, after_name) = after
            .map(|key| (key.schema.as_str(), key.name.as_str()))
            .unzip();
        let parameters = [
            filter.schema,
            after_schema,
            after_name,
            Some(most.as_str()),
            filter.kind.map(TableKind::letter),
            filter.name,
        ];
        let question = self.question(TABLES, &parameters);
        if let Some(tables) = self.known_answer(&question).await {
            return Ok(tables);
        }
        let lease = self.lease(&self.catalogue).await?;
        self.in_time(lease.begun, async {
            let mut asking = match self.ask(lease, question).await? {
                Asked::Known(tables) => return Ok(tables),
                Asked::Anew(asking) => asking,
            };
            let rows = asking.transaction.rows(TABLES, &parameters).await;
            let tables = rows.map(|rows| rows.iter().map(summary).collect());
            asking.end(tables).await
        })
        .await
    }
}

fn summary(row: &TextRow) -> TableSummary {
    TableSummary {
        schema: row.text("schema"),
        name: row.text("name"),
        kind: row.text("kind"),
        partition_of: row.get("partition_of").map(ToOwned::to_owned),
        rows_estimate: row.number("rows_estimate"),
        bytes: row.number("bytes"),
        comment: row.get("comment").map(ToOwned::to_owned),
    }
}

/// A partitioned table has no storage of its own: its size is that of its partitions. `reltuples`
/// is -1 before the first ANALYZE. The size of a table that is locked is not asked for.
const TABLES: &str = concat!(
    include_str!("locked_tables.sql"),
    "
SELECT n.nspname::text AS schema,
       c.relname::text AS name,
       CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
            WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END AS kind,
       (SELECT pn.nspname || '.' || pc.relname
        FROM pg_catalog.pg_inherits i
        JOIN pg_catalog.pg_class pc ON pc.oid = i.inhparent
        JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
        WHERE i.inhrelid = c.oid AND c.relispartition) AS partition_of,
       CASE WHEN c.relkind <> 'v' AND c.reltuples >= 0 THEN c.reltuples::bigint END
       AS rows_estimate,
       CASE WHEN c.oid IN (SELECT l.relid FROM locked l) THEN NULL ELSE CASE c.relkind
            WHEN 'p' THEN (SELECT sum(pg_catalog.pg_total_relation_size(t.relid))::bigint
            FROM pg_catalog.pg_partition_tree(c.oid) t)
            WHEN 'v' THEN NULL WHEN 'f' THEN NULL
            ELSE pg_catalog.pg_total_relation_size(c.oid) END END AS bytes,
       pg_catalog.obj_description(c.oid, 'pg_class') AS comment
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND ($5::text IS NULL OR c.relkind::text = $5::text)
  AND ($6::text IS NULL OR pg_catalog.strpos(pg_catalog.lower(c.relname::text),
                                             pg_catalog.lower($6::text)) > 0)
  AND (n.nspname = $1::text OR ($1::text IS NULL AND n.nspname <> 'information_schema'
  AND n.nspname NOT LIKE 'pg\\_%'))
  AND ($2::text IS NULL OR (n.nspname::text COLLATE \"C\", c.relname::text COLLATE \"C\") >
  ($2::text, $3::text))
ORDER BY n.nspname::text COLLATE \"C\", c.relname::text COLLATE \"C\"
LIMIT $4::bigint"
);
