//! Rows for people: columns that line up, and words in colour where a terminal shows them.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr as _;

/// How a cell is meant, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// It is as it should be.
    Good,
    /// It is not as it should be: somebody has to do something.
    Bad,
    /// It is on its way, or nobody knows yet.
    Waiting,
    /// It names what stands beside or below it.
    Heading,
}

impl Tone {
    fn style(self) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Self::Plain => Style::new(),
            Self::Good => colour(AnsiColor::Green),
            Self::Bad => colour(AnsiColor::Red),
            Self::Waiting => colour(AnsiColor::Yellow),
            Self::Heading => Style::new().bold(),
        }
    }
}

/// One text in a row. It is on one line, and holds nothing that a terminal would obey: what others
/// wrote into it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        let text = shown_text::on_one_line(&text.into());
        Self { text, tone }
    }
}

impl Cell {
    /// The cell with more words behind its own.
    pub(crate) fn with(self, more: impl Display) -> Self {
        Self::new(format!("{}{more}", self.text), self.tone)
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::new(text.as_str(), Tone::Plain)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text, Tone::Plain)
    }
}

impl From<&&str> for Cell {
    fn from(text: &&str) -> Self {
        Self::new(*text, Tone::Heading)
    }
}

/// Rows whose columns line up. The last cell of a row is as long as it is.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table under these headings.
    pub(crate) fn under(headings: &[&str]) -> Self {
        let headings = headings.iter().map(Cell::from).collect();
        Self {
            rows: vec![headings],
        }
    }

    pub(crate) fn push<const N: usize>(&mut self, row: [Cell; N]) {
        self.rows.push(row.into());
    }

    /// A line for each row.
    pub(crate) fn text(&self, is_coloured: bool) -> String {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.rows {
            let inner = row.len().saturating_sub(1);
            for (column, cell) in row.iter().take(inner).enumerate() {
                if widths.len() <= column {
                    widths.push(0);
                }
                widths[column] = widths[column].max(cell.text.width());
            }
        }
        let lines = self.rows.iter().map(|row| line(row, &widths, is_coloured));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn line(row: &[Cell], widths: &[usize], is_coloured: bool) -> String {
    let mut line = String::new();
    let mut blanks = 0;
    for (column, cell) in row.iter().enumerate() {
        let width = widths.get(column).copied().unwrap_or_default();
        if !cell.text.is_empty() {
            line.push_str(&" ".repeat(blanks));
            blanks = 0;
            if is_coloured && cell.tone != Tone::Plain {
                let style = cell.tone.style();
                line.push_str(&format!("{style}{}{style:#}", cell.text));
            } else {
                line.push_str(&cell.text);
            }
        }
        blanks += width.saturating_sub(cell.text.width()) + 2;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::under(&["NAME", "STATE", "REASON"]);
        table.push(["größe".into(), Cell::new("up", Tone::Good), "".into()]);
        table.push(["本".into(), "".into(), "a\nb \u{1b}[31m\u{202e}c".into()]);
        table
    }

    #[test]
    fn it_lines_columns_up_by_what_a_terminal_shows() {
        let expected = [
            "NAME   STATE  REASON",
            "größe  up",
            "本            a b  [31m c",
        ];
        assert_eq!(table().text(false), expected.join("\n"));
        assert_eq!(Table::default().text(true), "");
    }

    #[test]
    fn it_colours_words_and_no_blanks() {
        let text = table().text(true);
        assert!(text.contains("größe  \u{1b}[32mup\u{1b}[0m\n"), "{text:?}");
    }
}
