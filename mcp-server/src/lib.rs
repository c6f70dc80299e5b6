//! The data server: Apache Spark and PostgreSQL as MCP tools.
//!
//! It speaks streamable HTTP in both protocol eras, reads PostgreSQL without ever being able to
//! write, and runs Spark SQL and Spark jobs. It decides nothing about who may call what: that is
//! the gateway's part.
//!
//! How its types meet: [`http`] receives a message and hands a call to [`tools::Registry`], which
//! parses the arguments and runs the one [`tools::Tool`] with that name, with the
//! [`services::Services`] it works on and its [`tools::Call`]. What comes back is a
//! [`tools::Output`] or a [`tools::ToolFailure`].
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use clap::Parser as _;
//! use tokio_util::sync::CancellationToken;
//!
//! let config = mcp_server::config::Config::parse();
//! mcp_server::http::serve(config, CancellationToken::new()).await
//! # }
//! ```

pub mod config;
pub mod http;
pub mod jobs;
pub mod postgres;
pub mod services;
pub mod spark;
pub mod tools;
