//! The services that the tools work on, made once per process and shared by all calls.

use std::path::PathBuf;
use std::sync::Arc;

use data_folder::default_data_folder;

use crate::call::{Call, CallStatistics, Claimant};
use crate::config::{BlockConfig, Config, TaskConfig, ToolSelection};
use crate::jobs::Jobs;
use crate::kept_results::{KeptResults, KeptResultsSettings};
use crate::kept_tasks::{TaskStore, TaskStoreSettings};
use crate::metrics::Metrics;
use crate::pipelines::Pipelines;
use crate::postgres::{DatabaseCaller, Databases};
use crate::spark::{Spark, SparkCaller};

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
    /// The results that their answers could not hold, on this server's disk.
    pub kept_results: Arc<KeptResults>,
    /// Which results are kept there, and how.
    pub blocks: BlockConfig,
    /// Whether the tool is offered that reads them.
    pub offers_blocks_by_tool: bool,
    /// Calls that outlive their requests.
    pub tasks: Arc<TaskStore>,
    /// Which calls those are.
    pub task_config: TaskConfig,
    /// The numbers that Prometheus reads.
    pub metrics: Metrics,
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
        if config.store_url.is_none() {
            tracing::warn!(
                "PORTCULLIS_STORE_URL is not set: Spark jobs cannot be submitted, and pipelines \
                 not be kept"
            );
        }
        Ok(Self {
            databases: Databases::new(&config.postgres)?,
            spark: Spark::new(&config.spark)?,
            jobs: Jobs::new(config)?,
            pipelines: Pipelines::new(config)?,
            calls: CallStatistics::default(),
            kept_results: Arc::new(KeptResults::new(kept_results_settings(config))),
            blocks: config.blocks.clone(),
            offers_blocks_by_tool: match &config.tools {
                ToolSelection::ReadOnly | ToolSelection::All => true,
                ToolSelection::Named(names) => names.iter().any(|name| name == "read_result_block"),
            },
            tasks: Arc::new(TaskStore::new(task_store_settings(config))),
            task_config: config.tasks.clone(),
            metrics: Metrics::new(),
            text_bytes: config.text_bytes,
        })
    }
}

/// Settings of services that lead nowhere, for tests that ask none of them.
#[cfg(test)]
pub fn nowhere() -> Config {
    let nowhere = [
        "mcp-server",
        "--postgres-port=1",
        "--spark-remote=sc://127.0.0.1:1",
        "--spark-master-rest=http://127.0.0.1:1",
        "--spark-master-ui=http://127.0.0.1:1",
    ];
    clap::Parser::parse_from(nowhere)
}

/// The caller of a call, as a database tells it from others.
pub fn database_caller(call: &Call) -> DatabaseCaller<'_> {
    DatabaseCaller {
        name: call.principal.owner(),
        claimant: &call.claimant,
    }
}

/// The caller of a call, as Spark tells it from others.
pub fn spark_caller(call: &Call) -> SparkCaller {
    SparkCaller {
        session: call.session.clone(),
        claimant: call.claimant.clone(),
    }
}

/// The caller of what this server does beside calls, on its own account: the owner of a pipeline
/// whose flow it runs, or nobody.
pub fn beside_calls(owner: Option<&str>) -> DatabaseCaller<'_> {
    DatabaseCaller {
        name: owner,
        claimant: &Claimant::Server,
    }
}

fn data_folder(config: &Config) -> PathBuf {
    config.data.clone().unwrap_or_else(default_data_folder)
}

fn task_store_settings(config: &Config) -> TaskStoreSettings {
    TaskStoreSettings {
        folder: data_folder(config).join("tasks"),
        ttl: config.tasks.ttl(),
        most: config.tasks.most,
        quota: config.tasks.quota_bytes,
    }
}

fn kept_results_settings(config: &Config) -> KeptResultsSettings {
    KeptResultsSettings {
        folder: data_folder(config).join("results"),
        node: config.blocks.node.clone(),
        quota: config.blocks.quota_bytes,
        expiry: config.blocks.expiry(),
    }
}
