//! Marks of what was done, in a table of the same database: a repeated effect happens once.

use super::WriteTransaction;
use super::load_error::LoadError;
use super::loading::{LoadKind, TableLoad};

impl WriteTransaction {
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
            markers.table()
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
        let sql = format!(
            "INSERT INTO {} (key, rows) VALUES ($1, $2)",
            markers.table()
        );
        let statement = self.prepare(&sql).await?;
        self.execute(&statement, &[Some(key), Some(&rows.to_string())])
            .await?;
        Ok(())
    }

    async fn markers(&mut self, table: &str) -> Result<TableLoad, LoadError> {
        match self.look(table, LoadKind::Append).await {
            Ok((markers, true)) => Ok(markers),
            Ok((_, false)) | Err(LoadError::NoTable(_)) => {
                Err(LoadError::NoMarkers(table.to_owned()))
            }
            Err(error) => Err(error),
        }
    }
}
