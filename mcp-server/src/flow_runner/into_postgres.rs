//! Rows into a table of PostgreSQL, and statements that change rows there: one transaction.

use orchestrator::{StepCall, StepProgress};

use super::csv_rows::CsvRows;
use super::rows::{JsonLines, Rows};
use super::source;
use crate::pipelines::{FileFormat, IntoPostgres, LoadMode};
use crate::postgres::{BegunLoad, CopyForm, Database, LoadKind, TableLoad, WriteTransaction};
use crate::results::{FileForm, FileRows};
use crate::tools::ToolFailure;
use crate::tools::pipeline_changes::change;

/// Bytes of the rows of one INSERT. Each costs a round trip; PostgreSQL holds one several times
/// over while it reads the JSON.
const INSERTED: usize = 1 << 20;

/// Bytes of CSV that are read before they are sent: enough that PostgreSQL is never waited for.
const COPIED: usize = 256 << 10;

/// The changes of a flow in a database.
pub(super) struct IntoDatabase<'a> {
    pub(super) call: &'a StepCall,
    pub(super) database: Database,
    pub(super) into: &'a IntoPostgres,
}

impl IntoDatabase<'_> {
    /// Whether another attempt has made the changes, and could not say so. One that is keeping them
    /// is waited for.
    pub(super) async fn is_done_already(&self) -> Result<bool, ToolFailure> {
        let Some(markers) = &self.into.marker_table else {
            return Ok(false);
        };
        let transaction = self.database.write().await?;
        Ok(transaction.is_marked(markers, &self.call.key()).await?)
    }

    /// Judges the statements, before anything is read or written.
    pub(super) async fn judge_statements(&self) -> Result<(), ToolFailure> {
        for statement in &self.into.statements {
            let change = change(statement, &[], self.into.confirmed, false);
            self.database.judge_change(&change).await?;
        }
        Ok(())
    }

    /// Loads the rows, if there are any, and runs the statements: how many rows were loaded, or
    /// changed where none are, in a transaction that is to be kept.
    pub(super) async fn run(
        &self,
        rows: Option<Rows>,
    ) -> Result<(WriteTransaction, u64), ToolFailure> {
        let mut transaction = self.database.write().await?;
        // The time of the stage is the limit.
        transaction.without_time_limit().await?;
        let loaded = match (&self.into.table, rows) {
            (Some(table), Some(rows)) => Some(self.load(&mut transaction, table, rows).await?),
            _ => None,
        };
        let mut changed = 0;
        let last = self.into.statements.len().saturating_sub(1);
        for (at, statement) in self.into.statements.iter().enumerate() {
            let values = source::values(self.call, &statement.bind);
            let mut nowhere = FileRows::new(std::io::sink(), FileForm::Csv, u64::MAX);
            let change = change(statement, &values, self.into.confirmed, at == last);
            changed += transaction
                .change(&change, &mut nowhere)
                .await?
                .affected_rows;
        }
        let rows = loaded.unwrap_or(changed);
        if let Some(markers) = &self.into.marker_table {
            transaction.mark(markers, &self.call.key(), rows).await?;
        }
        Ok((transaction, rows))
    }

    async fn load(
        &self,
        transaction: &mut WriteTransaction,
        table: &str,
        rows: Rows,
    ) -> Result<u64, ToolFailure> {
        let kind = match self.into.mode {
            LoadMode::Append => LoadKind::Append,
            LoadMode::Overwrite => LoadKind::Overwrite,
            LoadMode::Upsert => LoadKind::Upsert {
                keys: self.into.keys.clone(),
            },
        };
        let load = transaction.judge_load(table, kind).await?;
        let (begun, rows) = match rows.format {
            FileFormat::Ndjson => match self.insert(transaction, load, rows).await? {
                Some(loaded) => loaded,
                None => return Ok(0),
            },
            FileFormat::Csv => self.copy(transaction, load, rows).await?,
        };
        if begun.is_waiting() {
            self.tell(rows, "fits in");
        }
        Ok(transaction.end_load(begun, rows).await?)
    }

    /// Inserts rows of JSON; the load to end and how many rows it was given, unless there are none.
    async fn insert(
        &self,
        transaction: &mut WriteTransaction,
        load: TableLoad,
        rows: Rows,
    ) -> Result<Option<(BegunLoad, u64)>, ToolFailure> {
        let mut lines = JsonLines::new(rows.file);
        let Some(first) = lines.next_slice(INSERTED)? else {
            transaction.load_nothing(load).await?;
            return Ok(None);
        };
        let mut begun = transaction.begin_load(load, lines.columns.clone()).await?;
        let mut next = Some(first);
        while let Some(slice) = next {
            transaction.insert_rows(&mut begun, &slice).await?;
            self.tell(lines.rows, "loaded");
            next = lines.next_slice(INSERTED)?;
        }
        Ok(Some((begun, lines.rows)))
    }

    /// Sends rows of CSV; the load to end, and how many rows it was given.
    async fn copy(
        &self,
        transaction: &mut WriteTransaction,
        load: TableLoad,
        rows: Rows,
    ) -> Result<(BegunLoad, u64), ToolFailure> {
        let mut lines = CsvRows::new(rows.file)?;
        let begun = transaction.begin_load(load, lines.columns.clone()).await?;
        transaction.begin_copy(&begun, CopyForm::Csv).await?;
        loop {
            let slice = lines.next_slice(COPIED)?;
            if slice.is_empty() {
                break;
            }
            transaction.copy(&slice).await?;
        }
        let rows = transaction.end_copy().await?;
        self.tell(rows, "loaded");
        Ok((begun, rows))
    }

    fn tell(&self, rows: u64, verb: &str) {
        self.call.progress.tell(StepProgress {
            percent: None,
            rows: i64::try_from(rows).ok(),
            message: format!("{verb} {rows} rows"),
        });
    }
}
