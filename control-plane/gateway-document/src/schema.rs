//! The document's published JSON Schema, for editors and for programs that write documents.

use schemars::Schema;
use schemars::generate::SchemaSettings;

use crate::document::GatewayDocument;

/// The JSON Schema (2020-12) of the document. What it accepts may still be refused: it knows
/// nothing of references between the parts.
#[must_use]
pub fn json_schema() -> Schema {
    SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<GatewayDocument>()
}
