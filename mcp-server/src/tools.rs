//! The tools: one file each, one line each in [`Registry::all`].
//!
//! A tool file holds a unit struct that implements [`Tool`]. It knows nothing of HTTP or JSON-RPC:
//! it gets parsed arguments, the services and the call, and returns an output or a failure.

mod failure;
mod job_view;
mod preview;
mod registry;

pub mod execute_query;
pub mod execute_spark_sql;
pub mod get_job_status;
pub mod get_table_schema;
pub mod list_spark_jobs;
pub mod list_tables;
pub mod submit_spark_job;

use std::future::Future;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::call::Call;
use crate::config::Access;
use crate::services::Services;

pub use failure::ToolFailure;
pub use registry::Registry;

impl Registry {
    /// Every tool of this server, in the order of the list that clients see.
    pub fn all(spark: Access) -> Self {
        let tools = Self::default()
            .with::<list_tables::ListTables>()
            .with::<get_table_schema::GetTableSchema>()
            .with::<execute_query::ExecuteQuery>();
        let tools = match spark {
            Access::Read => tools.with::<execute_spark_sql::ExecuteSparkSql<false>>(),
            Access::Write => tools.with::<execute_spark_sql::ExecuteSparkSql<true>>(),
        };
        tools
            .with::<submit_spark_job::SubmitSparkJob>()
            .with::<get_job_status::GetJobStatus>()
            .with::<list_spark_jobs::ListSparkJobs>()
    }
}

/// One tool that clients can call.
pub trait Tool: Send + Sync + 'static {
    /// The name that clients call.
    const NAME: &'static str;
    /// For people: a few words.
    const TITLE: &'static str;
    /// For models: when to take this tool, what it needs, what it gives. Every byte of it is sent
    /// with each list.
    const DESCRIPTION: &'static str;
    /// The change that a call makes.
    const EFFECT: Effect;

    /// The arguments, with `#[serde(deny_unknown_fields)]`.
    type Arguments: DeserializeOwned + Send;

    /// JSON Schema of the arguments: an object with `additionalProperties: false`, in the keywords
    /// that the gateway's validator knows (a test holds the list).
    fn input_schema() -> Value;

    /// JSON Schema of [`Output::structured`].
    fn output_schema() -> Value;

    /// Does the work. It must stop what it started (in PostgreSQL, in Spark) when `call.cancelled`
    /// fires, or when this future is dropped.
    fn run(
        services: &Services,
        call: &Call,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<Output, ToolFailure>> + Send;
}

/// The change that a call makes in the world; becomes the annotations that clients show and ask
/// confirmation by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A call only reads.
    Reads,
    /// It starts or adds something and destroys nothing.
    Adds,
    /// It may change or remove what exists.
    Destroys,
}

/// The answer of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The whole answer; fits [`Tool::output_schema`].
    pub structured: Value,
    /// The answer in a few lines for a model: the gist, and a preview where the whole is long.
    pub text: String,
}
