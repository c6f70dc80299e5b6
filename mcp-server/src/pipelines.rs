//! Pipelines: what an author writes ([`flows`]), and where runs are recorded.

use std::path::{Path, PathBuf};

use crate::config::{Access, Config};
use anyhow::ensure;

use orchestrator::Store;

pub use flows::{
    ChangeStatement, Destination, FLOW, FileFormat, Flow, IntoPostgres, InvalidFlow, LoadMode,
    Pipeline, RowFile, Source, Stage, Transformation, as_written,
};

/// Connections to the records: two for calls, one for each step that is renewed or reported at the
/// same moment.
const CONNECTIONS: u32 = 6;

/// The records of pipelines, and what flows may touch here.
#[derive(Debug)]
pub struct Pipelines {
    store: Option<Store>,
    files: Option<PathBuf>,
    spark: Access,
}

/// There are no records, and without them a run would be lost with this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("pipelines cannot be kept here: this server has no records to keep them in")]
pub struct NoRecords;

impl Pipelines {
    /// Prepares the records without connecting.
    ///
    /// # Errors
    /// When the address of the records cannot be understood, or the folder of files is none.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        if let Some(folder) = &config.pipeline_files {
            ensure!(
                folder.is_dir(),
                "MCP_PIPELINE_FILES names `{}`, which is no folder that this server can see: make \
                 it, or name another one",
                folder.display()
            );
        }
        let store = config.store_url.as_ref().map(|url| {
            let pool = store_pool::open(url.expose(), "portcullis-pipelines", CONNECTIONS)?;
            anyhow::Ok(Store::new(pool))
        });
        Ok(Self {
            store: store.transpose()?,
            files: config.pipeline_files.clone(),
            spark: config.spark.access(),
        })
    }

    /// The records of pipelines and runs.
    ///
    /// # Errors
    /// The operator has given this server no database for them ([`NoRecords`]).
    pub fn store(&self) -> Result<&Store, NoRecords> {
        self.store.as_ref().ok_or(NoRecords)
    }

    /// The folder whose files flows may read and write, if there is one.
    pub fn files(&self) -> Option<&Path> {
        self.files.as_deref()
    }

    /// The rights of Spark SQL statements.
    pub fn spark(&self) -> Access {
        self.spark
    }
}
