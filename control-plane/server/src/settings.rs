//! How the process is set up: flags, each with its environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::uri::Authority;
use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};
use rest::AllowedHosts;
use store::{OpenError, StoreAddress};
use xds::ServerLimits;

use control_plane::module::ModuleOrigin;
use control_plane::rest;

/// The longest age of a stream that can be set: a year, past which nobody means a number.
const MOST_STREAM_AGE_SECONDS: u64 = 365 * 24 * 3600;

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

    /// Connections of Envoys at once; when each has its Envoy, further ones are closed
    #[arg(
        long,
        env = "CONTROL_PLANE_XDS_CONNECTIONS",
        default_value_t = xds_limits().connections,
        value_parser = RangedU64ValueParser::<usize>::new().range(1..)
    )]
    xds_connections: usize,

    /// How long an Envoy keeps its streams before it opens them anew, in seconds; up to a tenth
    /// more
    #[arg(
        long,
        env = "CONTROL_PLANE_XDS_STREAM_AGE_SECONDS",
        default_value_t = xds_limits().stream_age.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..=MOST_STREAM_AGE_SECONDS)
    )]
    xds_stream_age_seconds: u64,

    /// How often an idle connection of an Envoy is probed, in seconds
    #[arg(
        long,
        env = "CONTROL_PLANE_XDS_KEEP_ALIVE_SECONDS",
        default_value_t = xds_limits().keep_alive.as_secs(),
        value_parser = clap::value_parser!(u64).range(1..=3600)
    )]
    xds_keep_alive_seconds: u64,

    /// The time over which Envoys are sent elsewhere when the process is asked to end, in seconds;
    /// where they are few it takes less
    #[arg(
        long,
        env = "CONTROL_PLANE_XDS_DRAIN_SECONDS",
        default_value_t = xds_limits().drain.as_secs(),
        value_parser = clap::value_parser!(u64).range(..=3600)
    )]
    xds_drain_seconds: u64,

    /// Where operators connect (HTTP)
    #[arg(
        long,
        env = "CONTROL_PLANE_REST_ADDRESS",
        default_value = "127.0.0.1:8080"
    )]
    pub(crate) rest_address: SocketAddr,

    /// The host and port by which operators reach this one from elsewhere, to which control planes
    /// that stand by send them on [default: the address where they connect]
    #[arg(long, env = "CONTROL_PLANE_ADVERTISED_ADDRESS")]
    advertised_address: Option<Authority>,

    /// Host names by which operators may address it, separated by commas; `*` is any
    #[arg(
        long,
        env = "CONTROL_PLANE_ALLOWED_HOSTS",
        default_value = "127.0.0.1,localhost,::1"
    )]
    pub(crate) allowed_hosts: AllowedHosts,

    /// The configuration store: a file, or `postgres://user:password@host:port/database`, which
    /// several control planes may share, or `@` and the path of a file that holds its address
    /// [default: control-plane.db in the data folder]
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

    /// The address of this REST interface as Envoys reach it, like `http://control-plane:8080`,
    /// from where they fetch modules [default: they read them from the folder for modules]
    #[arg(long, env = "CONTROL_PLANE_MODULE_URL")]
    pub(crate) module_origin: Option<ModuleOrigin>,

    /// The program of an Envoy, which is asked with `--mode validate` whether it would take a
    /// change of listeners, routes, clusters or modules, before any other is sent it
    #[arg(long, env = "CONTROL_PLANE_ENVOY")]
    pub(crate) envoy: Option<PathBuf>,

    /// The gateway document to begin with, as YAML or JSON; used only while the store is empty
    #[arg(long, env = "CONTROL_PLANE_DOCUMENT")]
    pub(crate) document: Option<PathBuf>,

    /// Break-glass: puts this revision in force at the start, judged by nobody, whatever Envoys
    /// said of it; it is stored once more, as the newest. For the start at which it is needed, not
    /// for good
    #[arg(long, value_name = "REVISION", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) start_from_revision: Option<u64>,

    /// How often a server that answers is asked for its tools, in seconds
    #[arg(
        long,
        env = "CONTROL_PLANE_RELIST_SECONDS",
        default_value = "10",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) relist_seconds: u32,

    /// How often each endpoint of a server is asked whether it is well, in seconds
    #[arg(
        long,
        env = "CONTROL_PLANE_PROBE_SECONDS",
        default_value = "5",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) probe_seconds: u32,

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

/// The bounds of the server that nobody has set.
fn xds_limits() -> ServerLimits {
    ServerLimits::default()
}

impl Settings {
    /// The bounds of the server for Envoys.
    pub(crate) fn xds_limits(&self) -> ServerLimits {
        ServerLimits {
            connections: self.xds_connections,
            stream_age: Duration::from_secs(self.xds_stream_age_seconds),
            keep_alive: Duration::from_secs(self.xds_keep_alive_seconds),
            drain: Duration::from_secs(self.xds_drain_seconds),
            ..xds_limits()
        }
    }

    /// The address of the store, which is not to show a password to others.
    pub(crate) fn store(&self) -> Result<StoreAddress, OpenError> {
        let Some(store) = &self.store else {
            return Ok(self.data().join("control-plane.db").into());
        };
        store.check_arguments(std::env::args_os())?;
        store.clone().resolved()
    }

    /// The name of this process, by which operators reach it.
    pub(crate) fn name(&self) -> String {
        let advertised = self.advertised_address.as_ref().map(Authority::to_string);
        advertised.unwrap_or_else(|| self.rest_address.to_string())
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
