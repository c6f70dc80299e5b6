//! The tools that the servers list, as far as a policy depends on them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::names::ServerName;

/// The tools of each server that has been listed, in the order of its list.
pub type Catalogue = BTreeMap<ServerName, Vec<CatalogueTool>>;

/// One tool as its server listed it.
#[derive(Debug, Clone)]
pub struct CatalogueTool {
    /// The server's own name of it.
    pub name: String,
    /// The schema that its arguments must fit.
    pub input_schema: Option<SchemaText>,
    /// The reason why it cannot be offered, where that is known already.
    pub flaw: Option<ToolFlaw>,
    /// The time since when its server has listed it without a break, in microseconds since
    /// 1970-01-01 00:00 UTC.
    pub listed_since: u64,
}

/// The kinds of reason for which a tool is withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WithholdingCause {
    /// Its server's definition of it cannot be offered or checked; it cannot be called anywhere.
    Definition,
    /// Its server is not what `requires` wants; it cannot be called anywhere.
    Requirements,
    /// Its server is pinned, and nobody has approved the definition; it cannot be called anywhere.
    Unreviewed,
    /// Another server's tool has had the name for longer; it can be called at its server's own
    /// endpoint alone.
    NameClash,
}

/// The reason why a listed tool cannot be offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolFlaw {
    /// The kind of reason.
    pub cause: WithholdingCause,
    /// The reason in words, with what to do about it.
    pub reason: String,
}

impl ToolFlaw {
    /// A fault of the definition itself.
    #[must_use]
    pub fn definition(reason: String) -> Self {
        Self {
            cause: WithholdingCause::Definition,
            reason,
        }
    }
}

/// A JSON Schema, byte for byte as it came, and the hash that addresses it.
#[derive(Debug, Clone)]
pub struct SchemaText {
    hash: String,
    text: Box<RawValue>,
}

impl SchemaText {
    /// Takes the schema as it came.
    #[must_use]
    pub fn new(text: Box<RawValue>) -> Self {
        Self {
            hash: hex::encode(Sha256::digest(text.get())),
            text,
        }
    }

    /// The SHA-256 of its bytes, in hex.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The bytes of the schema, as they came.
    #[must_use]
    pub fn text(&self) -> &RawValue {
        &self.text
    }
}
