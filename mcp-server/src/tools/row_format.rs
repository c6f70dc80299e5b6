//! The forms in which the tools that run SQL give their rows.

use serde::Deserialize;
use serde_json::{Value, json};

use super::rows_view;

/// The form in which a caller wants the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RowFormat {
    /// One array of JSON for each row.
    #[default]
    Json,
    /// CSV with a header.
    Csv,
    /// An Arrow IPC stream in base64.
    Arrow,
}

/// JSON Schema of the argument.
pub(super) fn argument() -> Value {
    json!({"enum": ["json", "csv", "arrow"], "description": "Of the rows: json when left out; \
         arrow is an IPC stream in base64"})
}

/// JSON Schema of an answer in any of the forms.
pub(super) fn output_schema() -> Value {
    let mut properties = rows_view::properties_with_blocks();
    properties["rows"]["description"] = json!("With json");
    properties["data"] = json!({"type": "string", "description": "With csv and arrow"});
    json!({"properties": properties})
}
