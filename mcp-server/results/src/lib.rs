//! Results on their way from a port to a caller: columns, then rows as they arrive.
//!
//! A port (PostgreSQL, Spark) writes into a [`RowSink`], cell by cell, and stops when that is
//! full. The sink decides on the form: [`JsonRows`] keeps bytes within [`Limits`],
//! [`TextForModels`] keeps what a model reads, [`RowWriter`] writes rows that follow each other
//! for the sinks of the crate `kept-results`. No row becomes a tree of values, and none is written
//! twice in the same form. [`RawJson`] and [`RawObject`] carry what was written on to the wire.

mod arrow_stream;
mod batched_rows;
mod csv_rows;
mod file_rows;
mod json_rows;
mod raw_json;
mod row_writer;
mod text_for_models;

use std::io;

pub use arrow_stream::ArrowStream;
pub use batched_rows::BatchedRows;
pub use file_rows::{FileForm, FileRows};
pub use json_rows::JsonRows;
pub use raw_json::write_string;
pub use raw_json::{RawJson, RawObject};
pub use row_writer::{RowForm, RowWriter};
pub use text_for_models::{TextForModels, WithText, count_rows};

use arrow_array::RecordBatch;
use serde::Serialize;

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its name; names may repeat.
    pub name: String,
    /// Its type, as the SQL of its database writes it.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// The most that a result may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows of the result.
    pub rows: usize,
    /// Bytes of the rows in their form.
    pub bytes: usize,
}

/// The limit that ended a result early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Truncation {
    /// There were more rows than [`Limits::rows`].
    Rows,
    /// The rows had more bytes than [`Limits::bytes`].
    Bytes,
}

impl Truncation {
    /// The word that answers have for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Bytes => "bytes",
        }
    }
}

/// One cell, borrowed from the row that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// The NULL of SQL.
    Null,
    /// Text, as a JSON string or a CSV field would hold it before it is quoted.
    Text(&'a str),
    /// JSON that is no string, in its shortest spelling: a number, a boolean, an array, an object.
    Json(&'a str),
}

impl Cell<'_> {
    /// The bytes of the cell before it is quoted.
    pub fn bytes(self) -> usize {
        match self {
            Self::Null => 0,
            Self::Text(text) | Self::Json(text) => text.len(),
        }
    }
}

/// A part of a text cell that is too long to be held as a whole. There are at least two of a cell;
/// they follow each other, and end between two characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellPart<'a> {
    /// The text of this part.
    pub text: &'a str,
    /// Whether the cell begins with it.
    pub is_first: bool,
    /// Whether the cell ends with it.
    pub is_last: bool,
    /// The bytes of the whole cell, as the database announces them.
    pub cell_bytes: usize,
}

/// Whether a sink takes more rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// The row is in, and there is room for another.
    More,
    /// The row is not in, because of this limit, and no other will be.
    Full(Truncation),
    /// The row is not in, because it alone is over the limit on bytes, and no other will be.
    TooLarge,
}

impl Room {
    /// The limit that keeps a row out, if one does.
    pub fn truncation(self) -> Option<Truncation> {
        match self {
            Self::More => None,
            Self::Full(truncation) => Some(truncation),
            Self::TooLarge => Some(Truncation::Bytes),
        }
    }
}

/// A cell with which a row cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OversizedCell {
    /// The name of its column.
    pub column: String,
    /// Its bytes, as the database writes it.
    pub bytes: usize,
}

impl OversizedCell {
    /// Tells that this cell keeps the row with that number out, and what to do about it.
    pub fn explain(&self, row: usize) -> String {
        let Self { column, bytes } = self;
        format!(
            "row {row} alone is over the byte limit: its column `{column}` has {bytes} bytes; \
             leave the column out, or select a part of it, such as the first characters of its text"
        )
    }
}

/// Why a sink cannot take what it is given.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The place where it writes to failed.
    #[error("the result cannot be kept: {0}")]
    Io(#[from] io::Error),
    /// The rows have no form in Arrow IPC.
    #[error("the rows cannot be written as Arrow: {0}")]
    Arrow(#[from] arrow_schema::ArrowError),
}

/// A result that a port has written into a sink.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The columns; none for most statements that are no queries.
    pub columns: Vec<Column>,
    /// The limit that cut it, if there were more rows.
    pub truncation: Option<Truncation>,
    /// The longest cell of the row that was cut off, where that row alone is over the limit.
    pub oversized: Option<OversizedCell>,
}

impl Written {
    /// Why the row after the `row_count` rows that are in is left out, where it alone is over the
    /// limit.
    pub fn note(&self, row_count: usize) -> Option<String> {
        let cell = self.oversized.as_ref()?;
        Some(cell.explain(row_count + 1))
    }

    /// Adds all that an answer with `row_count` rows says of them, but the rows themselves.
    #[must_use]
    pub fn describe(&self, object: RawObject, row_count: usize) -> RawObject {
        let object = object
            .member("columns", &self.columns)
            .member("row_count", &row_count)
            .member("truncated", &self.truncation.is_some())
            .member("truncated_by", &self.truncation);
        match self.note(row_count) {
            Some(note) => object.member("note", &note),
            None => object,
        }
    }
}

/// The receiver of a result: its columns once, then its rows, cell by cell.
pub trait RowSink: Send {
    /// The most rows that it takes, where it has a limit: a port asks its database for one more, to
    /// learn whether there are more, and no further.
    fn most_rows(&self) -> Option<usize>;

    /// Takes the columns, before the first row.
    ///
    /// # Errors
    /// The disk refuses it, or it cannot be written as Arrow ([`SinkError`]).
    fn columns(&mut self, columns: &[Column]) -> Result<(), SinkError>;

    /// Takes the next cell of the row that has begun; the first one begins it.
    ///
    /// # Errors
    /// The disk refuses it, or it cannot be written as Arrow ([`SinkError`]).
    fn cell(&mut self, cell: Cell<'_>) -> Result<(), SinkError>;

    /// Whether it takes cells in parts. A port whose row is too long to be held ends the result
    /// where it does not.
    fn takes_parts(&self) -> bool {
        false
    }

    /// Takes a part of the next cell, where it takes parts.
    ///
    /// # Errors
    /// The disk refuses it, or it cannot be written as Arrow ([`SinkError`]).
    fn part(&mut self, part: CellPart<'_>) -> Result<(), SinkError> {
        let _ = part;
        Err(SinkError::Io(io::ErrorKind::Unsupported.into()))
    }

    /// Ends the row: it is in as a whole, or out as a whole.
    ///
    /// # Errors
    /// The disk refuses it, or it cannot be written as Arrow ([`SinkError`]).
    fn end_row(&mut self) -> Result<Room, SinkError>;
}

/// The receiver of a result in Arrow's own batches, for ports that have them.
pub trait BatchSink: Send {
    /// The most rows that it takes, where it has a limit.
    fn most_rows(&self) -> Option<usize>;

    /// Takes the columns, before the first batch.
    ///
    /// # Errors
    /// The disk refuses it, or it cannot be written as Arrow ([`SinkError`]).
    fn columns(&mut self, columns: &[Column]) -> Result<(), SinkError>;

    /// Takes a batch, or the first rows of it.
    ///
    /// # Errors
    /// The disk refuses it, or it cannot be written as Arrow ([`SinkError`]).
    fn batch(&mut self, batch: &RecordBatch) -> Result<Room, SinkError>;
}
