//! Loading rows into a table that is there: an INSERT that this program composes, in whose one
//! value the rows travel as JSON.
//!
//! A load calls nothing but PostgreSQL's own code: a table with triggers or rules, or whose checks,
//! defaults, indexes or domains call functions of the database's own, is refused.

use super::super::Error;
use super::WriteTransaction;

/// A table that rows can be loaded into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadTarget(String);

impl LoadTarget {
    /// The name with its schema, quoted.
    pub fn name(&self) -> &str {
        &self.0
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
SELECT pg_catalog.quote_ident(namespace.nspname) || '.' || pg_catalog.quote_ident(class.relname)
         AS name,
       CASE
         WHEN class.relkind NOT IN ('r', 'p') THEN 'kind'
         WHEN namespace.nspname IN ('pg_catalog', 'information_schema', 'pg_toast', 'portcullis')
           THEN 'own'
         WHEN EXISTS (SELECT FROM pg_catalog.pg_trigger
                      WHERE NOT tgisinternal AND tgrelid = ANY (tables.ids)) THEN 'trigger'
         WHEN EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE ev_class = ANY (tables.ids))
           THEN 'rule'
         WHEN EXISTS (
           SELECT FROM pg_catalog.pg_depend AS depend
           WHERE depend.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
             AND depend.refobjid >= 16384
             AND (depend.classid, depend.objid) IN (
               SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, oid
               FROM pg_catalog.pg_constraint WHERE conrelid = ANY (tables.ids)
                 OR contypid IN (SELECT atttypid FROM pg_catalog.pg_attribute
                                 WHERE attrelid = ANY (tables.ids))
               UNION ALL
               SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass::pg_catalog.oid, oid
               FROM pg_catalog.pg_attrdef WHERE adrelid = ANY (tables.ids)
               UNION ALL
               SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, indexrelid
               FROM pg_catalog.pg_index WHERE indrelid = ANY (tables.ids))) THEN 'function'
       END AS problem,
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
    /// Looks at a table that rows are to be loaded into.
    ///
    /// # Errors
    /// There is no such table, or it cannot be loaded into, with the reason.
    pub async fn target(&mut self, table: &str) -> Result<LoadTarget, LoadError> {
        Ok(self.look(table).await?.0)
    }

    /// Whether `key` is marked in a table for markers as done.
    ///
    /// # Errors
    /// The table is none for markers, or PostgreSQL refuses to read it.
    pub async fn is_marked(&mut self, table: &str, key: &str) -> Result<bool, LoadError> {
        let markers = self.markers(table).await?;
        let sql = format!("SELECT FROM {} WHERE key = $1", markers.0);
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

    /// Takes all rows out of a table.
    ///
    /// # Errors
    /// PostgreSQL refuses to delete the rows: a key elsewhere may refer to them.
    pub async fn empty(&mut self, target: &LoadTarget) -> Result<(), LoadError> {
        Ok(self.run(&format!("DELETE FROM {}", target.0)).await?)
    }

    /// Prepares the loading of rows with these columns; [`WriteTransaction::load`] takes its name.
    ///
    /// # Errors
    /// The table lacks one of the columns, or PostgreSQL refuses the statement.
    pub async fn prepare_load(
        &mut self,
        target: &LoadTarget,
        columns: &[String],
    ) -> Result<String, LoadError> {
        let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
        let columns: Vec<String> = columns.iter().map(quoted).collect();
        let (table, columns) = (&target.0, columns.join(", "));
        let sql = format!(
            "INSERT INTO {table} ({columns}) SELECT {columns}
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

    async fn look(&mut self, table: &str) -> Result<(LoadTarget, bool), LoadError> {
        let rows = self.rows(TARGET, &[Some(table)]).await?;
        let Some(row) = rows.first() else {
            return Err(LoadError::NoTable(table.to_owned()));
        };
        let reason = match row.get("problem") {
            None => None,
            Some("kind") => Some("it is a view, or no table at all"),
            Some("own") => Some("it is in a schema of PostgreSQL's or of this server's own"),
            Some("trigger") => Some("it has triggers, and who loads rows would call them"),
            Some("rule") => Some("it has rules, which make other statements of a load"),
            Some(_) => Some(
                "its checks, defaults, indexes or domains call functions of the database's own",
            ),
        };
        if let Some(reason) = reason {
            return Err(LoadError::NotLoadable {
                table: table.to_owned(),
                reason,
            });
        }
        let name = row.get("name").unwrap_or_default().to_owned();
        Ok((LoadTarget(name), row.get("has_key") == Some("true")))
    }

    async fn markers(&mut self, table: &str) -> Result<LoadTarget, LoadError> {
        match self.look(table).await {
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
