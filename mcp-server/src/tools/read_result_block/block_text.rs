//! The text of a block, and the part of it that a model is shown at once.

use std::io::Read as _;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_schema::ArrowError;
use spark_rows::Rows;

use crate::kept_results::{Block, KeptResult, UnreadBlock};
use crate::results::{Cell, Column, Room, RowForm, RowSink, RowWriter, SinkError, Written};
use crate::tools::ToolFailure;

/// The text of a block of Arrow's that cannot be shown: rows that a neighbour has a part of, or of
/// a type that has no form as text.
const NO_TEXT: &str = "Arrow IPC that has no text of its own: the block has a part of its rows \
    alone; resources/read gives its bytes";

/// The part of a block's text that one answer shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TextPage {
    /// The text of this part alone.
    pub(super) text: String,
    /// Where the text goes on, if it does.
    pub(super) next: Option<usize>,
}

impl TextPage {
    /// The part that begins at `offset` and has at most `budget` bytes, whole lines where one has
    /// room.
    ///
    /// # Errors
    /// The text has no such place: `invalid_arguments`.
    pub(super) fn cut(whole: &str, offset: usize, budget: usize) -> Result<Self, ToolFailure> {
        let rest = whole.get(offset..).ok_or_else(|| {
            ToolFailure::invalid_arguments(format!(
                "`text_offset` is no place in the {} bytes of the block's text: take the \
                 `next_text_offset` of the answer before, or leave it out",
                whole.len()
            ))
        })?;
        if rest.len() <= budget {
            return Ok(Self {
                text: rest.to_owned(),
                next: None,
            });
        }
        // However small the budget, there is a character.
        let longest = budget.max(char::MAX.len_utf8());
        let part = &rest[..rest.floor_char_boundary(longest)];
        let part = part.rfind('\n').map_or(part, |line| &part[..=line]);
        Ok(Self {
            text: part.to_owned(),
            next: Some(offset + part.len()).filter(|next| *next < whole.len()),
        })
    }
}

/// The whole text of a block: its bytes where they are text, else its rows as CSV.
pub(super) fn write(kept: &KeptResult, block: &Block) -> Result<String, UnreadBlock> {
    if kept.is_text() {
        return Ok(String::from_utf8_lossy(&block.bytes).into_owned());
    }
    let schema = match block.number {
        0 => Vec::new(),
        _ => first_message(&kept.block(0)?.bytes).to_vec(),
    };
    Ok(write_csv(&schema, block).unwrap_or_else(|| NO_TEXT.to_owned()))
}

/// The first message of an Arrow IPC stream, its schema, which has no body: a mark, the length of
/// its metadata, and these (Arrow columnar format, encapsulated message format).
fn first_message(stream: &[u8]) -> &[u8] {
    let length = stream.get(4..8).and_then(|bytes| bytes.try_into().ok());
    let length = length.map_or(0, u32::from_le_bytes);
    let end = usize::try_from(length).unwrap_or(usize::MAX);
    stream.get(..end.saturating_add(8)).unwrap_or_default()
}

/// The rows of a block of an Arrow IPC stream whose schema stands in `before`, if not in the block.
/// Nothing where they cannot be read without another block, or have no form as text.
fn write_csv(before: &[u8], block: &Block) -> Option<String> {
    let stream = before.chain(block.bytes.as_slice());
    let reader = StreamReader::try_new(stream, None).ok()?;
    let batches: Result<Vec<RecordBatch>, ArrowError> = reader.collect();
    let mut text = CsvText::default();
    for (number, batch) in batches.ok()?.iter().enumerate() {
        if number == 0 {
            let names = batch.schema_ref().fields().iter();
            let columns = names.map(|field| Column {
                name: field.name().clone(),
                type_name: String::new(),
            });
            text.columns(&columns.collect::<Vec<_>>()).ok()?;
        }
        let rows = Rows::new(batch).ok()?;
        rows.write(&mut text, &mut Written::default()).ok()?;
    }
    String::from_utf8(text.bytes).ok()
}

/// All rows that come, as CSV.
struct CsvText {
    writer: RowWriter,
    bytes: Vec<u8>,
}

impl Default for CsvText {
    fn default() -> Self {
        Self {
            writer: RowWriter::new(RowForm::Csv),
            bytes: Vec::new(),
        }
    }
}

impl RowSink for CsvText {
    fn most_rows(&self) -> Option<usize> {
        None
    }

    fn columns(&mut self, columns: &[Column]) -> Result<(), SinkError> {
        self.writer.columns(columns, &mut self.bytes);
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) -> Result<(), SinkError> {
        self.writer.cell(cell, &mut self.bytes);
        Ok(())
    }

    fn end_row(&mut self) -> Result<Room, SinkError> {
        self.writer.end_row(&mut self.bytes);
        Ok(Room::More)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_whole_of_a_text_part_by_part() {
        let lines = "[1]\n[22]\n[\"é\"]\n[\"a line without an end that has room\"]\n";
        for budget in [0, 1, 5, 9, 14, 1_000] {
            let (mut seen, mut next) = (String::new(), Some(0));
            while let Some(offset) = next {
                let page = TextPage::cut(lines, offset, budget).expect("its own offset");
                assert!(page.text.len() <= budget.max(4) && !page.text.is_empty());
                seen += &page.text;
                next = page.next;
            }
            assert_eq!(seen, lines, "{budget}");
        }
        let page = TextPage::cut(lines, 0, 14).expect("a place");
        assert_eq!((page.text.as_str(), page.next), ("[1]\n[22]\n", Some(9)));
    }

    #[test]
    fn it_refuses_a_place_that_is_none() {
        for offset in [1, 3, usize::MAX] {
            let refused = TextPage::cut("é", offset, 10).expect_err("no place");
            assert!(refused.message.contains("`next_text_offset`"));
        }
        let empty = TextPage::cut("", 0, 10).expect("a block without rows");
        assert_eq!((empty.text.as_str(), empty.next), ("", None));
    }
}
