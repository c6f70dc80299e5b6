//! Rows in PostgreSQL's text form, for statements of this program's own.

use std::sync::Arc;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::DataRowBody;

use super::SessionError;

/// A row in PostgreSQL's text form.
#[derive(Debug, Clone)]
pub struct TextRow {
    names: Arc<[String]>,
    values: Vec<Option<String>>,
}

impl TextRow {
    /// The value of the column `name`; `None` for NULL.
    ///
    /// # Panics
    /// When the statement, which this program wrote, has no such column.
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.names.iter().position(|known| known == name) {
            Some(at) => self.values[at].as_deref(),
            None => unreachable!("no column `{name}` in {:?}", self.names),
        }
    }

    /// The value of a column that is never NULL.
    pub fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// The value of a column as a number; `None` for NULL.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).and_then(|text| text.parse().ok())
    }

    /// The value of a boolean column; NULL is false.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("t")
    }
}

/// The rows of an answer, whose columns have these names.
pub(super) fn text_rows(
    rows: &[DataRowBody],
    names: &Arc<[String]>,
) -> Result<Vec<TextRow>, SessionError> {
    rows.iter()
        .map(|row| {
            let values = row
                .ranges()
                .map(|range| {
                    Ok(range
                        .map(|range| String::from_utf8_lossy(&row.buffer()[range]).into_owned()))
                })
                .collect()?;
            Ok(TextRow {
                names: Arc::clone(names),
                values,
            })
        })
        .collect()
}
