//! The services that the tools work on, made once per process and shared by all calls.

use crate::call::CallStatistics;
use crate::config::Config;
use crate::jobs::Jobs;
use crate::pipelines::Pipelines;
use crate::postgres::Databases;
use crate::spark::Spark;

/// The services behind the tools. Making them connects to nothing, so the server starts while they
/// are down.
#[derive(Debug)]
pub struct Services {
    /// The databases that the PostgreSQL tools work on, by name.
    pub databases: Databases,
    /// The Spark that runs SQL statements.
    pub spark: Spark,
    /// Submitted Spark jobs and their registry.
    pub jobs: Jobs,
    /// Pipelines and the records of their runs.
    pub pipelines: Pipelines,
    /// How many calls ran and run, by what was called.
    pub calls: CallStatistics,
    /// The bytes of a result that a model is shown as text.
    pub text_bytes: usize,
}

impl Services {
    /// Prepares every port without connecting.
    ///
    /// # Errors
    /// When a setting cannot be understood (an address that is none, say); never because something
    /// is down.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            databases: Databases::new(&config.postgres)?,
            spark: Spark::new(&config.spark)?,
            jobs: Jobs::new(config)?,
            pipelines: Pipelines::new(config)?,
            calls: CallStatistics::default(),
            text_bytes: config.text_bytes,
        })
    }
}
