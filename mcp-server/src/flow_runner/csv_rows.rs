//! The rows of a file of CSV, read as PostgreSQL reads them, wherever they go.
//!
//! Two readings of one file would disagree on where a row begins, and rows would be lost in
//! silence; so the header is taken off here, and what PostgreSQL versions read differently is
//! refused.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};

use super::rows::{LONGEST_LINE, unreadable};
use crate::tools::ToolFailure;

/// The rows of a file of CSV, the first of which is its header.
pub(super) struct CsvRows {
    reader: BufReader<File>,
    pub(super) columns: Vec<String>,
    lines: u64,
}

impl CsvRows {
    pub(super) fn new(file: File) -> Result<Self, ToolFailure> {
        let mut rows = Self {
            reader: BufReader::new(file),
            columns: Vec::new(),
            lines: 0,
        };
        let mut header = Vec::new();
        rows.take_row(&mut header)?;
        let names = header.strip_prefix("\u{feff}".as_bytes());
        let names = without_line_end(names.unwrap_or(&header));
        if names.is_empty() {
            return Err(ToolFailure::invalid_arguments(
                "the file has no header: its first line must name the columns",
            ));
        }
        let names = fields(names).map(|(name, _)| text(name, 1));
        rows.columns = names.collect::<Result<_, _>>()?;
        Ok(rows)
    }

    /// The next rows as they are written, about this many bytes of them; none at the end.
    pub(super) fn next_slice(&mut self, most: usize) -> Result<Vec<u8>, ToolFailure> {
        let mut slice = Vec::new();
        while slice.len() < most && self.take_row(&mut slice)? {}
        Ok(slice)
    }

    /// The values of the next row, one for each column; nothing at the end.
    pub(super) fn next_values(&mut self) -> Result<Option<Vec<Option<String>>>, ToolFailure> {
        let mut row = Vec::new();
        let line = self.lines + 1;
        if !self.take_row(&mut row)? {
            return Ok(None);
        }
        let values = fields(without_line_end(&row)).map(|(value, is_quoted)| {
            match value.is_empty() && !is_quoted {
                true => Ok(None),
                false => text(value, line).map(Some),
            }
        });
        let values: Vec<Option<String>> = values.collect::<Result<_, _>>()?;
        if values.len() != self.columns.len() {
            return Err(ToolFailure::invalid_arguments(format!(
                "line {line} of the file has {} fields, and its header has {}",
                values.len(),
                self.columns.len()
            )));
        }
        Ok(Some(values))
    }

    /// Puts the next row behind these bytes, with the end of its line; whether there was one.
    fn take_row(&mut self, bytes: &mut Vec<u8>) -> Result<bool, ToolFailure> {
        let begin = bytes.len();
        let first = self.lines + 1;
        let mut is_quoted = false;
        loop {
            let read = bytes.len();
            let most = (LONGEST_LINE + 1).saturating_sub((read - begin) as u64);
            let mut limited = self.reader.by_ref().take(most);
            let came = limited.read_until(b'\n', bytes);
            if came.map_err(|error| unreadable(&error))? == 0 {
                break;
            }
            self.lines += 1;
            is_quoted = self.quoted_after(is_quoted, bytes.get(read..).unwrap_or_default())?;
            if (bytes.len() - begin) as u64 > LONGEST_LINE {
                return Err(ToolFailure::invalid_arguments(format!(
                    "the row in line {first} of the file has more than {LONGEST_LINE} bytes: is a \
                     quote in it not closed?"
                )));
            }
            if !is_quoted {
                break;
            }
        }
        if is_quoted {
            return Err(ToolFailure::invalid_arguments(format!(
                "a quote in the row in line {first} of the file is not closed"
            )));
        }
        let row = bytes.get(begin..).unwrap_or_default();
        // PostgreSQL before 18 takes it for the end of all rows, and says nothing of the rest.
        if without_line_end(row) == br"\." {
            return Err(ToolFailure::invalid_arguments(format!(
                r"line {first} of the file is `\.` alone: write it in quotes"
            )));
        }
        Ok(!row.is_empty())
    }

    /// Whether a quote is open after this line.
    fn quoted_after(&self, mut is_quoted: bool, line: &[u8]) -> Result<bool, ToolFailure> {
        for (place, byte) in line.iter().enumerate() {
            match byte {
                b'"' => is_quoted = !is_quoted,
                b'\r' if !is_quoted && line.get(place + 1) != Some(&b'\n') => {
                    return Err(ToolFailure::invalid_arguments(format!(
                        "line {} of the file has a carriage return alone: end lines with a \
                         newline, and write a carriage return of a value in quotes",
                        self.lines
                    )));
                }
                _ => {}
            }
        }
        Ok(is_quoted)
    }
}

/// The fields of a row without the end of its line, and whether each has quotes.
fn fields(row: &[u8]) -> impl Iterator<Item = (Vec<u8>, bool)> {
    let mut bytes = Some(row.iter().copied().peekable());
    std::iter::from_fn(move || {
        let (mut value, mut has_quotes, mut is_quoted) = (Vec::new(), false, false);
        let rest = bytes.as_mut()?;
        loop {
            match rest.next() {
                Some(b'"') if is_quoted && rest.next_if_eq(&b'"').is_some() => value.push(b'"'),
                Some(b'"') => {
                    has_quotes = true;
                    is_quoted = !is_quoted;
                }
                Some(b',') if !is_quoted => break,
                Some(byte) => value.push(byte),
                None => {
                    bytes = None;
                    break;
                }
            }
        }
        Some((value, has_quotes))
    })
}

fn without_line_end(row: &[u8]) -> &[u8] {
    let row = row.strip_suffix(b"\n").unwrap_or(row);
    row.strip_suffix(b"\r").unwrap_or(row)
}

fn text(value: Vec<u8>, line: u64) -> Result<String, ToolFailure> {
    String::from_utf8(value).map_err(|_| {
        ToolFailure::invalid_arguments(format!("line {line} of the file is not UTF-8"))
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use super::*;

    fn rows(text: &[u8]) -> Result<CsvRows, ToolFailure> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(text).expect("written");
        file.rewind().expect("at its beginning");
        CsvRows::new(file)
    }

    /// The header and the rows, or the first failure.
    fn read(text: &[u8]) -> Result<String, ToolFailure> {
        let mut rows = rows(text)?;
        let mut read = rows.columns.join("|");
        while let Some(values) = rows.next_values()? {
            let values = values.iter().map(|value| match value {
                Some(value) => format!("{value:?}"),
                None => "-".to_owned(),
            });
            read = format!("{read} {}", values.collect::<Vec<_>>().join("|"));
        }
        Ok(read)
    }

    #[test]
    fn it_tells_null_from_an_empty_text_and_takes_whatever_is_in_quotes() {
        let cases: [(&[u8], &str); 7] = [
            (b"a,b\n1,x\n,\"\"", r#"a|b "1"|"x" -|"""#),
            (b"\xef\xbb\xbfa,b\r\n1,x\r\n", r#"a|b "1"|"x""#),
            (b"\"a\nz\",b\n1,2\n", "a\nz|b \"1\"|\"2\""),
            (
                b"a,b\n1,\"x\"\"\n\n\r\\.\n,\"\n",
                r#"a|b "1"|"x\"\n\n\r\\.\n,""#,
            ),
            // A row of one column that is NULL is an empty line.
            (b"a\n1\n\n\"\"\n", r#"a "1" - """#),
            (b"a\n\"\\.\"\n1\n", r#"a "\\." "1""#),
            (b"a,b\nx\"y,\"z,1\n", r#"a|b "xy,z"|"1""#),
        ];
        for (text, expected) in cases {
            let seen = read(text).map_err(|failure| failure.message);
            assert_eq!(seen.as_deref(), Ok(expected));
        }
    }

    #[test]
    fn it_refuses_what_would_lose_rows_in_silence() {
        let cases: [(&[u8], &str); 12] = [
            (b"", "has no header"),
            (b"\na,b\n1,x\n", "has no header"),
            (b"\r\na,b\n1,x\n", "has no header"),
            (b"a,b\r1,x\r\\.\r2,y\r", "line 1 of the file has a carriage"),
            (b"a,b\n1,x\r\\.\r2,y\n", "line 2 of the file has a carriage"),
            (b"a,b\n1,x\n\\.\n2,y\n", "line 3 of the file is `\\.` alone"),
            (b"a,b\r\n1,\"x\n\"\r\n\\.\r\n2,y", "line 4 of the file is"),
            (b"a,b\n1,\"x\n2,y\n", "the row in line 2 of the file is not"),
            (b"\"a,b\n1,x\n", "the row in line 1 of the file is not"),
            (b"a,b\n\n1,x\n", "line 2 of the file has 1 fields"),
            (b"a,b\n1,x,y\n", "line 2 of the file has 3 fields"),
            (b"a\n\xff\n", "line 2 of the file is not UTF-8"),
        ];
        for (text, sentence) in cases {
            let failure = read(text).expect_err("refused");
            assert!(
                failure.message.contains(sentence),
                "{sentence}: {}",
                failure.message
            );
        }
    }

    #[test]
    fn it_gives_rows_on_as_they_are_written_and_none_in_parts() {
        let mut rows = rows(b"a,b\r\n1,\"x\r\ny\"\r\n2,z").expect("rows");
        let mut slices = Vec::new();
        loop {
            let slice = rows.next_slice(1).expect("a slice");
            if slice.is_empty() {
                break;
            }
            slices.push(slice);
        }
        assert_eq!(slices, [b"1,\"x\r\ny\"\r\n".to_vec(), b"2,z".to_vec()]);
    }

    #[test]
    fn it_refuses_a_row_that_no_memory_should_hold() {
        let mut text = b"a\n\"".to_vec();
        text.resize(
            text.len() + usize::try_from(LONGEST_LINE).expect("small"),
            b'x',
        );
        let failure = read(&text).expect_err("refused");
        assert!(failure.message.contains("line 2"), "{}", failure.message);
    }
}
