//! The data server: Apache Spark and PostgreSQL as MCP tools.
//!
//! It speaks streamable HTTP in both protocol eras, reads PostgreSQL without ever being able to
//! write, and runs Spark SQL and Spark jobs. It decides nothing about who may call what: that is
//! the gateway's part.
//!
//! How its types meet: a [`transport`] receives a message and tells [`mcp::McpServer`] what it
//! knows of the sender ([`mcp::Incoming`]). That makes a [`call::Call`] and hands it to
//! [`tools::Registry`], which parses the arguments and runs the one [`tools::Tool`] with that name
//! on the [`services::Services`]. What comes back is a [`tools::Output`] or a
//! [`tools::ToolFailure`], which `mcp` puts into the form of the client's revision.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use clap::Parser as _;
//! use tokio_util::sync::CancellationToken;
//!
//! let config = mcp_server::config::Config::parse();
//! mcp_server::transport::http::serve(config, CancellationToken::new()).await
//! # }
//! ```

pub mod call;
pub mod config;
pub mod flow_runner;
pub mod health;
pub mod jobs;
pub mod mcp;
pub mod pipelines;
pub mod postgres;
pub mod results;
pub mod services;
pub mod spark;
mod store_pool;
pub mod tools;
pub mod transport;
