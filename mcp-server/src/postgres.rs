//! PostgreSQL: the port that the PostgreSQL tools work on.

use crate::config::PostgresConfig;

/// The data database.
#[derive(Debug)]
pub struct Postgres {}

impl Postgres {
    /// Prepares the pool without connecting.
    ///
    /// # Errors
    /// When a setting cannot be understood.
    pub fn new(_config: &PostgresConfig) -> anyhow::Result<Self> {
        Ok(Self {})
    }
}
