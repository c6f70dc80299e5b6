//! Rows into a destination, as a whole or not at all.

use std::fs::File;
use std::io::{BufRead as _, BufReader};

use orchestrator::{StepCall, StepProgress};
use serde_json::{Map, Value};

use super::{files, source};
use crate::config::Access;
use crate::pipelines::{FileFormat, Flow, LoadMode};
use crate::postgres::{Database, LoadKind};
use crate::results::{FileForm, FileRows};
use crate::services::Services;
use crate::tools::ToolFailure;

/// Bytes of the rows of one INSERT. Each costs a round trip; PostgreSQL holds one several times
/// over while it reads the JSON.
const SLICE: usize = 1 << 20;

/// Bytes of one row of a file.
const LONGEST_LINE: u64 = 16 << 20;

/// Writes the rows of a flow into a file.
pub(super) async fn into_file(
    services: &Services,
    call: &StepCall,
    flow: &Flow,
    path: &str,
    format: FileFormat,
) -> Result<u64, ToolFailure> {
    let (replacement, file) = files::Replacement::begin(services, call, path)?;
    let form = match format {
        FileFormat::Ndjson => FileForm::Objects,
        FileFormat::Csv => FileForm::Csv,
    };
    let (file, rows) = source::into_rows(services, call, flow, file, form).await?;
    replacement.finish(&file)?;
    Ok(rows)
}

/// Has Spark write the rows of a flow into one of its tables. It does not say how many they were.
pub(super) async fn into_spark(
    services: &Services,
    call: &StepCall,
    flow: &Flow,
    table: &str,
    mode: LoadMode,
) -> Result<Option<u64>, ToolFailure> {
    if services.pipelines.spark() == Access::Read {
        return Err(ToolFailure::new("read_only", "Spark SQL only reads here")
            .with_hint("the operator opens it with SPARK_ALLOW_WRITES"));
    }
    let quoted = |part: &str| format!("`{}`", part.trim_matches('`').replace('`', "``"));
    let table: Vec<String> = table.split('.').map(quoted).collect();
    let insert = match mode {
        LoadMode::Append => "INSERT INTO",
        LoadMode::Overwrite => "INSERT OVERWRITE TABLE",
    };
    let before = format!("{insert} {}\n", table.join("."));
    // A statement that writes gives no rows.
    let mut nothing = FileRows::new(std::io::sink(), FileForm::Objects, 0);
    source::run_in_spark(services, call, flow, &before, &mut nothing).await?;
    Ok(None)
}

/// A load into a table of PostgreSQL.
pub(super) struct Load<'a> {
    pub(super) call: &'a StepCall,
    pub(super) database: Database,
    pub(super) table: &'a str,
    pub(super) mode: LoadMode,
    pub(super) marker_table: Option<&'a str>,
}

impl Load<'_> {
    /// Whether an earlier attempt has loaded the rows, and could not say so.
    pub(super) async fn is_done_already(&self) -> Result<bool, ToolFailure> {
        let Some(markers) = self.marker_table else {
            return Ok(false);
        };
        let mut transaction = self.database.write().await?;
        let is_marked = transaction.is_marked(markers, &self.call.key()).await;
        transaction.roll_back().await;
        is_marked.map_err(ToolFailure::from)
    }

    /// Loads the rows of a file of JSON objects; how many they were.
    pub(super) async fn run(&self, file: File) -> Result<u64, ToolFailure> {
        let mut transaction = self.database.write().await?;
        let kind = match self.mode {
            LoadMode::Append => LoadKind::Append,
            LoadMode::Overwrite => LoadKind::Overwrite,
        };
        let target = transaction.target(self.table, kind).await;
        let target = target.map_err(ToolFailure::from)?;
        if self.mode == LoadMode::Overwrite {
            transaction
                .empty(&target)
                .await
                .map_err(ToolFailure::from)?;
        }
        let mut lines = Lines::new(file);
        let mut statement = None;
        while let Some(slice) = lines.next_slice()? {
            let prepared = match &statement {
                Some(prepared) => prepared,
                None => {
                    let prepared = transaction.prepare_load(&target, &lines.columns).await;
                    statement.insert(prepared.map_err(ToolFailure::from)?)
                }
            };
            let loaded = transaction.load(prepared, &slice).await;
            loaded.map_err(ToolFailure::from)?;
            self.call.progress.tell(StepProgress {
                percent: None,
                rows: i64::try_from(lines.rows).ok(),
                message: format!("loaded {} rows", lines.rows),
            });
        }
        if let Some(markers) = self.marker_table {
            let key = self.call.key();
            let marked = transaction.mark(markers, &key, lines.rows).await;
            marked.map_err(ToolFailure::from)?;
        }
        transaction.commit().await?;
        Ok(lines.rows)
    }
}

/// The lines of a file of JSON objects, which all have the keys of the first one or fewer.
struct Lines {
    reader: BufReader<File>,
    columns: Vec<String>,
    rows: u64,
}

impl Lines {
    fn new(file: File) -> Self {
        Self {
            reader: BufReader::new(file),
            columns: Vec::new(),
            rows: 0,
        }
    }

    /// The next rows as one JSON array; nothing at the end.
    fn next_slice(&mut self) -> Result<Option<String>, ToolFailure> {
        let mut slice = String::from("[");
        while slice.len() < SLICE {
            let Some(line) = self.next_line()? else {
                break;
            };
            if slice.len() > 1 {
                slice.push(',');
            }
            slice.push_str(&line);
        }
        slice.push(']');
        Ok((slice.len() > 2).then_some(slice))
    }

    fn next_line(&mut self) -> Result<Option<String>, ToolFailure> {
        loop {
            let mut line = String::new();
            let mut limited = std::io::Read::take(&mut self.reader, LONGEST_LINE);
            let read = limited.read_line(&mut line);
            let read = read.map_err(|error| files::failure("the file cannot be read", &error))?;
            if read == 0 {
                return Ok(None);
            }
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            self.check(line)?;
            self.rows += 1;
            return Ok(Some(line.to_owned()));
        }
    }

    fn check(&mut self, line: &str) -> Result<(), ToolFailure> {
        let number = self.rows + 1;
        let object: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
            ToolFailure::invalid_arguments(format!(
                "row {number} of the file is no JSON object of at most {LONGEST_LINE} bytes: \
                 {error}"
            ))
        })?;
        if self.rows == 0 {
            self.columns = object.keys().cloned().collect();
        }
        if let Some(key) = object.keys().find(|key| !self.columns.contains(key)) {
            return Err(ToolFailure::invalid_arguments(format!(
                "row {number} of the file has `{key}`, which the first row has not: give the first \
                 row every key, null where it has no value"
            )));
        }
        Ok(())
    }
}
