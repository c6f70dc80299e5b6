//! Apache Spark's SQL, over Spark Connect: the port that the Spark SQL tool works on.
//!
//! [`connect`] sends a statement and gives back Arrow; [`collect`] makes of it a result in the format
//! asked for, within limits; [`rows`] has the JSON values, which lose nothing, and [`types`] names the
//! columns' types as Spark's own SQL does. Nothing here knows
//! of MCP. Submitted programs are the part of [`crate::jobs`].

use std::time::{Duration, Instant};

use crate::config::SparkConfig;
use crate::services::Health;

pub mod collect;
pub mod connect;
pub mod rows;
pub mod types;

mod protocol;

use collect::Limits;
use connect::{Connect, SparkUser};

/// Spark Connect.
#[derive(Debug)]
pub struct Spark {
    connect: Connect,
    statement_timeout: Duration,
    limits: Limits,
}

impl Spark {
    /// Prepares the client without connecting.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn new(config: &SparkConfig) -> anyhow::Result<Self> {
        Ok(Self {
            connect: Connect::new(config.remote.parse()?)?,
            statement_timeout: Duration::from_millis(config.statement_timeout_ms),
            limits: Limits {
                rows: usize::try_from(config.max_rows)?,
                bytes: config.max_bytes,
            },
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

    /// Whether Spark Connect answers, by asking for its version.
    pub async fn health(&self) -> Health {
        let asked = Instant::now();
        match self.connect.version(&self.user()).await {
            Ok(version) => Health::Up {
                latency: asked.elapsed(),
                detail: format!("Spark Connect {version}"),
            },
            Err(error) => Health::Down {
                reason: error.to_string(),
            },
        }
    }

    /// Waits until every statement that was given up has been ended in Spark.
    pub async fn drain(&self) {
        self.connect.drain().await;
    }

    /// How long a statement may take.
    pub fn statement_timeout(&self) -> Duration {
        self.statement_timeout
    }

    /// How much of a result is given back.
    pub fn limits(&self) -> Limits {
        self.limits
    }
}
