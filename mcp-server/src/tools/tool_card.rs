//! A tool as clients see it, whoever wrote it.

use serde_json::Value;

use super::Effect;

/// A tool as clients see it, before it is put into the form of rmcp.
pub(super) struct ToolCard {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) effect: Effect,
    pub(super) is_idempotent: bool,
    /// Whether it reaches for more than the data behind this server.
    pub(super) is_open_world: bool,
    pub(super) input_schema: Value,
    pub(super) output_schema: Value,
}
