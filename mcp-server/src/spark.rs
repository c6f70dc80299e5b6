//! Apache Spark's SQL, over Spark Connect: the port that the Spark SQL tool works on.
//!
//! [`connect`] sends a statement and gives back Arrow; [`rows`] turns that into JSON values that
//! lose nothing, and [`types`] names the columns' types as Spark's own SQL does. Nothing here knows
//! of MCP. Submitted programs are the part of [`crate::jobs`].

use crate::config::SparkConfig;

pub mod connect;
pub mod rows;
pub mod types;

mod protocol;

use connect::{Connect, SparkUser};

/// Spark Connect.
#[derive(Debug)]
pub struct Spark {
    connect: Connect,
}

impl Spark {
    /// Prepares the client without connecting.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn new(config: &SparkConfig) -> anyhow::Result<Self> {
        Ok(Self {
            connect: Connect::new(config.remote.parse()?)?,
        })
    }

    /// The client of Spark Connect.
    pub fn connect(&self) -> &Connect {
        &self.connect
    }

    /// The user that statements run as while callers have no identity.
    pub fn user(&self) -> SparkUser {
        SparkUser::new("portcullis")
    }
}
