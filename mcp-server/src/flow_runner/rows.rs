//! The rows of a flow on their way, and those of a file of JSON objects.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

use serde_json::value::RawValue;

use super::files;
use crate::pipelines::FileFormat;
use crate::tools::ToolFailure;

/// Bytes of one row of a file.
pub(super) const LONGEST_LINE: u64 = 16 << 20;

/// A file of rows, and the form that they have in it.
pub(super) struct Rows {
    pub(super) file: File,
    pub(super) format: FileFormat,
}

/// The values of a row by their names, each as the file has it.
pub(super) type Object = BTreeMap<String, Box<RawValue>>;

/// The lines of a file of JSON objects, which all have the keys of the first one or fewer.
pub(super) struct JsonLines {
    reader: BufReader<File>,
    pub(super) columns: Vec<String>,
    pub(super) rows: u64,
}

impl JsonLines {
    pub(super) fn new(file: File) -> Self {
        Self {
            reader: BufReader::new(file),
            columns: Vec::new(),
            rows: 0,
        }
    }

    /// The next rows as one JSON array of about this many bytes; nothing at the end.
    pub(super) fn next_slice(&mut self, most: usize) -> Result<Option<String>, ToolFailure> {
        let mut slice = String::from("[");
        while slice.len() < most {
            let Some((line, _)) = self.next_line()? else {
                break;
            };
            if slice.len() > 1 {
                slice.push(',');
            }
            slice.push_str(line.trim());
        }
        slice.push(']');
        Ok((slice.len() > 2).then_some(slice))
    }

    /// The next row, as it is written and as it is read; nothing at the end.
    pub(super) fn next_line(&mut self) -> Result<Option<(String, Object)>, ToolFailure> {
        loop {
            let mut line = String::new();
            let mut limited = self.reader.by_ref().take(LONGEST_LINE);
            let read = limited.read_line(&mut line);
            if read.map_err(|error| unreadable(&error))? == 0 {
                return Ok(None);
            }
            if line.trim().is_empty() {
                continue;
            }
            let object = self.read(line.trim())?;
            self.rows += 1;
            return Ok(Some((line, object)));
        }
    }

    fn read(&mut self, line: &str) -> Result<Object, ToolFailure> {
        let number = self.rows + 1;
        let object: Object = serde_json::from_str(line).map_err(|error| {
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
        Ok(object)
    }
}

pub(super) fn unreadable(error: &std::io::Error) -> ToolFailure {
    files::failure("the file cannot be read", error)
}
