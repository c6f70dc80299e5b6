//! Lists that are answered page by page: the arguments by which a caller turns pages, and answers.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::text_lines::join_within;
use super::{Output, ToolFailure};
use crate::cursor;

/// The entries of a page, when a caller may ask for `most`.
///
/// # Errors
/// `limit` is 0 or more than `most`: `invalid_arguments`, with the range.
pub(super) fn page_limit<N>(limit: N, most: N) -> Result<N, ToolFailure>
where
    N: Copy + Display + From<u8> + PartialOrd,
{
    match limit >= N::from(1) && limit <= most {
        true => Ok(limit),
        false => Err(ToolFailure::invalid_arguments(format!(
            "`limit` must be from 1 to {most}"
        ))),
    }
}

/// JSON Schema of the argument `cursor`.
pub(super) fn cursor_schema() -> Value {
    json!({"type": "string", "description": "`next_cursor` of the page before"})
}

/// The end of the page before, where the caller has seen one.
///
/// # Errors
/// The tool gave no such cursor: `invalid_arguments`.
pub(super) fn open_cursor<T: DeserializeOwned>(
    cursor: Option<&str>,
) -> Result<Option<T>, ToolFailure> {
    let open = |cursor| {
        cursor::open(cursor).ok_or_else(|| {
            ToolFailure::invalid_arguments(
                "`cursor` is none that this tool gave: leave it out to start anew",
            )
        })
    };
    cursor.map(open).transpose()
}

/// A page of a list: its entries under the list's name, and a line of each for a model, as far as
/// they have room in `budget` bytes, or the line that says that there are none.
pub(super) fn page_output(
    list: &str,
    entries: Value,
    lines: &[String],
    no_entries: &str,
    next_cursor: Option<&str>,
    budget: usize,
) -> Output {
    let mut text = match lines {
        [] => no_entries.to_owned(),
        _ => join_within(lines, budget, "call again with a smaller `limit`"),
    };
    if let Some(cursor) = next_cursor {
        text.push_str(&format!("\nmore with cursor {cursor}"));
    }
    let mut structured = json!({"next_cursor": next_cursor});
    structured[list] = entries;
    Output::new(&structured, text)
}
