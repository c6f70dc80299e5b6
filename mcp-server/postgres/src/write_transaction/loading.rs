//! Loads into a table that is there: judged as one of a kind, begun, given rows, ended.
//!
//! A load is judged as a change is: the defaults of the table, and whatever hangs on it, call
//! nothing that is not harmless. A table with rules is refused.

use super::load_error::LoadError;
use super::{Error, WriteTransaction};
use crate::judge;
use crate::judge::tree::{DELETE, INSERT, UPDATE};

/// A load into one table, of the kind that it was judged for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLoad {
    /// The name of the table with its schema, quoted.
    table: String,
    kind: LoadKind,
}

/// The changes that a load makes to the rows of its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadKind {
    /// Rows come to those there are.
    Append,
    /// All rows go, and others come.
    Overwrite,
    /// Rows come, and those with the same keys change.
    Upsert {
        /// The columns of a unique index.
        keys: Vec<String>,
    },
}

impl LoadKind {
    /// The events that fire the table's triggers, as `pg_trigger.tgtype` has them.
    fn events(&self) -> i16 {
        match self {
            Self::Append => INSERT,
            Self::Overwrite => INSERT | DELETE,
            Self::Upsert { .. } => INSERT | UPDATE,
        }
    }
}

impl TableLoad {
    /// The name of the table with its schema, quoted.
    pub(super) fn table(&self) -> &str {
        &self.table
    }
}

/// A load that has begun: the table takes rows with these columns, at once or when the load ends.
#[derive(Debug)]
pub struct BegunLoad {
    pub(super) load: TableLoad,
    pub(super) columns: Vec<String>,
    /// The table that rows go into first, quoted.
    pub(super) first_stop: String,
    /// The name of the statement that inserts rows, once there is one.
    pub(super) insert: Option<String>,
}

impl BegunLoad {
    /// Whether the rows wait beside the table until the load ends.
    pub fn is_waiting(&self) -> bool {
        matches!(self.load.kind, LoadKind::Upsert { .. })
    }
}

const TARGET: &str = "
SELECT class.oid AS id,
       pg_catalog.quote_ident(namespace.nspname) || '.' || pg_catalog.quote_ident(class.relname)
         AS name,
       CASE
         WHEN class.relkind NOT IN ('r', 'p') THEN 'kind'
         WHEN EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE ev_class = ANY (tables.ids))
           THEN 'rule'
       END AS problem,
       (SELECT pg_catalog.min(pg_catalog.quote_ident(space.nspname) || '.'
                              || pg_catalog.quote_ident(other.relname))
        FROM pg_catalog.pg_class AS other
        JOIN pg_catalog.pg_namespace AS space ON space.oid = other.relnamespace
        WHERE other.oid <> ALL (tables.ids)
          AND other.oid IN (SELECT conrelid FROM pg_catalog.pg_constraint
                            WHERE contype = 'f' AND confrelid = ANY (tables.ids)
                              AND confdeltype IN ('c', 'n', 'd')
                            UNION ALL
                            SELECT inhrelid FROM pg_catalog.pg_inherits
                            WHERE inhparent = class.oid)) AS goes_with_it,
       EXISTS (SELECT FROM pg_catalog.pg_index JOIN pg_catalog.pg_attribute AS column_
                 ON column_.attrelid = indrelid AND column_.attnum = indkey[0]
               WHERE indrelid = class.oid AND indisunique AND indnatts = 1 AND indpred IS NULL
                 AND indisvalid AND column_.attname = 'key')::pg_catalog.text AS has_key
FROM pg_catalog.pg_class AS class
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace,
LATERAL (SELECT pg_catalog.array_agg(relid::pg_catalog.oid) || class.oid AS ids
         FROM pg_catalog.pg_partition_tree(class.oid)) AS tables
WHERE class.oid = pg_catalog.to_regclass($1)";

impl WriteTransaction {
    /// Looks at a table that rows are to be loaded into, and judges what such a load calls there.
    ///
    /// # Errors
    /// There is no such table, or it cannot be loaded into in this way, with the reason.
    pub async fn judge_load(
        &mut self,
        table: &str,
        kind: LoadKind,
    ) -> Result<TableLoad, LoadError> {
        let (load, _) = self.look(table, kind).await?;
        if let LoadKind::Upsert { keys } = &load.kind {
            self.check_key(&load.table, keys).await?;
        }
        Ok(load)
    }

    /// Begins a load of rows with these columns: an overwrite takes all rows out of the table.
    ///
    /// # Errors
    /// The rows lack a key of the load, or PostgreSQL refuses to delete those there are: a key
    /// elsewhere may refer to them.
    pub async fn begin_load(
        &mut self,
        load: TableLoad,
        columns: Vec<String>,
    ) -> Result<BegunLoad, LoadError> {
        let first_stop = match &load.kind {
            LoadKind::Append => load.table.clone(),
            LoadKind::Overwrite => {
                self.empty(&load.table).await?;
                load.table.clone()
            }
            LoadKind::Upsert { keys } => {
                if let Some(key) = keys.iter().find(|key| !columns.contains(key)) {
                    return Err(LoadError::NoKeyColumn(key.clone()));
                }
                self.begin_waiting(&load.table, &columns).await?
            }
        };
        Ok(BegunLoad {
            load,
            columns,
            first_stop,
            insert: None,
        })
    }

    /// Does a load that brings no rows, and so no columns: an overwrite takes all rows out of the
    /// table.
    ///
    /// # Errors
    /// PostgreSQL refuses to delete the rows: a key elsewhere may refer to them.
    pub async fn load_nothing(&mut self, load: TableLoad) -> Result<(), LoadError> {
        match load.kind {
            LoadKind::Overwrite => Ok(self.empty(&load.table).await?),
            LoadKind::Append | LoadKind::Upsert { .. } => Ok(()),
        }
    }

    /// Ends a load to which so many rows were given; how many the table has taken.
    ///
    /// # Errors
    /// PostgreSQL refuses a row, or the connection broke.
    pub async fn end_load(&mut self, begun: BegunLoad, rows: u64) -> Result<u64, Error> {
        match &begun.load.kind {
            LoadKind::Append | LoadKind::Overwrite => Ok(rows),
            LoadKind::Upsert { keys } => {
                self.upsert_waiting(&begun.load.table, &begun.columns, keys)
                    .await
            }
        }
    }

    async fn empty(&mut self, table: &str) -> Result<(), Error> {
        self.run(&format!("DELETE FROM {table}")).await
    }

    /// The load of this kind into a table, judged but for its keys, and whether the table has a
    /// key as one for markers has.
    pub(super) async fn look(
        &mut self,
        table: &str,
        kind: LoadKind,
    ) -> Result<(TableLoad, bool), LoadError> {
        let rows = self.rows(TARGET, &[Some(table)]).await?;
        let Some(row) = rows.first() else {
            return Err(LoadError::NoTable(table.to_owned()));
        };
        let reason = match row.get("problem") {
            None => None,
            Some("kind") => Some("it is a view, or no table at all"),
            Some(_) => Some("it has rules, which make other statements of a load"),
        };
        if let Some(reason) = reason {
            return Err(LoadError::NotLoadable {
                table: table.to_owned(),
                reason,
            });
        }
        if let (LoadKind::Overwrite, Some(other)) = (&kind, row.get("goes_with_it")) {
            return Err(LoadError::TakesOthers {
                table: row.text("name"),
                other: other.to_owned(),
            });
        }
        let id = row.number("id").unwrap_or_default();
        let allowed = self.database.allowed();
        let session = self.lease.session();
        let judged = judge::judge_load(session, id, kind.events(), &allowed).await;
        self.note_judged(judged)?;
        let load = TableLoad {
            table: row.text("name"),
            kind,
        };
        Ok((load, row.get("has_key") == Some("true")))
    }
}
