//! Rows as a JSON array of arrays, each row written once.

use super::raw_json::{RawJson, write_string};
use super::{Cell, Column, Limits, Room, RowSink, SinkError, Truncation};

/// Rows as a JSON array of arrays, up to a limit.
#[derive(Debug)]
pub struct JsonRows {
    limits: Limits,
    /// `[` and the rows, with commas between them.
    bytes: Vec<u8>,
    /// Where the row begins that is being written: at its comma, if it has one.
    row_start: Option<usize>,
    rows: usize,
}

impl JsonRows {
    /// An empty result that grows up to `limits`. The bytes of a row are those of its JSON and of
    /// one comma.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            bytes: vec![b'['],
            row_start: None,
            rows: 0,
        }
    }

    /// How many rows it has.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// The rows as one JSON array.
    pub fn into_json(mut self) -> RawJson {
        self.bytes.push(b']');
        RawJson::written(self.bytes)
    }

    fn begin_row(&mut self) -> usize {
        let start = self.bytes.len();
        if self.rows > 0 {
            self.bytes.push(b',');
        }
        self.bytes.push(b'[');
        self.row_start = Some(start);
        start
    }
}

impl RowSink for JsonRows {
    fn most_rows(&self) -> Option<usize> {
        Some(self.limits.rows)
    }

    fn columns(&mut self, _columns: &[Column]) -> Result<(), SinkError> {
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) -> Result<(), SinkError> {
        match self.row_start {
            None => {
                self.begin_row();
            }
            Some(_) => self.bytes.push(b','),
        }
        match cell {
            Cell::Null => self.bytes.extend_from_slice(b"null"),
            Cell::Text(text) => write_string(text, &mut self.bytes),
            Cell::Json(json) => self.bytes.extend_from_slice(json.as_bytes()),
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<Room, SinkError> {
        let start = match self.row_start {
            Some(start) => start,
            // A row without columns.
            None => self.begin_row(),
        };
        self.bytes.push(b']');
        self.row_start = None;
        let truncation = if self.rows == self.limits.rows {
            Truncation::Rows
        } else if self.bytes.len() - start + usize::from(self.rows == 0) > self.limits.bytes {
            self.bytes.truncate(start);
            return Ok(Room::TooLarge);
        } else if self.bytes.len() > self.limits.bytes {
            Truncation::Bytes
        } else {
            self.rows += 1;
            return Ok(Room::More);
        };
        self.bytes.truncate(start);
        Ok(Room::Full(truncation))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(limits: Limits) -> (JsonRows, Room) {
        let mut sink = JsonRows::new(limits);
        let mut room = Room::More;
        for _ in 0..2 {
            sink.cell(Cell::Text("a\"b")).expect("memory");
            sink.cell(Cell::Json("1.50")).expect("memory");
            sink.cell(Cell::Null).expect("memory");
            room = sink.end_row().expect("memory");
            if room != Room::More {
                break;
            }
        }
        (sink, room)
    }

    #[test]
    fn it_writes_each_row_once_and_cuts_between_rows() {
        // `["a\"b",1.50,null]` and a comma.
        const ROW: usize = 19;
        for (rows, bytes, kept, expected) in [
            (9, 2 * ROW, 2, Room::More),
            (9, 2 * ROW - 1, 1, Room::Full(Truncation::Bytes)),
            (1, usize::MAX, 1, Room::Full(Truncation::Rows)),
            (0, usize::MAX, 0, Room::Full(Truncation::Rows)),
            (9, ROW - 1, 0, Room::TooLarge),
        ] {
            let (sink, room) = written(Limits { rows, bytes });
            assert_eq!((sink.row_count(), room), (kept, expected));
            let json = sink.into_json();
            let expected = vec![json!(["a\"b", 1.5, null]); kept];
            assert_eq!(json.to_value(), json!(expected));
            let text = std::str::from_utf8(json.bytes()).expect("UTF-8");
            assert_eq!(text.matches("1.50").count(), kept, "{text}");
        }
    }

    #[test]
    fn it_writes_rows_without_columns() {
        let mut sink = JsonRows::new(Limits { rows: 5, bytes: 50 });
        for _ in 0..2 {
            assert_eq!(sink.end_row().expect("memory"), Room::More);
        }
        assert_eq!(sink.into_json().to_value(), json!([[], []]));
    }
}
