//! How the process is set up: flags, each with its environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use rest::AllowedHosts;
use store::StoreAddress;

use control_plane::rest;

/// Distributes filters and configuration to Envoys while traffic flows.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Settings {
    /// Where Envoys connect (gRPC, aggregated discovery)
    #[arg(
        long,
        env = "CONTROL_PLANE_XDS_ADDRESS",
        default_value = "127.0.0.1:18000"
    )]
    pub(crate) xds_address: SocketAddr,

    /// Where operators connect (HTTP)
    #[arg(
        long,
        env = "CONTROL_PLANE_REST_ADDRESS",
        default_value = "127.0.0.1:8080"
    )]
    pub(crate) rest_address: SocketAddr,

    /// Host names by which operators may address it, separated by commas; `*` is any
    #[arg(
        long,
        env = "CONTROL_PLANE_ALLOWED_HOSTS",
        default_value = "127.0.0.1,localhost,::1"
    )]
    pub(crate) allowed_hosts: AllowedHosts,

    /// The configuration store: a file, or `postgres://user:password@host:port/database`, which
    /// several control planes may share [default: control-plane.db in the data folder]
    #[arg(long, env = "CONTROL_PLANE_STORE", hide_env_values = true)]
    store: Option<StoreAddress>,

    /// The file of the filter module, as `wasm-build` writes it
    #[arg(
        long,
        env = "CONTROL_PLANE_MODULE",
        default_value = "target/filters/mcp-filter.wasm"
    )]
    pub(crate) module: PathBuf,

    /// The folder for modules by content, which Envoys must be able to read [default: modules in
    /// the data folder]
    #[arg(long, env = "CONTROL_PLANE_MODULE_DIR")]
    module_dir: Option<PathBuf>,

    /// The gateway document to begin with, as YAML or JSON; used only while the store is empty
    #[arg(long, env = "CONTROL_PLANE_DOCUMENT")]
    pub(crate) document: Option<PathBuf>,

    /// How often a server that answers is asked for its tools, in seconds
    #[arg(
        long,
        env = "CONTROL_PLANE_RELIST_SECONDS",
        default_value = "10",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) relist_seconds: u32,

    /// How the log is written
    #[arg(long, env = "CONTROL_PLANE_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,

    /// The data folder [default: ~/.local/state/portcullis; as root /var/lib/portcullis]
    #[arg(long, env = "PORTCULLIS_DATA")]
    data: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines of text for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Settings {
    pub(crate) fn store(&self) -> StoreAddress {
        self.store
            .clone()
            .unwrap_or_else(|| self.data().join("control-plane.db").into())
    }

    pub(crate) fn module_dir(&self) -> PathBuf {
        self.module_dir
            .clone()
            .unwrap_or_else(|| self.data().join("modules"))
    }

    fn data(&self) -> PathBuf {
        self.data
            .clone()
            .unwrap_or_else(data_folder::default_data_folder)
    }
}
