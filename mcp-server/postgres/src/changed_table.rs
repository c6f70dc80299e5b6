//! A table, with the rows that a statement changed in it.

use serde::Serialize;

/// A table whose rows a statement has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedTable {
    /// Its name, with the schema.
    pub table: String,
    /// The rows that came.
    pub inserted: u64,
    /// The rows that changed.
    pub updated: u64,
    /// The rows that went.
    pub deleted: u64,
}

impl ChangedTable {
    /// The rows that changed in any way.
    pub fn rows(&self) -> u64 {
        self.inserted + self.updated + self.deleted
    }
}
