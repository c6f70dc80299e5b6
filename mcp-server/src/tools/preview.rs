//! A result as a few lines for a model: the first rows, and what it must know of the rest.

use serde_json::Value;

/// Rows that the text shows.
const ROWS: usize = 20;

/// Bytes after which the text stops.
const BYTES: usize = 4 << 10;

/// The rows as lines with tabs, under their column names. `truncated_by` is `rows` or `bytes` where
/// a limit cut them.
pub(super) fn table(names: &[&str], rows: &[Vec<Value>], truncated_by: Option<&str>) -> String {
    let mut text = count(rows.len(), truncated_by);
    text.push('\n');
    text.push_str(&names.join("\t"));
    for (at, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(cell).collect();
        let line = cells.join("\t");
        if at == ROWS || text.len() + line.len() > BYTES {
            text.push_str(&format!(
                "\n… {} more in structuredContent",
                rows.len() - at
            ));
            break;
        }
        text.push('\n');
        text.push_str(&line);
    }
    text
}

/// How many rows there are, and whether that is all.
pub(super) fn count(rows: usize, truncated_by: Option<&str>) -> String {
    match (rows, truncated_by) {
        (1, None) => "1 row".to_owned(),
        (count, None) => format!("{count} rows"),
        (count, Some("rows")) => {
            format!("the first {count} rows (cut at the row limit; there are more)")
        }
        (count, Some(_)) => {
            format!("the first {count} rows (cut at the byte limit; there are more)")
        }
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.replace(['\t', '\n', '\r'], " "),
        other => other.to_string(),
    }
}
