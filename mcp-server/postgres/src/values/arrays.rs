//! Writes PostgreSQL's arrays as lists of JSON.

use results::Cell;

use super::cell;
use crate::shape::TypeInfo;

/// `{a,"b c",NULL,{d}}`. An array whose bounds do not start at 1 says so in front (`[0:1]={…}`) and
/// stays text.
pub(super) fn write_array(
    text: &str,
    element: &TypeInfo,
    delimiter: char,
    out: &mut Vec<u8>,
) -> Option<()> {
    let mut reader = ArrayReader {
        rest: text,
        element,
        delimiter,
        scratch: Vec::new(),
    };
    reader.array(out)?;
    reader.rest.is_empty().then_some(())
}

struct ArrayReader<'a> {
    rest: &'a str,
    element: &'a TypeInfo,
    delimiter: char,
    scratch: Vec<u8>,
}

impl ArrayReader<'_> {
    fn array(&mut self, out: &mut Vec<u8>) -> Option<()> {
        self.take('{')?;
        out.push(b'[');
        if self.take('}').is_some() {
            out.push(b']');
            return Some(());
        }
        loop {
            self.item(out)?;
            if self.take(self.delimiter).is_none() {
                self.take('}')?;
                out.push(b']');
                return Some(());
            }
            out.push(b',');
        }
    }

    fn item(&mut self, out: &mut Vec<u8>) -> Option<()> {
        if self.rest.starts_with('{') {
            return self.array(out);
        }
        if self.take('"').is_some() {
            let text = self.quoted()?;
            return self.write(&text, out);
        }
        let delimiter = self.delimiter;
        let end = self.rest.find([delimiter, '}'])?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        match text {
            "NULL" => {
                out.extend_from_slice(b"null");
                Some(())
            }
            text => self.write(text, out),
        }
    }

    fn write(&mut self, text: &str, out: &mut Vec<u8>) -> Option<()> {
        match cell(text, self.element, &mut self.scratch) {
            Cell::Null => out.extend_from_slice(b"null"),
            Cell::Text(text) => serde_json::to_writer(out, text).ok()?,
            Cell::Json(json) => out.extend_from_slice(json.as_bytes()),
        }
        Some(())
    }

    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices();
        loop {
            match characters.next()? {
                (_, '\\') => text.push(characters.next()?.1),
                (at, '"') => {
                    self.rest = &self.rest[at + 1..];
                    return Some(text);
                }
                (_, c) => text.push(c),
            }
        }
    }

    fn take(&mut self, c: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(c)?;
        Some(())
    }
}
