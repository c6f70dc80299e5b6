//! Every setting of the process: a flag and an environment variable each.

mod addresses;
mod blocks;
mod caller_roles;
mod databases_file;
mod log_level;
mod postgres;
mod reading;
mod secret;
mod spark;
mod tasks;
mod tool_selection;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Parser;

use addresses::{read_address, read_host};
pub use blocks::BlockConfig;
pub use caller_roles::CallerRoles;
pub use log_level::LogLevel;
pub use postgres::{PostgresConfig, Signatures, SslMode};
pub use secret::Secret;
pub use spark::{Access, JobFileAccess, SparkConfig};
pub use tasks::TaskConfig;
pub use tool_selection::ToolSelection;

/// The data server: Spark and PostgreSQL as MCP tools.
#[derive(Debug, Clone, Parser)]
#[command(name = "mcp-server", version)]
pub struct Config {
    /// Speak MCP on standard input and output, and listen nowhere: for a client that starts its
    /// servers itself
    #[arg(long)]
    pub stdio: bool,

    /// Address that the server listens on, in the place of a host and a port [default:
    /// 127.0.0.1:8000]
    #[arg(long, env = "MCP_SERVER_ADDRESS", value_parser = read_address)]
    pub address: Option<SocketAddr>,

    /// IP address or name that the server listens on, unless a whole address is given
    #[arg(
        id = "listen_host",
        long = "host",
        env = "MCP_SERVER_HOST",
        default_value = "127.0.0.1",
        value_parser = read_host
    )]
    pub host: IpAddr,

    /// Port that the server listens on, unless a whole address is given
    #[arg(
        id = "listen_port",
        long = "port",
        env = "MCP_SERVER_PORT",
        default_value_t = 8000
    )]
    pub port: u16,

    /// Address of another listener that answers `GET /metrics` to Prometheus, and nothing else;
    /// without it there are no metrics. Whoever reaches it may read them
    #[arg(long, env = "MCP_METRICS_ADDRESS", value_parser = read_address)]
    pub metrics_address: Option<SocketAddr>,

    /// File to which one line of JSON is added for each call: who called what, and how it ended.
    /// Without it these lines are in the log, under the target `audit`
    #[arg(long, env = "MCP_AUDIT_LOG")]
    pub audit_log: Option<PathBuf>,

    /// The least grave lines of the log; RUST_LOG, which can tell modules apart, goes before it
    #[arg(long, env = "LOG_LEVEL", default_value = "info", ignore_case = true)]
    pub log_level: LogLevel,

    /// Connections of clients that are served at once; more are refused [default: a fourth of the
    /// files that the process may have open, at most 2048]
    #[arg(long, env = "MCP_MAX_CONNECTIONS")]
    pub max_connections: Option<usize>,

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

    /// YAML file with further tools, each a text of SQL with its parameters
    #[arg(long, env = "MCP_TOOLS_FILE")]
    pub tools_file: Option<PathBuf>,

    /// Bytes of a result's rows that its text shows; many clients show a model nothing else
    #[arg(long, env = "MCP_TEXT_BYTES", default_value_t = 32 << 10)]
    pub text_bytes: usize,

    /// Which results are given in blocks, and what they may take of the disk.
    #[command(flatten)]
    pub blocks: BlockConfig,

    /// Which calls are followed as tasks, and what tasks may take of this server.
    #[command(flatten)]
    pub tasks: TaskConfig,

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

impl Config {
    /// The address that the server listens on: a whole address goes before a host and a port.
    pub fn listen_address(&self) -> SocketAddr {
        self.address
            .unwrap_or_else(|| SocketAddr::new(self.host, self.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(flags: &[&str]) -> Result<Config, String> {
        let words = ["mcp-server"].iter().chain(flags);
        Config::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn check_address(flags: &[&str], expected: &str) {
        let config = parsed(flags).expect("good flags");
        assert_eq!(config.listen_address().to_string(), expected, "{flags:?}");
    }

    #[test]
    fn it_takes_a_whole_address_before_a_host_and_a_port() {
        check_address(&[], "127.0.0.1:8000");
        check_address(&["--port=9000"], "127.0.0.1:9000");
        check_address(&["--host=::1"], "[::1]:8000");
        let all = ["--address=10.0.0.1:1", "--host=::1", "--port=9000"];
        check_address(&all, "10.0.0.1:1");
    }

    #[test]
    fn it_takes_either_name_of_the_pools_size_but_not_both() {
        let most = |flags: &[&str]| parsed(flags).map(|config| config.postgres.most_sessions());
        assert_eq!(most(&[]), Ok(10));
        assert_eq!(most(&["--postgres-connections=3"]), Ok(3));
        assert_eq!(most(&["--postgres-pool-max-size=4"]), Ok(4));
        let both = ["--postgres-connections=3", "--postgres-pool-max-size=4"];
        assert!(most(&both).is_err_and(|error| error.contains("cannot be used with")));
    }

    #[test]
    fn it_reads_levels_in_any_case() {
        let level = |word: &str| parsed(&["--log-level", word]).map(|config| config.log_level);
        assert_eq!(level("WARNING"), Ok(LogLevel::Warn));
        assert_eq!(level("debug"), Ok(LogLevel::Debug));
        assert!(level("loud").is_err_and(|error| error.contains("possible values")));
    }
}
