//! Submitted Spark jobs: submission, watching, and the registry that survives a restart.

use crate::config::Config;

/// The jobs port.
#[derive(Debug)]
pub struct Jobs {}

impl Jobs {
    /// Prepares the registry without connecting.
    ///
    /// # Errors
    /// When an address cannot be understood.
    pub fn new(_config: &Config) -> anyhow::Result<Self> {
        Ok(Self {})
    }
}
