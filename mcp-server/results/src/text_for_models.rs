//! A result as text for a model: CSV within a budget of bytes, and the truth about the rest.
//!
//! Many clients show a model nothing else. So every row that is given back stands here as long as
//! the budget lasts, a large cell is cut and says how long it is, and the rows that have no place
//! are counted.

use super::csv_rows::{write_cell, write_header};
use super::{Cell, CellPart, Column, Room, RowSink, SinkError, Truncation};

/// No cell takes more than this, so that one of them does not use up the budget; identifiers,
/// sentences and small documents fit.
const LONGEST_CELL: usize = 1 << 10;

/// However many columns there are, a cell shows this much: a number or a word.
const SHORTEST_CUT: usize = 24;

/// A result as text for a model, within a budget.
#[derive(Debug)]
pub struct TextForModels {
    budget: usize,
    longest_cell: usize,
    has_columns: bool,
    text: String,
    row_start: usize,
    is_in_row: bool,
    rows: usize,
    shown: usize,
    has_cut_cells: bool,
    has_cut_names: bool,
}

impl TextForModels {
    /// An empty text whose rows take up to `budget` bytes.
    pub fn new(budget: usize) -> Self {
        Self {
            budget,
            longest_cell: LONGEST_CELL,
            has_columns: false,
            text: String::new(),
            row_start: 0,
            is_in_row: false,
            rows: 0,
            shown: 0,
            has_cut_cells: false,
            has_cut_names: false,
        }
    }

    /// Whether every row that was kept stands in the text, be its cells cut or not.
    pub fn shows_all_rows(&self) -> bool {
        self.shown == self.rows
    }

    /// Whether every row stands in the text, and none of its cells is cut.
    pub fn shows_everything(&self) -> bool {
        self.shows_all_rows() && !self.has_cut_cells
    }

    fn is_full(&self) -> bool {
        !self.shows_all_rows()
    }

    /// Takes the columns, before the first row.
    pub fn columns(&mut self, columns: &[Column]) {
        self.has_columns = !columns.is_empty();
        let share = self.budget / 2 / columns.len().max(1);
        self.longest_cell = share.clamp(SHORTEST_CUT, LONGEST_CELL);
        write_header(columns, "\n", &mut self.text);
        if self.text.len() > self.budget / 2 && self.has_columns {
            self.has_cut_names = true;
            self.text.clear();
            // Each with an ellipsis, the quotes that it may need, and a comma.
            let longest = share.saturating_sub("…\"\",".len()).max(1);
            let cut: Vec<Column> = columns
                .iter()
                .map(|column| cut_name(column, longest))
                .collect();
            write_header(&cut, "\n", &mut self.text);
        }
    }

    /// Takes the next cell of a row; the first one begins it.
    pub fn cell(&mut self, cell: Cell<'_>) {
        if self.is_full() {
            return;
        }
        self.begin_cell();
        match cell {
            Cell::Text(text) | Cell::Json(text) if text.len() > self.longest_cell => {
                self.cut_cell(text, text.len());
            }
            cell => write_cell(cell, &mut self.text),
        }
    }

    /// Takes a part of the next cell, which is longer than a text shows of one.
    pub fn part(&mut self, part: CellPart<'_>) {
        if part.is_first && !self.is_full() {
            self.begin_cell();
            self.cut_cell(part.text, part.cell_bytes);
        }
    }

    fn begin_cell(&mut self) {
        if self.is_in_row {
            self.text.push(',');
        } else {
            self.is_in_row = true;
            self.row_start = self.text.len();
        }
    }

    fn cut_cell(&mut self, text: &str, bytes: usize) {
        self.has_cut_cells = true;
        let end = text.floor_char_boundary(self.longest_cell);
        let cut = format!("{}… ({bytes} bytes)", &text[..end]);
        write_cell(Cell::Text(&cut), &mut self.text);
    }

    /// Ends a row that the result keeps.
    pub fn keep_row(&mut self) {
        let was_full = self.is_full();
        self.rows += 1;
        if was_full {
            return;
        }
        if !self.is_in_row {
            self.row_start = self.text.len();
        }
        self.is_in_row = false;
        if self.text.len() > self.budget && self.shown > 0 {
            self.text.truncate(self.row_start);
        } else {
            self.text.push('\n');
            self.shown += 1;
        }
    }

    /// Ends a row that the result does not keep.
    pub fn drop_row(&mut self) {
        if std::mem::take(&mut self.is_in_row) {
            self.text.truncate(self.row_start);
        }
    }

    /// The whole text: how many rows there are, the rows that have a place here, and how to come to
    /// the rest. `has_structured` says whether the client also gets all rows as structured content.
    pub fn finish(self, truncation: Option<Truncation>, has_structured: bool) -> String {
        let rows = self.rows as u64;
        self.finish_first(rows, truncation, has_structured)
    }

    /// The same of a result that lost rows after the text had seen them, and has so many left.
    pub fn finish_first(
        self,
        rows: u64,
        truncation: Option<Truncation>,
        has_structured: bool,
    ) -> String {
        let rest = match has_structured {
            true => "they are in structuredContent; or select less, aggregate, or page with LIMIT",
            false => "select less, aggregate, or page with LIMIT and OFFSET",
        };
        let rows = rows.max(self.shown as u64);
        let head = count_rows(rows, truncation);
        self.finish_with(&head, rows, rest, "select a part of them with substr")
    }

    /// The whole text, which begins with `head`. `rest` says how to come to those of the `rows`
    /// that have no place here, `whole_cells` how to come to the whole of a cell that is cut.
    pub fn finish_with(self, head: &str, rows: u64, rest: &str, whole_cells: &str) -> String {
        let mut text = head.to_owned();
        if !self.has_columns {
            return text;
        }
        text.push('\n');
        // Only the end of the last line: an empty line is a row with NULL alone.
        text.push_str(self.text.strip_suffix('\n').unwrap_or(&self.text));
        match rows.saturating_sub(self.shown as u64) {
            0 => {}
            1 => text.push_str(&format!("\n… 1 more row has no place here: {rest}")),
            more => text.push_str(&format!("\n… {more} more rows have no place here: {rest}")),
        }
        if self.has_cut_names {
            text.push_str("\nnames of columns that end in `…` are cut: there are too many of them");
        }
        if self.has_cut_cells {
            text.push_str(&format!(
                "\ncells that end in `… (n bytes)` are cut: {whole_cells}"
            ));
        }
        text
    }
}

/// The column with so many bytes of its name at most; nothing in it needs to be doubled.
fn cut_name(column: &Column, longest: usize) -> Column {
    let mut name = column.name.replace('"', "'");
    if name.len() > longest {
        // The first character stays, however many bytes it has.
        let end = name.floor_char_boundary(longest).max(1);
        name.truncate(name.ceil_char_boundary(end));
        name.push('…');
    }
    Column {
        name,
        ..column.clone()
    }
}

/// How many rows there are, and whether that is all.
pub fn count_rows(rows: u64, truncation: Option<Truncation>) -> String {
    let cut = match truncation {
        None if rows == 1 => return "1 row".to_owned(),
        None => return format!("{rows} rows"),
        Some(Truncation::Rows) => "row",
        Some(Truncation::Bytes) => "byte",
    };
    format!(
        "the first {rows} rows (cut at the {cut} limit; there are more: aggregate, or page with \
         LIMIT and OFFSET)"
    )
}

/// Takes rows as long as they have a place in the text. The first row that has none is counted.
impl RowSink for TextForModels {
    fn most_rows(&self) -> Option<usize> {
        None
    }

    fn columns(&mut self, columns: &[Column]) -> Result<(), SinkError> {
        Self::columns(self, columns);
        Ok(())
    }

    fn cell(&mut self, cell: Cell<'_>) -> Result<(), SinkError> {
        Self::cell(self, cell);
        Ok(())
    }

    fn end_row(&mut self) -> Result<Room, SinkError> {
        self.keep_row();
        Ok(match self.is_full() {
            true => Room::Full(Truncation::Bytes),
            false => Room::More,
        })
    }
}

/// A sink with the same rows as text for a model beside it.
#[derive(Debug)]
pub struct WithText<S> {
    /// The sink that decides which rows are in.
    pub rows: S,
    /// The same rows as text.
    pub text: TextForModels,
}

impl<S: RowSink> RowSink for WithText<S> {
    fn most_rows(&self) -> Option<usize> {
        self.rows.most_rows()
    }

    fn columns(&mut self, columns: &[Column]) -> Result<(), SinkError> {
        self.text.columns(columns);
        self.rows.columns(columns)
    }

    fn cell(&mut self, cell: Cell<'_>) -> Result<(), SinkError> {
        self.text.cell(cell);
        self.rows.cell(cell)
    }

    fn end_row(&mut self) -> Result<Room, SinkError> {
        let room = self.rows.end_row()?;
        match room {
            Room::More => self.text.keep_row(),
            Room::Full(_) | Room::TooLarge => self.text.drop_row(),
        }
        Ok(room)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{JsonRows, Limits};
    use super::*;

    fn text_of(rows: &[[&str; 2]], budget: usize, limit: usize) -> String {
        let limits = Limits {
            rows: limit,
            bytes: usize::MAX,
        };
        let mut sink = WithText {
            rows: JsonRows::new(limits),
            text: TextForModels::new(budget),
        };
        let columns = ["a", "b"].map(|name| Column {
            name: name.to_owned(),
            type_name: "text".to_owned(),
        });
        sink.columns(&columns).expect("memory");
        for row in rows {
            for cell in row {
                sink.cell(Cell::Text(cell)).expect("memory");
            }
            if let Room::Full(truncation) = sink.end_row().expect("memory") {
                return sink.text.finish(Some(truncation), true);
            }
        }
        sink.text.finish(None, true)
    }

    #[test]
    fn it_shows_every_row_that_fits_and_counts_the_rest() {
        assert_eq!(text_of(&[["x", "y,"]], 100, 9), "1 row\na,b\nx,\"y,\"");
        let text = text_of(&[["1", "2"]; 10], 20, 9);
        assert!(
            text.starts_with("the first 9 rows (cut at the row limit"),
            "{text}"
        );
        assert_eq!(text.matches("\n1,2").count(), 4, "{text}");
        assert!(
            text.contains("\n… 5 more rows have no place here: "),
            "{text}"
        );
        assert!(text_of(&[], 100, 9).starts_with("0 rows\na,b"));
    }

    #[test]
    fn it_keeps_the_line_of_names_within_half_its_budget_and_says_so() {
        for (count, name) in [(1_600, "column"), (3, "\u{e9}\",\n"), (1, "x")] {
            let columns = vec![
                Column {
                    name: name.repeat(2_000 / name.len()),
                    type_name: "text".to_owned(),
                };
                count
            ];
            let budget = 32 << 10;
            let mut text = TextForModels::new(budget);
            text.columns(&columns);
            for _ in 0..count {
                text.cell(Cell::Text("1"));
            }
            text.keep_row();
            let text = text.finish(None, true);
            assert!(text.len() < budget, "{count}: {}", text.len());
            let is_cut = text.contains("names of columns that end in `…` are cut");
            assert_eq!(is_cut, count > 3, "{text}");
        }
    }

    #[test]
    fn it_shows_a_row_of_null_alone_as_an_empty_line() {
        let mut text = TextForModels::new(100);
        text.columns(&[Column {
            name: "a".to_owned(),
            type_name: "text".to_owned(),
        }]);
        for _ in 0..2 {
            text.cell(Cell::Null);
            text.keep_row();
        }
        assert_eq!(text.finish(None, true), "2 rows\na\n\n");
    }

    #[test]
    fn it_hides_no_row_because_a_cell_is_large_and_says_how_long_that_is() {
        let large = "é".repeat(5_000);
        let text = text_of(&[["1", &large], ["2", "z"]], 4_096, 9);
        assert!(text.contains("é… (10000 bytes)\n2,z"), "{text}");
        assert!(text.contains("select a part of them with substr"), "{text}");
        // However small the budget, there is a first row.
        let text = text_of(&[[&large, &large], ["2", "z"]], 10, 9);
        assert!(text.contains("\n… 1 more row has no place here"), "{text}");
        assert!(text.len() < 500, "{text}");
    }
}
