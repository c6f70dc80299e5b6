//! CSV by RFC 4180, in which NULL and the empty string differ.

use super::{Cell, Column, Limits, Room, RowSink, SinkError, Truncation};

/// Rows as CSV with a header, up to a limit. NULL is empty, the empty string `""`.
#[derive(Debug)]
pub struct CsvRows {
    limits: Limits,
    text: String,
    row_start: usize,
    is_in_row: bool,
    rows: usize,
}

impl CsvRows {
    /// An empty result that grows up to `limits`. The bytes are those of the text, header included.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            text: String::new(),
            row_start: 0,
            is_in_row: false,
            rows: 0,
        }
    }

    /// How many rows it has.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// The header and the rows.
    pub fn into_text(self) -> String {
        self.text
    }
}

impl RowSink for CsvRows {
    fn most_rows(&self) -> Option<usize> {
        Some(self.limits.rows)
    }

    fn columns(&mut self, columns: &[Column]) -> Result<(), SinkError> {
        write_header(columns, "\r\n", &mut self.text);
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) -> Result<(), SinkError> {
        if self.is_in_row {
            self.text.push(',');
        } else {
            self.is_in_row = true;
            self.row_start = self.text.len();
        }
        write_cell(cell, &mut self.text);
        Ok(())
    }

    fn end_row(&mut self) -> Result<Room, SinkError> {
        if !self.is_in_row {
            self.row_start = self.text.len();
        }
        self.is_in_row = false;
        self.text.push_str("\r\n");
        let truncation = if self.rows == self.limits.rows {
            Truncation::Rows
        } else if self.text.len() - self.row_start > self.limits.bytes {
            self.text.truncate(self.row_start);
            return Ok(Room::TooLarge);
        } else if self.text.len() > self.limits.bytes {
            Truncation::Bytes
        } else {
            self.rows += 1;
            return Ok(Room::More);
        };
        self.text.truncate(self.row_start);
        Ok(Room::Full(truncation))
    }
}

/// Appends the line of names, if there are any.
pub(super) fn write_header(columns: &[Column], line_end: &str, text: &mut String) {
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write_field(&column.name, text);
    }
    if !columns.is_empty() {
        text.push_str(line_end);
    }
}

/// Appends a cell to the text.
pub(super) fn write_cell(cell: Cell<'_>, text: &mut String) {
    match cell {
        Cell::Null => {}
        Cell::Text(value) | Cell::Json(value) => write_field(value, text),
    }
}

fn write_field(field: &str, text: &mut String) {
    if !field.is_empty() && !field.contains(['"', ',', '\r', '\n']) {
        text.push_str(field);
        return;
    }
    text.push('"');
    for part in field.split_inclusive('"') {
        text.push_str(part);
        if part.ends_with('"') {
            text.push('"');
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_null_from_the_empty_string_and_quotes_what_must_be() {
        let limits = Limits {
            rows: 9,
            bytes: usize::MAX,
        };
        let mut sink = CsvRows::new(limits);
        let column = |name: &str| Column {
            name: name.to_owned(),
            type_name: String::new(),
        };
        sink.columns(&[column("a"), column("b,c")]).expect("memory");
        for cell in [
            Cell::Null,
            Cell::Text(""),
            Cell::Text("a,b"),
            Cell::Text("say \"x\"\n"),
            Cell::Json("1.5"),
            Cell::Json("[1,\"x\"]"),
        ] {
            sink.cell(cell).expect("memory");
        }
        assert_eq!(sink.end_row().expect("memory"), Room::More);
        assert_eq!(
            sink.into_text(),
            "a,\"b,c\"\r\n,\"\",\"a,b\",\"say \"\"x\"\"\n\",1.5,\"[1,\"\"x\"\"]\"\r\n"
        );
    }

    #[test]
    fn it_cuts_between_rows_and_says_by_which_limit() {
        for (rows, bytes, text, expected) in [
            (9, 4, "xy\r\n", Room::Full(Truncation::Bytes)),
            (1, 99, "xy\r\n", Room::Full(Truncation::Rows)),
            (2, 8, "xy\r\nxy\r\n", Room::More),
        ] {
            let mut sink = CsvRows::new(Limits { rows, bytes });
            let room = [(), ()].map(|()| {
                sink.cell(Cell::Text("xy")).expect("memory");
                sink.end_row().expect("memory")
            });
            assert_eq!(room, [Room::More, expected]);
            assert_eq!(sink.into_text(), text);
        }
    }
}
