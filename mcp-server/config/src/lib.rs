//! Every setting of the process: a flag and an environment variable each.

mod blocks;
mod caller_roles;
mod databases_file;
mod postgres;
mod secret;
mod spark;
mod tool_selection;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

pub use blocks::BlockConfig;
pub use caller_roles::CallerRoles;
pub use postgres::{PostgresConfig, Signatures, SslMode};
pub use secret::Secret;
pub use spark::{Access, JobFileAccess, SparkConfig};
pub use tool_selection::ToolSelection;

/// The data server: Spark and PostgreSQL as MCP tools.
#[derive(Debug, Clone, Parser)]
#[command(name = "mcp-server", version)]
pub struct Config {
    /// Speak MCP on standard input and output, and listen nowhere: for a client that starts its
    /// servers itself
    #[arg(long)]
    pub stdio: bool,

    /// Address that the server listens on
    #[arg(long, env = "MCP_SERVER_ADDRESS", default_value = "127.0.0.1:8000")]
    pub address: SocketAddr,

    /// Hosts that a request may name in `Host`, separated by commas; `*` allows any
    #[arg(
        long,
        env = "MCP_ALLOWED_HOSTS",
        value_delimiter = ',',
        default_value = "127.0.0.1,localhost,::1"
    )]
    pub allowed_hosts: Vec<String>,

    /// Origins that browsers may call from, separated by commas; `*` in the place of the port
    /// allows any port, `*` alone any origin
    #[arg(
        long,
        env = "MCP_ALLOWED_ORIGINS",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:*,http://localhost:*,http://[::1]:*"
    )]
    pub allowed_origins: Vec<String>,

    /// Header in which whatever stands before this server names the caller; set it only where
    /// callers cannot send it themselves
    #[arg(long, env = "MCP_PRINCIPAL_HEADER", value_parser = read_header_name)]
    pub principal_header: Option<String>,

    /// PostgreSQL URL of this server's own durable records (schema `portcullis`); without it, jobs
    /// cannot be submitted and pipelines not be kept
    #[arg(long, env = "PORTCULLIS_STORE_URL", hide_env_values = true)]
    pub store_url: Option<Secret>,

    /// Folder of what must last, such as the sources of submitted jobs [default:
    /// ~/.local/state/portcullis, as root /var/lib/portcullis]
    #[arg(long, env = "PORTCULLIS_DATA")]
    pub data: Option<PathBuf>,

    /// Folder whose files pipelines may read and write; without it, no pipeline names a file
    #[arg(long, env = "MCP_PIPELINE_FILES")]
    pub pipeline_files: Option<PathBuf>,

    /// Which tools are offered: `read-only`, `all`, or names separated by commas
    #[arg(long, env = "MCP_TOOLS", default_value = "read-only")]
    pub tools: ToolSelection,

    /// Bytes of a result's rows that its text shows; many clients show a model nothing else
    #[arg(long, env = "MCP_TEXT_BYTES", default_value_t = 32 << 10)]
    pub text_bytes: usize,

    /// Which results are given in blocks, and what they may take of the disk.
    #[command(flatten)]
    pub blocks: BlockConfig,

    /// The databases that the PostgreSQL tools work on.
    #[command(flatten)]
    pub postgres: PostgresConfig,

    /// The Spark that statements and jobs run on.
    #[command(flatten)]
    pub spark: SparkConfig,
}

/// A header's name, in lower case.
fn read_header_name(text: &str) -> Result<String, String> {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    match !text.is_empty() && text.bytes().all(is_sign) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("a header's name has letters, digits and `-`".to_owned()),
    }
}
