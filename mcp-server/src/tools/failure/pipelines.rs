//! Failures of pipelines and their runs in the words of the tools.

use orchestrator::StoreError;
use orchestrator::store::{CreateError, SubmitError};

use super::ToolFailure;
use crate::pipelines::NoRecords;

impl ToolFailure {
    /// A flow names a file, and there is no folder for files of pipelines.
    pub fn no_pipeline_files() -> Self {
        Self::new("no_files", "pipelines may not read or write files here")
            .with_hint("the operator can name a folder for them: MCP_PIPELINE_FILES")
    }

    /// Rows would go into Spark, where nothing may be written.
    pub fn spark_only_reads() -> Self {
        Self::new("read_only", "Spark SQL only reads here")
            .with_hint("the operator opens it with SPARK_ALLOW_WRITES")
    }

    /// The same of the stage of a pipeline.
    #[must_use]
    pub fn of_stage(self, stage: &str) -> Self {
        let message = format!("stage `{stage}`: {}", self.message);
        Self { message, ..self }
    }
}

impl From<NoRecords> for ToolFailure {
    fn from(error: NoRecords) -> Self {
        Self::without_records(&error)
    }
}

impl From<StoreError> for ToolFailure {
    fn from(error: StoreError) -> Self {
        Self::of_records(&error)
    }
}

impl From<CreateError> for ToolFailure {
    fn from(error: CreateError) -> Self {
        let message = error.to_string();
        match error {
            CreateError::Store(error) => error.into(),
            CreateError::Invalid(_) => Self::invalid_arguments(message),
            CreateError::TooMany => Self::new("too_many", message),
            CreateError::Busy => Self::unavailable(message),
        }
    }
}

impl From<SubmitError> for ToolFailure {
    fn from(error: SubmitError) -> Self {
        let message = error.to_string();
        match error {
            SubmitError::Store(error) => Self::from(error).with_hint(
                "the run may have been accepted, and a call with the same idempotency_key answers \
                 with it; list_pipelines shows it too",
            ),
            SubmitError::NoPipeline { .. } => {
                Self::not_found(message).with_hint("list_pipelines lists them")
            }
            SubmitError::TooManyOpen => Self::new("too_many", message),
            SubmitError::Parameters(_) | SubmitError::Key | SubmitError::KeyOfAnother(_) => {
                Self::invalid_arguments(message)
            }
        }
    }
}
