//! The tools: one file each, one line each in [`Registry::all`].
//!
//! A tool file holds a unit struct that implements [`Tool`]. It knows nothing of HTTP or JSON-RPC:
//! it gets parsed arguments, the services and the call, and returns an output or a failure.

mod declared;
mod failure;
mod inputs;
mod job_view;
mod paging;
pub mod pipeline_changes;
mod pipeline_view;
mod registry;
mod row_delivery;
mod row_format;
mod rows_view;
mod sql_fault;
mod text_lines;
mod tool_card;
pub mod unconfirmed;

pub mod bulk_load_from_spark;
pub mod cancel_job;
pub mod cancel_pipeline;
pub mod create_etl_pipeline;
pub mod create_table;
pub mod execute_dml;
pub mod execute_pipeline;
pub mod execute_query;
pub mod execute_spark_sql;
pub mod explain_query;
pub mod get_job_logs;
pub mod get_job_status;
pub mod get_pipeline_status;
pub mod get_spark_table_schema;
pub mod get_table_schema;
pub mod list_pipelines;
pub mod list_spark_jobs;
pub mod list_spark_tables;
pub mod list_tables;
pub mod read_result_block;
pub mod submit_spark_job;

use std::future::Future;

use anyhow::ensure;
use rmcp::model::ContentBlock;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::call::Call;
use crate::config::{Access, Config};
use crate::results::RawJson;
use crate::services::Services;

pub use failure::ToolFailure;
pub use get_table_schema::not_found as missing_table;
pub use inputs::{Ask, Inputs};
pub use job_view::{full as describe_job, line as summarise_job};
pub use pipeline_view::run as describe_run;
pub use registry::Registry;

impl Registry {
    /// The tools that the configuration offers, this server's own before the declared ones.
    ///
    /// # Errors
    /// When a name is chosen that no tool has, a tool is not declared as it should be, or Spark SQL
    /// may write and is not offered so.
    pub fn offered(config: &Config) -> anyhow::Result<Self> {
        let own = Self::all(config.spark.access());
        let declared = match &config.tools_file {
            None => Vec::new(),
            Some(path) => declared::read(path, &|name| own.get(name).is_some())?,
        };
        let all = declared.into_iter().fold(own, Self::with_declared);
        let all = match config.blocks.enabled {
            true => all,
            false => all.without_blocks(),
        };
        let offered = all.select(&config.tools)?;
        ensure!(
            config.spark.access() == Access::Read || offered.get("execute_spark_sql").is_some(),
            "SPARK_ALLOW_WRITES is set, but the tool that it concerns is not offered: set \
             MCP_TOOLS=all, or name execute_spark_sql there"
        );
        Ok(offered)
    }

    /// Every tool of this server, in the order of the list that clients see.
    pub fn all(spark: Access) -> Self {
        let tools = Self::default()
            .with::<list_tables::ListTables>()
            .with::<get_table_schema::GetTableSchema>()
            .with::<execute_query::ExecuteQuery>()
            .with::<explain_query::ExplainQuery>()
            .with::<execute_dml::ExecuteDml>()
            .with::<create_table::CreateTable>()
            .with::<list_spark_tables::ListSparkTables>()
            .with::<get_spark_table_schema::GetSparkTableSchema>();
        let tools = match spark {
            Access::Read => tools.with::<execute_spark_sql::ExecuteSparkSql<false>>(),
            Access::Write => tools.with::<execute_spark_sql::ExecuteSparkSql<true>>(),
        };
        tools
            .with::<read_result_block::ReadResultBlock>()
            .with::<submit_spark_job::SubmitSparkJob>()
            .with::<get_job_status::GetJobStatus>()
            .with::<list_spark_jobs::ListSparkJobs>()
            .with::<get_job_logs::GetJobLogs>()
            .with::<cancel_job::CancelJob>()
            .with::<bulk_load_from_spark::BulkLoadFromSpark>()
            .with::<create_etl_pipeline::CreateEtlPipeline>()
            .with::<execute_pipeline::ExecutePipeline>()
            .with::<get_pipeline_status::GetPipelineStatus>()
            .with::<list_pipelines::ListPipelines>()
            .with::<cancel_pipeline::CancelPipeline>()
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
    /// Whether a second call with the same arguments changes nothing more.
    const IS_IDEMPOTENT: bool = false;

    /// Whether a call that only reads may ask its client something; others may anyway.
    const ASKS: bool = false;
    /// Whether a call has something to say to its client's log.
    const LOGS: bool = false;

    /// The arguments, with `#[serde(deny_unknown_fields)]`.
    type Arguments: DeserializeOwned + Send;

    /// JSON Schema of the arguments: an object with `additionalProperties: false`, in the keywords
    /// that the gateway's validator knows (a test holds the list).
    fn input_schema() -> Value;

    /// JSON Schema of [`Output::structured`]: its members with their types, and no more, because
    /// every client reads it of every tool. It requires nothing, since clients hold the structured
    /// content of a failure against it, too; the description of a member that is not always there
    /// begins with `With`, `Without` or `Where` (a test holds answers to that).
    fn output_schema() -> Value;

    /// Does the work. It must stop what it started (in PostgreSQL, in Spark) when `call.cancelled`
    /// fires, or when this future is dropped.
    fn run(
        services: &Services,
        call: &Call,
        arguments: Self::Arguments,
    ) -> impl Future<Output = Result<Output, ToolFailure>> + Send;
}

/// JSON Schema of the argument by which a caller chooses one of this server's databases.
fn database_schema() -> Value {
    json!({"type": "string", "description": "Name of a database; `default` when left out"})
}

/// JSON Schema of the argument that is a query for PostgreSQL.
fn query_schema() -> Value {
    json!({"type": "string", "minLength": 1, "description": "SELECT, WITH, VALUES or TABLE"})
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
    pub structured: RawJson,
    /// The answer for a model.
    pub text: String,
    /// Whether the text tells a client that gets no structured content all that it needs; it is
    /// sent the structured content as text otherwise.
    pub text_is_whole: bool,
    /// More for a model, each after the text and apart from it.
    pub notes: Vec<String>,
    /// The resource that holds the rest of the answer, for clients whose revision has links.
    pub link: Option<ResourceLink>,
    /// Content behind all that: images, sounds and embedded resources.
    pub content: Vec<ContentBlock>,
}

/// A resource that an answer leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceLink {
    /// The URI of the resource.
    pub uri: String,
    /// How its contents are to be read, for models.
    pub description: String,
    /// The media type of its contents.
    pub mime_type: String,
    /// The bytes of all of its contents.
    pub bytes: u64,
}

impl Output {
    /// An answer whose text is the gist in a few lines.
    pub fn new(structured: &Value, text: impl Into<String>) -> Self {
        Self {
            structured: RawJson::of(structured),
            text: text.into(),
            text_is_whole: false,
            notes: Vec::new(),
            link: None,
            content: Vec::new(),
        }
    }

    /// An answer whose text has the rows themselves, within its budget.
    pub fn of_rows(structured: RawJson, text: String) -> Self {
        Self {
            structured,
            text,
            text_is_whole: true,
            notes: Vec::new(),
            link: None,
            content: Vec::new(),
        }
    }

    /// An answer whose text tells all of it in other words.
    pub fn of_whole_text(structured: &Value, text: String) -> Self {
        Self::of_rows(RawJson::of(structured), text)
    }
}
