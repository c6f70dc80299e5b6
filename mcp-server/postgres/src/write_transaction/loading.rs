//! Loading rows into a table that is there: an INSERT that this program composes, in whose one
//! value the rows travel as JSON.
//!
//! A load is judged as a change is: the defaults of the table, and whatever hangs on it, call
//! nothing that is not harmless. A table with rules is refused.

use super::super::Error;
use super::WriteTransaction;
use crate::judge;
use crate::judge::tree::{DELETE, INSERT, UPDATE};
use crate::new_table::quoted_names;

/// A table that rows can be loaded into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadTarget(String);

impl LoadTarget {
    /// The name with its schema, quoted.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// The changes that a load makes to the rows of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadKind {
    /// Rows come to those there are.
    Append,
    /// All rows go, and others come.
    Overwrite,
    /// Rows come, and those with the same keys change.
    Upsert,
}

impl LoadKind {
    /// The events that fire the table's triggers, as `pg_trigger.tgtype` has them.
    fn events(self) -> i16 {
        match self {
            Self::Append => INSERT,
            Self::Overwrite => INSERT | DELETE,
            Self::Upsert => INSERT | UPDATE,
        }
    }
}

/// Why rows cannot be loaded into a table.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such table for this login.
    #[error("there is no table `{0}`")]
    NoTable(String),
    /// It is no table, or more would happen than a load.
    #[error("`{table}` cannot be loaded into: {reason}")]
    NotLoadable {
        /// The name, as given.
        table: String,
        /// Why not, as the end of the sentence.
        reason: &'static str,
    },
    /// All rows of it would go, and with them rows of another table would go or change.
    #[error("{table} cannot be emptied: rows of {other} would go or change with its rows")]
    TakesOthers {
        /// The name of the table, quoted.
        table: String,
        /// The name of one other, quoted.
        other: String,
    },
    /// Rows with the same keys cannot be found in it.
    #[error("no unique index of {table} has just these columns: {keys}")]
    NoKey {
        /// The name of the table, quoted.
        table: String,
        /// The names of the columns, with commas between them.
        keys: String,
    },
    /// A table for markers is not one.
    #[error(
        "`{0}` is no table for markers; make it so: CREATE TABLE {0} (key text PRIMARY KEY, \
         rows bigint NOT NULL, done_at timestamptz NOT NULL DEFAULT now())"
    )]
    NoMarkers(String),
    /// PostgreSQL refused a statement, or cannot be reached.
    #[error(transparent)]
    Database(#[from] Error),
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
    /// Looks at a table that rows are to be loaded into, and judges what a load calls there.
    ///
    /// # Errors
    /// There is no such table, or it cannot be loaded into, with the reason.
    pub async fn target(&mut self, table: &str, kind: LoadKind) -> Result<LoadTarget, LoadError> {
        Ok(self.look(table, kind).await?.0)
    }

    /// Whether an earlier transaction has marked `key` as done. One that has set its mark and not
    /// ended yet is waited for, however long that takes; this one ends.
    ///
    /// # Errors
    /// The table is none for markers, or PostgreSQL refuses the look.
    pub async fn is_marked(mut self, table: &str, key: &str) -> Result<bool, LoadError> {
        let is_marked = self.try_to_mark(table, key).await.map(|is_new| !is_new);
        self.roll_back().await;
        is_marked
    }

    /// Only an INSERT waits for a transaction whose own mark nobody sees yet.
    async fn try_to_mark(&mut self, table: &str, key: &str) -> Result<bool, LoadError> {
        let markers = self.markers(table).await?;
        self.without_time_limit().await?;
        self.run("SET LOCAL lock_timeout = 0").await?;
        let sql = format!(
            "INSERT INTO {} (key, rows) VALUES ($1, 0) ON CONFLICT DO NOTHING RETURNING key",
            markers.0
        );
        let statement = self.prepare(&sql).await?;
        Ok(self.execute(&statement, &[Some(key)]).await? > 0)
    }

    /// Marks `key` as done, with the rows that were loaded. Of two transactions that do so one
    /// fails.
    ///
    /// # Errors
    /// The table is none for markers, or PostgreSQL refuses the row.
    pub async fn mark(&mut self, table: &str, key: &str, rows: u64) -> Result<(), LoadError> {
        let markers = self.markers(table).await?;
        let sql = format!("INSERT INTO {} (key, rows) VALUES ($1, $2)", markers.0);
        let statement = self.prepare(&sql).await?;
        self.execute(&statement, &[Some(key), Some(&rows.to_string())])
            .await?;
        Ok(())
    }

    /// Takes all rows out of a table, which [`WriteTransaction::target`] has looked at for that: no
    /// other table changes with it.
    ///
    /// # Errors
    /// PostgreSQL refuses to delete the rows: a key elsewhere may refer to them.
    pub async fn empty(&mut self, target: &LoadTarget) -> Result<(), LoadError> {
        Ok(self.run(&format!("DELETE FROM {}", target.0)).await?)
    }

    /// Prepares the loading of rows with these columns, which fit `target`, into a table of those
    /// columns: itself, or the one in which they wait. [`WriteTransaction::load`] takes its name.
    ///
    /// # Errors
    /// The table lacks one of the columns, or PostgreSQL refuses the statement.
    pub async fn prepare_load(
        &mut self,
        target: &LoadTarget,
        into: &str,
        columns: &[String],
    ) -> Result<String, LoadError> {
        let (table, columns) = (&target.0, quoted_names(columns));
        let sql = format!(
            "INSERT INTO {into} ({columns}) SELECT {columns}
             FROM pg_catalog.json_populate_recordset(NULL::{table}, $1::pg_catalog.json)"
        );
        Ok(self.prepare(&sql).await?)
    }

    /// Loads rows, which `rows` has as a JSON array of objects.
    ///
    /// # Errors
    /// PostgreSQL refuses a row: its type, a constraint or a time limit.
    pub async fn load(&mut self, statement: &str, rows: &str) -> Result<(), LoadError> {
        self.execute(statement, &[Some(rows)]).await?;
        Ok(())
    }

    async fn look(&mut self, table: &str, kind: LoadKind) -> Result<(LoadTarget, bool), LoadError> {
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
        if let (LoadKind::Overwrite, Some(other)) = (kind, row.get("goes_with_it")) {
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
        let name = row.text("name");
        Ok((LoadTarget(name), row.get("has_key") == Some("true")))
    }

    async fn markers(&mut self, table: &str) -> Result<LoadTarget, LoadError> {
        match self.look(table, LoadKind::Append).await {
            Ok((markers, true)) => Ok(markers),
            Ok((_, false)) | Err(LoadError::NoTable(_)) => {
                Err(LoadError::NoMarkers(table.to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    async fn prepare(&mut self, sql: &str) -> Result<String, Error> {
        let session = self.lease.session();
        let name = session.fresh_name();
        session.send_parse(&name, sql, &[])?;
        session.flush().await?;
        let reply = session.reply().await;
        if reply.is_ok() {
            session.forget_later(name.clone());
        }
        self.note(reply)?;
        Ok(name)
    }

    /// Runs a prepared statement; how many rows it gives back.
    async fn execute(
        &mut self,
        statement: &str,
        parameters: &[Option<&str>],
    ) -> Result<usize, Error> {
        let session = self.lease.session();
        session.send_execute(statement, parameters, 0)?;
        session.flush().await?;
        let reply = session.reply().await;
        Ok(self.note(reply)?.rows.len())
    }
}
