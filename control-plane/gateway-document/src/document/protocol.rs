//! The revisions of MCP that a document can name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The revision of MCP to speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// The newest that the server answers.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// The stateless revision of July 2026.
    #[serde(rename = "2026-07-28")]
    V2026_07_28,
    /// The last revision with `initialize`.
    #[serde(rename = "2025-11-25")]
    V2025_11_25,
    /// The revision of June 2025.
    #[serde(rename = "2025-06-18")]
    V2025_06_18,
    /// The first revision with streamable HTTP.
    #[serde(rename = "2025-03-26")]
    V2025_03_26,
}

impl Protocol {
    /// The word for it, which is the date of the revision; `auto` sorts after all of them.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::V2026_07_28 => "2026-07-28",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_03_26 => "2025-03-26",
        }
    }
}
