//! A result of rows as the tools that run SQL show it.

use serde_json::{Value, json};

use super::Output;
use crate::results::{RawObject, Written};

/// The properties of the output schema that every result of rows has.
pub(super) fn properties() -> Value {
    json!({
        "columns": {"type": "array", "items": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "type": {"type": "string"}}
        }},
        "rows": {"type": "array", "items": {"type": "array"}},
        "row_count": {"type": "integer"},
        "truncated": {"type": "boolean"},
        "truncated_by": {"enum": ["rows", "bytes", null]},
        "note": {"type": "string", "description": "Where the next row is not shown: why"}
    })
}

/// The same for results that may be kept in blocks.
pub(super) fn properties_with_blocks() -> Value {
    let mut properties = properties();
    properties["row_count"]["description"] = json!("Of the result, with the rows of its blocks");
    properties["truncated_by"] = json!({"enum": ["rows", "bytes", "blocks", null]});
    properties["result"] = json!({
        "type": "object",
        "description": "With blocks: the whole result",
        "properties": {
            "uri": {"type": "string"},
            "mime_type": {"type": "string"},
            "bytes": {"type": "integer"},
            "blocks": {"type": "integer"},
            "sha256": {"type": "string"},
            "expires_in_s": {"type": "integer"}
        }
    });
    properties
}

/// The answer to a statement that wrote `row_count` rows. `add_rows` adds them in their form.
pub(super) fn output(
    written: &Written,
    row_count: usize,
    mut text: String,
    add_rows: impl FnOnce(RawObject) -> RawObject,
) -> Output {
    if let Some(note) = written.note(row_count) {
        text = format!("{text}\n{note}");
    }
    let structured = written.describe(RawObject::default(), row_count);
    Output::of_rows(add_rows(structured).close(), text)
}
