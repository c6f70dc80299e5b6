//! The data server: Apache Spark and PostgreSQL as MCP tools.
//!
//! It speaks streamable HTTP in both protocol eras, runs callers' SQL on PostgreSQL so that it can
//! only read, runs Spark SQL and Spark jobs, and moves rows between them by pipelines, which write
//! where the operator has named a login that may. It decides nothing about who may call what: that
//! is the gateway's part.
//!
//! How its types meet: a [`transport`] receives a message and tells [`mcp::McpServer`] what it
//! knows of the sender ([`mcp::Incoming`]). That makes a [`call::Call`] and hands it to
//! [`tools::Registry`], which parses the arguments and runs the one [`tools::Tool`] with that name
//! on the [`services::Services`]. What comes back is a [`tools::Output`] or a
//! [`tools::ToolFailure`], which `mcp` puts into the form of the client's revision. Beside the
//! calls, [`background`] watches jobs and runs the flows of pipelines.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use tokio_util::sync::CancellationToken;
//!
//! let config = mcp_server::config::Config::of_process();
//! mcp_server::transport::http::serve(config, CancellationToken::new()).await
//! # }
//! ```

// The futures of a call nest deeper than the compiler follows by itself.
#![recursion_limit = "256"]

pub use {
    call, config, copy_format, health, jobs, kept_results, kept_tasks, metrics, postgres, results,
    spark,
};

pub mod background;
mod cursor;
pub mod flow_runner;
pub mod known_names;
pub mod large_buffers;
pub mod mcp;
pub mod pipelines;
pub mod prompts;
mod quotes;
pub mod resources;
pub mod services;
pub mod tools;
pub mod transport;
