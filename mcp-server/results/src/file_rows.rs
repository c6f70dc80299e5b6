//! Rows into a file as they arrive, in a form that other programs read.

use std::io::Write;

use super::csv_rows::{write_cell, write_header};
use super::raw_json::write_string;
use super::{Cell, Column, Room, RowSink, SinkError, Truncation};

/// The form of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileForm {
    /// A JSON object on each line, by the names of the columns.
    Objects,
    /// CSV by RFC 4180 with a header.
    Csv,
}

/// Rows into a file, up to a limit on its bytes. Memory holds one row.
#[derive(Debug)]
pub struct FileRows<W> {
    out: W,
    form: FileForm,
    /// Names of the columns as JSON, with their colons.
    keys: Vec<Vec<u8>>,
    row: Vec<u8>,
    at: usize,
    rows: u64,
    bytes: u64,
    most_bytes: u64,
    repeated: Option<String>,
}

impl<W: Write + Send> FileRows<W> {
    /// An empty result that goes to `out`.
    pub fn new(out: W, form: FileForm, most_bytes: u64) -> Self {
        Self {
            out,
            form,
            keys: Vec::new(),
            row: Vec::new(),
            at: 0,
            rows: 0,
            bytes: 0,
            most_bytes,
            repeated: None,
        }
    }

    /// How many rows went to the file.
    pub fn row_count(&self) -> u64 {
        self.rows
    }

    /// How many bytes went to the file.
    pub fn byte_count(&self) -> u64 {
        self.bytes
    }

    /// The name that two columns have, which no JSON object can hold.
    pub fn repeated_name(&self) -> Option<&str> {
        self.repeated.as_deref()
    }

    /// The file, with all of the rows in it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> std::io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    fn write(&mut self) -> std::io::Result<()> {
        self.bytes += self.row.len() as u64;
        self.out.write_all(&self.row)?;
        self.row.clear();
        Ok(())
    }
}

impl<W: Write + Send> RowSink for FileRows<W> {
    fn most_rows(&self) -> Option<usize> {
        None
    }

    fn columns(&mut self, columns: &[Column]) -> Result<(), SinkError> {
        if self.form == FileForm::Csv {
            let mut header = String::new();
            write_header(columns, "\r\n", &mut header);
            self.row.extend_from_slice(header.as_bytes());
            return Ok(self.write()?);
        }
        let repeats = |(at, column): &(usize, &Column)| {
            columns
                .iter()
                .take(*at)
                .any(|other| other.name == column.name)
        };
        let repeated = columns.iter().enumerate().find(repeats);
        if let Some((_, column)) = repeated {
            self.repeated = Some(column.name.clone());
            return Err(SinkError::Io(std::io::ErrorKind::InvalidData.into()));
        }
        let key = |column: &Column| {
            let mut key = Vec::new();
            write_string(&column.name, &mut key);
            key.push(b':');
            key
        };
        self.keys = columns.iter().map(key).collect();
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) -> Result<(), SinkError> {
        let at = self.at;
        self.at += 1;
        if self.form == FileForm::Csv {
            let mut field = String::new();
            write_cell(cell, &mut field);
            if at > 0 {
                self.row.push(b',');
            }
            self.row.extend_from_slice(field.as_bytes());
            return Ok(());
        }
        self.row.push(if at == 0 { b'{' } else { b',' });
        if let Some(key) = self.keys.get(at) {
            self.row.extend_from_slice(key);
        }
        match cell {
            Cell::Null => self.row.extend_from_slice(b"null"),
            Cell::Text(text) => write_string(text, &mut self.row),
            Cell::Json(json) => self.row.extend_from_slice(json.as_bytes()),
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<Room, SinkError> {
        match (self.form, self.at) {
            (FileForm::Csv, _) => self.row.extend_from_slice(b"\r\n"),
            (FileForm::Objects, 0) => self.row.extend_from_slice(b"{}\n"),
            (FileForm::Objects, _) => self.row.extend_from_slice(b"}\n"),
        }
        self.at = 0;
        if self.bytes + self.row.len() as u64 > self.most_bytes {
            self.row.clear();
            return Ok(Room::Full(Truncation::Bytes));
        }
        self.write()?;
        self.rows += 1;
        Ok(Room::More)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: FileForm, most_bytes: u64, names: [&str; 2]) -> (String, Option<String>) {
        let mut sink = FileRows::new(Vec::new(), form, most_bytes);
        let columns = names.map(|name| Column {
            name: name.to_owned(),
            type_name: "text".to_owned(),
        });
        if sink.columns(&columns).is_err() {
            return (String::new(), sink.repeated_name().map(ToOwned::to_owned));
        }
        for text in ["x\"y", "z"] {
            sink.cell(Cell::Text(text)).expect("memory");
            sink.cell(Cell::Json("1")).expect("memory");
            if sink.end_row().expect("memory") != Room::More {
                break;
            }
        }
        let bytes = sink.finish().expect("memory");
        (String::from_utf8(bytes).expect("UTF-8"), None)
    }

    #[test]
    fn it_writes_whole_rows_in_either_form_and_stops_at_the_limit() {
        let objects = "{\"a\":\"x\\\"y\",\"b\":1}\n{\"a\":\"z\",\"b\":1}\n";
        assert_eq!(written(FileForm::Objects, 100, ["a", "b"]).0, objects);
        let first = "{\"a\":\"x\\\"y\",\"b\":1}\n";
        assert_eq!(written(FileForm::Objects, 30, ["a", "b"]).0, first);
        let csv = "a,b\r\n\"x\"\"y\",1\r\nz,1\r\n";
        assert_eq!(written(FileForm::Csv, 100, ["a", "b"]).0, csv);
    }

    #[test]
    fn it_names_a_column_that_comes_twice() {
        let repeated = written(FileForm::Objects, 100, ["a", "a"]).1;
        assert_eq!(repeated.as_deref(), Some("a"));
    }
}
