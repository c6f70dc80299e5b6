//! One load: Spark's batches on their way into a table. PostgreSQL is asked for nothing before the
//! result is known to fit, and keeps nothing unless Spark has sent all of it.

use arrow_array::RecordBatch;
use tokio::sync::mpsc;

use super::Mode;
use crate::call::Call;
use crate::copy_format::{ColumnSummary, CopyWriter, LoadPlan, Misfit, created_columns};
use crate::postgres::{
    BegunLoad, CopyForm, Database, LoadKind, NewColumn, NewTable, TableLoad, WriteTransaction,
};
use crate::spark::connect::Event;
use crate::tools::ToolFailure;

/// Bytes that are written before they are sent: enough that PostgreSQL is never waited for.
const SLICE: usize = 256 << 10;

/// One load: where it goes, and how.
pub(super) struct Load<'a> {
    pub(super) database: Database,
    pub(super) call: &'a Call,
    /// The table, whose primary key are the keys of the load; it has no columns yet.
    pub(super) table: NewTable,
    pub(super) mode: Mode,
}

/// A load that PostgreSQL has taken and not yet kept.
pub(super) struct Loaded {
    transaction: WriteTransaction,
    begun: BegunLoad,
    writer: CopyWriter,
    rows: u64,
    bytes: u64,
}

/// A load that is kept.
pub(super) struct Done {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) columns: Vec<ColumnSummary>,
}

impl Load<'_> {
    /// Checks that there is a table that can be loaded into, before Spark does anything.
    pub(super) async fn check(&self) -> Result<(), ToolFailure> {
        let mut transaction = self.database.write().await?;
        let checked = match self.mode {
            Mode::Create => Ok(()),
            _ => self.judge(&mut transaction).await.map(|_| ()),
        };
        transaction.roll_back().await;
        checked
    }

    /// The load into the table, which is there by then.
    async fn judge(&self, transaction: &mut WriteTransaction) -> Result<TableLoad, ToolFailure> {
        let kind = match self.mode {
            Mode::Append | Mode::Create => LoadKind::Append,
            Mode::Overwrite => LoadKind::Overwrite,
            Mode::Upsert => LoadKind::Upsert {
                keys: self.table.primary_key.clone(),
            },
        };
        Ok(transaction
            .judge_load(&self.table.full_name(), kind)
            .await?)
    }

    /// Takes Spark's batches until there are no more.
    pub(super) async fn take(
        &self,
        mut events: mpsc::Receiver<Event>,
    ) -> Result<Loaded, ToolFailure> {
        let mut loaded: Option<Loaded> = None;
        let mut reported = 0;
        while let Some(event) = events.recv().await {
            match event {
                Event::Columns(_) => {}
                Event::Progress(progress) => {
                    let rows = loaded
                        .as_ref()
                        .map_or(0, |loaded| loaded.writer.row_count());
                    self.report(rows, progress.tasks_done, &mut reported).await;
                }
                Event::Batch(batch) => {
                    let mut taken = match loaded.take() {
                        Some(loaded) => loaded,
                        None => self.begin(&batch).await?,
                    };
                    taken.send(&batch).await?;
                    self.report(taken.writer.row_count(), 0, &mut reported)
                        .await;
                    loaded = Some(taken);
                }
            }
        }
        let mut loaded = loaded
            .ok_or_else(|| ToolFailure::new("spark_error", "Spark has sent no result to load"))?;
        loaded.end().await?;
        Ok(loaded)
    }

    /// Tells the client of rows and tasks; their sum grows from report to report.
    async fn report(&self, rows: u64, tasks: u64, reported: &mut u64) {
        let done = rows + tasks;
        if self.call.progress.is_heard() && done > *reported {
            *reported = done;
            let message = format!("{rows} rows loaded, {tasks} tasks done");
            self.call
                .progress
                .report(done as f64, None, Some(message))
                .await;
        }
    }

    /// Finds out how the result fits, and begins the load.
    async fn begin(&self, first: &RecordBatch) -> Result<Loaded, ToolFailure> {
        let schema = first.schema_ref();
        let mut transaction = self.database.write().await?;
        transaction.without_time_limit().await?;
        if self.mode == Mode::Create {
            let columns = created_columns(schema)?.into_iter();
            let columns = columns.map(|(name, type_name)| NewColumn {
                name,
                type_name,
                ..NewColumn::default()
            });
            let table = NewTable {
                columns: columns.collect(),
                ..self.table.clone()
            };
            let unknown = |key: &&String| !table.columns.iter().any(|c| c.name == **key);
            if let Some(key) = table.primary_key.iter().find(unknown) {
                return Err(Misfit::Unknown(key.clone()).into());
            }
            transaction.make_table(&table).await?;
        }
        let load = self.judge(&mut transaction).await?;
        let columns = transaction.load_columns(&load).await?;
        let plan = LoadPlan::new(schema, &columns)?;
        let columns = plan.names().map(ToOwned::to_owned).collect();
        let begun = transaction.begin_load(load, columns).await?;
        transaction.begin_copy(&begun, CopyForm::Binary).await?;
        let mut loaded = Loaded {
            transaction,
            begun,
            writer: CopyWriter::new(plan),
            rows: 0,
            bytes: 0,
        };
        let mut header = Vec::new();
        loaded.writer.begin(&mut header);
        loaded.send_bytes(&header).await?;
        Ok(loaded)
    }
}

impl Loaded {
    async fn send(&mut self, batch: &RecordBatch) -> Result<(), ToolFailure> {
        let mut from = 0;
        let mut out = Vec::with_capacity(SLICE + SLICE / 8);
        while from < batch.num_rows() {
            out.clear();
            from = self.writer.rows(batch, from, SLICE, &mut out)?;
            self.send_bytes(&out).await?;
        }
        Ok(())
    }

    async fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), ToolFailure> {
        self.transaction.copy(bytes).await?;
        self.bytes += u64::try_from(bytes.len()).unwrap_or_default();
        Ok(())
    }

    async fn end(&mut self) -> Result<(), ToolFailure> {
        let mut trailer = Vec::new();
        self.writer.end(&mut trailer);
        self.send_bytes(&trailer).await?;
        self.rows = self.transaction.end_copy().await?;
        Ok(())
    }

    /// Keeps what was loaded, once Spark has said that it was all.
    pub(super) async fn finish(mut self, call: &Call) -> Result<Done, ToolFailure> {
        let end = self.transaction.end_load(self.begun, self.rows);
        let rows = call.unless_cancelled(end).await??;
        self.transaction.commit().await?;
        Ok(Done {
            rows,
            bytes: self.bytes,
            columns: self.writer.summaries(),
        })
    }
}
