//! One load: Spark's batches on their way into a table. PostgreSQL is asked for nothing before the
//! result is known to fit, and keeps nothing unless Spark has sent all of it.

use arrow_array::RecordBatch;
use tokio::sync::mpsc;

use super::Mode;
use crate::call::Call;
use crate::copy_format::{ColumnSummary, CopyWriter, LoadPlan, Misfit, created_columns};
use crate::postgres::{
    CopyForm, Database, LoadKind, LoadTarget, NewColumn, NewTable, WriteTransaction,
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
    target: LoadTarget,
    columns: Vec<String>,
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

impl Mode {
    /// The changes to the rows of the table, which is there by then.
    fn kind(self) -> LoadKind {
        match self {
            Self::Append | Self::Create => LoadKind::Append,
            Self::Overwrite => LoadKind::Overwrite,
            Self::Upsert => LoadKind::Upsert,
        }
    }
}

impl Load<'_> {
    /// Checks that there is a table that can be loaded into, before Spark does anything.
    pub(super) async fn check(&self) -> Result<(), ToolFailure> {
        let mut transaction = self.database.write().await?;
        let checked = match self.mode {
            Mode::Create => Ok(()),
            _ => self.target(&mut transaction).await.map(|_| ()),
        };
        transaction.roll_back().await;
        checked
    }

    async fn target(&self, transaction: &mut WriteTransaction) -> Result<LoadTarget, ToolFailure> {
        let table = self.table.full_name();
        let target = transaction.target(&table, self.mode.kind()).await?;
        if self.mode == Mode::Upsert {
            let keys = &self.table.primary_key;
            transaction.check_key(&target, keys).await?;
        }
        Ok(target)
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
        let keys = &self.table.primary_key;
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
            if let Some(key) = keys.iter().find(unknown) {
                return Err(Misfit::Unknown(key.clone()).into());
            }
            transaction.make_table(&table).await?;
        }
        let target = self.target(&mut transaction).await?;
        let columns = transaction.load_columns(&target).await?;
        let plan = LoadPlan::new(schema, &columns)?;
        let columns: Vec<String> = plan.names().map(ToOwned::to_owned).collect();
        if let Some(key) = keys.iter().find(|key| !columns.contains(key)) {
            return Err(Misfit::Missing(key.clone()).into());
        }
        let table = match self.mode {
            Mode::Append | Mode::Create => target.name(),
            Mode::Overwrite => {
                transaction.empty(&target).await?;
                target.name()
            }
            Mode::Upsert => transaction.begin_upsert(&target, &columns).await?,
        };
        transaction
            .begin_copy(table, &columns, CopyForm::Binary)
            .await?;
        let mut loaded = Loaded {
            transaction,
            target,
            columns,
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
    pub(super) async fn finish(mut self, load: &Load<'_>) -> Result<Done, ToolFailure> {
        if load.mode == Mode::Upsert {
            let keys = &load.table.primary_key;
            let run = self.transaction.upsert(&self.target, &self.columns, keys);
            self.rows = load.call.unless_cancelled(run).await??;
        }
        self.transaction.commit().await?;
        Ok(Done {
            rows: self.rows,
            bytes: self.bytes,
            columns: self.writer.summaries(),
        })
    }
}
