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
use tokio_util::sync::CancellationToken;

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

/// One call: who asks, under which id, and whether they still want the answer.
#[derive(Debug, Clone)]
pub struct Call {
    /// The correlation id, the same in every log line of the call, in Envoy's access log and in the
    /// answer.
    pub request_id: CorrelationId,
    /// Fires when the client cancelled or went away.
    pub cancelled: CancellationToken,
    /// The caller, as far as known.
    pub principal: Principal,
    /// The session of a client whose revision has sessions: what a caller leaves behind for its
    /// next call is found by it, and ends with it.
    pub session: Option<String>,
}

impl Call {
    /// The result of `work`, or a failure as soon as the caller no longer wants it; `work` is
    /// dropped then.
    ///
    /// # Errors
    /// Those of `work`, and `cancelled`.
    pub async fn unless_cancelled<T>(
        &self,
        work: impl Future<Output = Result<T, ToolFailure>>,
    ) -> Result<T, ToolFailure> {
        tokio::select! {
            result = work => result,
            () = self.cancelled.cancelled() => Err(ToolFailure::cancelled()),
        }
    }
}

/// The id of one call from the client's proxy to the last log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationId(pub String);

/// Who calls, as the gateway found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// Nobody said who it is.
    Anonymous,
}

impl Principal {
    /// Under whom records are kept that only their owner may see; `None` for callers without
    /// identity.
    pub fn owner(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
        }
    }
}

/// The answer of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The whole answer; fits [`Tool::output_schema`].
    pub structured: Value,
    /// The answer in a few lines for a model: the gist, and a preview where the whole is long.
    pub text: String,
}
