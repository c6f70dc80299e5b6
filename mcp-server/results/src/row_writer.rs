//! Rows one after the other in a form that needs nothing around them: lines of JSON, or CSV.

use crate::csv_rows::{write_cell, write_header};
use crate::raw_json::write_string;
use crate::{Cell, CellPart, Column};

/// The form of rows that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowForm {
    /// A JSON array on each line.
    Lines,
    /// CSV by RFC 4180 with a header.
    Csv,
}

impl RowForm {
    /// The media type of rows in this form.
    pub fn mime_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Csv => "text/csv",
        }
    }
}

/// Writes rows in their form at the end of a buffer.
#[derive(Debug)]
pub struct RowWriter {
    form: RowForm,
    is_in_row: bool,
    field: String,
}

impl RowWriter {
    /// A writer of rows in this form.
    pub fn new(form: RowForm) -> Self {
        Self {
            form,
            is_in_row: false,
            field: String::new(),
        }
    }

    /// Writes what stands before the first row.
    pub fn columns(&mut self, columns: &[Column], out: &mut Vec<u8>) {
        if self.form == RowForm::Csv {
            self.field.clear();
            write_header(columns, "\r\n", &mut self.field);
            out.extend_from_slice(self.field.as_bytes());
        }
    }

    /// Writes the next cell of a row; the first one begins it.
    pub fn cell(&mut self, cell: Cell<'_>, out: &mut Vec<u8>) {
        self.separate(out);
        if self.form == RowForm::Csv {
            self.field.clear();
            write_cell(cell, &mut self.field);
            out.extend_from_slice(self.field.as_bytes());
            return;
        }
        match cell {
            Cell::Null => out.extend_from_slice(b"null"),
            Cell::Text(text) => write_string(text, out),
            Cell::Json(json) => out.extend_from_slice(json.as_bytes()),
        }
    }

    /// Writes a part of a text cell.
    pub fn part(&mut self, part: CellPart<'_>, out: &mut Vec<u8>) {
        if part.is_first {
            self.separate(out);
            out.push(b'"');
        }
        match self.form {
            RowForm::Csv => out.extend_from_slice(part.text.replace('"', "\"\"").as_bytes()),
            RowForm::Lines => {
                let quote = out.len();
                write_string(part.text, out);
                out.pop();
                out.remove(quote);
            }
        }
        if part.is_last {
            out.push(b'"');
        }
    }

    /// Ends the row that has begun.
    pub fn end_row(&mut self, out: &mut Vec<u8>) {
        match (self.form, std::mem::take(&mut self.is_in_row)) {
            (RowForm::Csv, _) => out.extend_from_slice(b"\r\n"),
            (RowForm::Lines, true) => out.extend_from_slice(b"]\n"),
            (RowForm::Lines, false) => out.extend_from_slice(b"[]\n"),
        }
    }

    fn separate(&mut self, out: &mut Vec<u8>) {
        match (std::mem::replace(&mut self.is_in_row, true), self.form) {
            (true, _) => out.push(b','),
            (false, RowForm::Lines) => out.push(b'['),
            (false, RowForm::Csv) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: RowForm) -> String {
        let (mut writer, mut out) = (RowWriter::new(form), Vec::new());
        let columns = ["a", "b"].map(|name| Column {
            name: name.to_owned(),
            type_name: String::new(),
        });
        writer.columns(&columns, &mut out);
        writer.cell(Cell::Json("1"), &mut out);
        for (text, is_first, is_last) in [("x\"", true, false), ("\ny", false, true)] {
            let part = CellPart {
                text,
                is_first,
                is_last,
                cell_bytes: 4,
            };
            writer.part(part, &mut out);
        }
        writer.end_row(&mut out);
        writer.cell(Cell::Null, &mut out);
        writer.cell(Cell::Text("z"), &mut out);
        writer.end_row(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn it_writes_a_cell_that_comes_in_parts_as_one() {
        let lines = "[1,\"x\\\"\\ny\"]\n[null,\"z\"]\n";
        assert_eq!(written(RowForm::Lines), lines);
        let csv = "a,b\r\n1,\"x\"\"\ny\"\r\n,z\r\n";
        assert_eq!(written(RowForm::Csv), csv);
    }

    #[test]
    fn it_writes_rows_without_columns() {
        let (mut writer, mut out) = (RowWriter::new(RowForm::Lines), Vec::new());
        writer.end_row(&mut out);
        writer.end_row(&mut out);
        assert_eq!(out, b"[]\n[]\n");
    }
}
