//! Names of schemas and tables, for lists and for whoever completes one.

use super::asking::Asked;
use crate::{Database, Error};

impl Database {
    /// The first `most` schemas but the system's, by name: those that begin with `prefix`, from the
    /// one after `after`.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached, is too busy, or refuses to read this ([`Error`]).
    pub async fn schema_names(
        &self,
        prefix: Option<&str>,
        after: Option<&str>,
        most: u32,
    ) -> Result<Vec<String>, Error> {
        let most = most.to_string();
        self.names(SCHEMAS, &[prefix, after, Some(&most)]).await
    }

    /// The first `most` tables and views that begin with `prefix`, by name: with their schema,
    /// where that is not `public`.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached, is too busy, or refuses to read this ([`Error`]).
    pub async fn table_names(&self, prefix: &str, most: u32) -> Result<Vec<String>, Error> {
        let most = most.to_string();
        self.names(TABLES, &[Some(prefix), Some(&most)]).await
    }

    async fn names(
        &self,
        sql: &'static str,
        parameters: &[Option<&str>],
    ) -> Result<Vec<String>, Error> {
        let question = self.question(sql, parameters);
        if let Some(names) = self.known_answer(&question).await {
            return Ok(names);
        }
        let lease = self.lease(&self.catalogue).await?;
        self.in_time(lease.begun, async {
            let mut asking = match self.ask(lease, question).await? {
                Asked::Known(names) => return Ok(names),
                Asked::Anew(asking) => asking,
            };
            let rows = asking.transaction.rows(sql, parameters).await;
            let names = rows.map(|rows| rows.iter().map(|row| row.text("name")).collect());
            asking.end(names).await
        })
        .await
    }
}

const SCHEMAS: &str = "
SELECT n.nspname::text AS name
FROM pg_catalog.pg_namespace n
WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
  AND ($1::text IS NULL OR pg_catalog.starts_with(n.nspname::text, $1::text))
  AND ($2::text IS NULL OR n.nspname::text COLLATE \"C\" > $2::text)
ORDER BY n.nspname::text COLLATE \"C\"
LIMIT $3::bigint";

const TABLES: &str = "
SELECT t.name
FROM (SELECT CASE WHEN n.nspname = 'public' THEN c.relname::text
                  ELSE n.nspname || '.' || c.relname END AS name
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema'
        AND n.nspname NOT LIKE 'pg\\_%') t
WHERE pg_catalog.starts_with(t.name, $1::text)
ORDER BY t.name COLLATE \"C\"
LIMIT $2::bigint";
