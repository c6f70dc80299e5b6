//! The settings of `up`: every address and port, and whose PostgreSQL and Spark to use.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::places::Folders;

/// The settings of `portcullis up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Settings {
    #[command(flatten)]
    pub(crate) folders: Folders,

    /// The address at which clients reach the gateway
    #[arg(long, env = "GATEWAY_ADDRESS", default_value = "127.0.0.1:10000")]
    pub(crate) gateway_address: SocketAddr,

    /// The address of Envoy's administration
    #[arg(long, env = "ENVOY_ADMIN_ADDRESS", default_value = "127.0.0.1:9901")]
    pub(crate) envoy_admin_address: SocketAddr,

    /// Worker threads of Envoy [default: one for each core]
    #[arg(long, env = "ENVOY_CONCURRENCY", value_name = "THREADS")]
    pub(crate) envoy_concurrency: Option<u16>,

    /// The address at which the control plane serves Envoys (xDS)
    #[arg(
        long,
        env = "CONTROL_PLANE_XDS_ADDRESS",
        default_value = "127.0.0.1:18000"
    )]
    pub(crate) xds_address: SocketAddr,

    /// The control plane's REST interface
    #[arg(
        long,
        env = "CONTROL_PLANE_REST_ADDRESS",
        default_value = "127.0.0.1:8080"
    )]
    pub(crate) rest_address: SocketAddr,

    /// Gateway document that is used when the control plane has none yet [default: one with the
    /// built-in data server]
    #[arg(long, env = "CONTROL_PLANE_DOCUMENT", value_name = "FILE")]
    pub(crate) document: Option<PathBuf>,

    /// Filter module [default: the one that was built with this program]
    #[arg(long, env = "CONTROL_PLANE_MODULE", value_name = "FILE")]
    pub(crate) module: Option<PathBuf>,

    /// The data server's MCP address
    #[arg(long, env = "MCP_SERVER_ADDRESS", default_value = "127.0.0.1:8000")]
    pub(crate) mcp_address: SocketAddr,

    #[command(flatten)]
    pub(crate) postgres: PostgresSettings,

    #[command(flatten)]
    pub(crate) spark: SparkSettings,
}

/// Says whose PostgreSQL is used.
#[derive(Debug, Clone, Args)]
pub(crate) struct PostgresSettings {
    /// Your own database server; POSTGRES_PORT, POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB and
    /// POSTGRES_ROLE go with it [default: a local demo]
    #[arg(long, env = "POSTGRES_HOST", value_name = "HOST")]
    pub(crate) postgres_host: Option<String>,

    /// PostgreSQL URL of Portcullis's own durable records [default: the local PostgreSQL]
    #[arg(
        long,
        env = "PORTCULLIS_STORE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub(crate) store_url: Option<String>,

    /// Port of the local PostgreSQL [default: a free one, the same each time]
    #[arg(long, env = "PORTCULLIS_POSTGRES_PORT", value_name = "PORT")]
    pub(crate) local_postgres_port: Option<u16>,
}

/// Whose Spark, and the ports of the local one.
#[derive(Debug, Clone, Args)]
pub(crate) struct SparkSettings {
    /// Your own Spark Connect server, such as `sc://host:15002` [default: a local Spark]
    #[arg(long, env = "SPARK_REMOTE", value_name = "URL", hide_env_values = true)]
    pub(crate) spark_remote: Option<String>,

    /// Your own master, such as `spark://host:7077`; SPARK_MASTER_REST and SPARK_MASTER_UI go with
    /// it [default: a local Spark]
    #[arg(long, env = "SPARK_MASTER", value_name = "URL")]
    pub(crate) spark_master: Option<String>,

    /// Folders whose files callers may read by their path in the local Spark, separated by commas
    /// [default: none]
    #[arg(long, env = "SPARK_READABLE_FILES", value_name = "FOLDERS")]
    pub(crate) readable_files: Option<String>,

    /// Port of the local Spark master
    #[arg(
        long,
        env = "PORTCULLIS_SPARK_PORT",
        default_value_t = 7077,
        value_name = "PORT"
    )]
    pub(crate) spark_port: u16,

    /// Port of the local master's submission server
    #[arg(
        long,
        env = "PORTCULLIS_SPARK_REST_PORT",
        default_value_t = 6066,
        value_name = "PORT"
    )]
    pub(crate) spark_rest_port: u16,

    /// Port of the local master's page
    #[arg(
        long,
        env = "PORTCULLIS_SPARK_MASTER_UI_PORT",
        default_value_t = 8090,
        value_name = "PORT"
    )]
    pub(crate) spark_master_ui_port: u16,

    /// Port of the local worker's page
    #[arg(
        long,
        env = "PORTCULLIS_SPARK_WORKER_UI_PORT",
        default_value_t = 8091,
        value_name = "PORT"
    )]
    pub(crate) spark_worker_ui_port: u16,

    /// Port of the local Spark Connect server
    #[arg(
        long,
        env = "PORTCULLIS_SPARK_CONNECT_PORT",
        default_value_t = 15002,
        value_name = "PORT"
    )]
    pub(crate) spark_connect_port: u16,

    /// Port of the local Connect server's page
    #[arg(
        long,
        env = "PORTCULLIS_SPARK_DRIVER_UI_PORT",
        default_value_t = 4040,
        value_name = "PORT"
    )]
    pub(crate) spark_driver_ui_port: u16,
}

impl PostgresSettings {
    /// Whether anything needs the local PostgreSQL: the demo data, or our own records.
    pub(crate) fn local_needed(&self) -> bool {
        self.postgres_host.is_none() || self.store_url.is_none()
    }
}

impl SparkSettings {
    /// Whether the local Spark runs: not when the user names one.
    pub(crate) fn local_needed(&self) -> bool {
        self.spark_remote.is_none() && self.spark_master.is_none()
    }
}

impl Settings {
    /// Whether a service that tools need is the user's own, which this program does not start.
    pub(crate) fn uses_own_services(&self) -> bool {
        self.postgres.postgres_host.is_some() || !self.spark.local_needed()
    }

    /// The MCP endpoint that clients use.
    pub(crate) fn mcp_url(&self) -> String {
        format!("http://{}/mcp", reachable(self.gateway_address))
    }

    /// The control plane's REST interface.
    pub(crate) fn rest_url(&self) -> String {
        format!("http://{}", reachable(self.rest_address))
    }
}

/// The address by which something that listens on `address` is reached from this machine: a
/// listener on all addresses is reached over loopback.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}
