//! Spark Connect: the port that the Spark tools work on.

use crate::config::SparkConfig;

/// A client of one Spark Connect server.
#[derive(Debug)]
pub struct Spark {}

impl Spark {
    /// Prepares the client without connecting.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn new(_config: &SparkConfig) -> anyhow::Result<Self> {
        Ok(Self {})
    }
}
