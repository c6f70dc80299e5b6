//! Every setting of the process: a flag and an environment variable each.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, ValueEnum};

/// The data server: Spark and PostgreSQL as MCP tools.
#[derive(Debug, Clone, Parser)]
#[command(name = "mcp-server", version)]
pub struct Config {
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

    /// PostgreSQL URL of this server's own durable records (schema `portcullis`); without it, jobs
    /// cannot be submitted
    #[arg(long, env = "PORTCULLIS_STORE_URL", hide_env_values = true)]
    pub store_url: Option<Secret>,

    /// Folder of what must last, such as the sources of submitted jobs [default:
    /// ~/.local/state/portcullis, as root /var/lib/portcullis]
    #[arg(long, env = "PORTCULLIS_DATA")]
    pub data: Option<PathBuf>,

    /// The database that the PostgreSQL tools read.
    #[command(flatten)]
    pub postgres: PostgresConfig,

    /// The Spark that statements and jobs run on.
    #[command(flatten)]
    pub spark: SparkConfig,
}

/// The database that the PostgreSQL tools read.
#[derive(Debug, Clone, Args)]
pub struct PostgresConfig {
    /// Host name, address, or folder of the socket
    #[arg(
        long = "postgres-host",
        env = "POSTGRES_HOST",
        default_value = "127.0.0.1"
    )]
    pub host: String,

    /// TCP port of that PostgreSQL
    #[arg(long = "postgres-port", env = "POSTGRES_PORT", default_value_t = 5432)]
    pub port: u16,

    /// User that the server connects as
    #[arg(
        long = "postgres-user",
        env = "POSTGRES_USER",
        default_value = "postgres"
    )]
    pub user: String,

    /// Password of that user
    #[arg(
        long = "postgres-password",
        env = "POSTGRES_PASSWORD",
        hide_env_values = true
    )]
    pub password: Option<Secret>,

    /// Name of the database to read
    #[arg(long = "postgres-db", env = "POSTGRES_DB", default_value = "postgres")]
    pub database: String,

    /// Role that queries run as; by default `pg_read_all_data` when the user is a superuser, else
    /// the user itself. A superuser named here is obeyed: then only the judgement of queries and
    /// the read-only transaction protect
    #[arg(long = "postgres-role", env = "POSTGRES_ROLE")]
    pub role: Option<String>,

    /// Connections that queries may use at once
    #[arg(
        long = "postgres-connections",
        env = "POSTGRES_CONNECTIONS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub connections: u32,

    /// Milliseconds after which PostgreSQL ends a query
    #[arg(
        id = "postgres_statement_timeout_ms", long = "postgres-statement-timeout-ms",
        env = "POSTGRES_STATEMENT_TIMEOUT_MS",
        default_value_t = 30_000,
        value_parser = clap::value_parser!(u64).range(1..=86_400_000)
    )]
    pub statement_timeout_ms: u64,

    /// Rows of a result; what is beyond is cut off and said so
    #[arg(
        id = "postgres_max_rows",
        long = "postgres-max-rows",
        env = "POSTGRES_MAX_ROWS",
        default_value_t = 1000
    )]
    pub max_rows: usize,

    /// Bytes of a result's rows as JSON; the default keeps a whole answer under the 1 MiB that some
    /// clients take
    #[arg(
        id = "postgres_max_bytes",
        long = "postgres-max-bytes",
        env = "POSTGRES_MAX_BYTES",
        default_value_t = 900 << 10
    )]
    pub max_bytes: usize,

    /// Functions that queries may call although they are not known to be harmless, by signature,
    /// separated by commas: `public.dice(), public.convert(numeric, text)`
    #[arg(
        long = "postgres-allowed-functions",
        env = "POSTGRES_ALLOWED_FUNCTIONS",
        default_value = ""
    )]
    pub allowed_functions: Signatures,

    /// The superuser that the server may connect as; any other one is refused
    #[arg(long = "postgres-allow-superuser", env = "POSTGRES_ALLOW_SUPERUSER")]
    pub allow_superuser: Option<String>,

    /// Encryption, in libpq's words [default: verify-full, on this machine disable]
    #[arg(long = "postgres-sslmode", env = "POSTGRES_SSLMODE", value_enum)]
    pub ssl_mode: Option<SslMode>,

    /// File with the certificates of the authorities that are trusted [default: the system's]
    #[arg(long = "postgres-sslrootcert", env = "POSTGRES_SSLROOTCERT")]
    pub ssl_root_cert: Option<PathBuf>,
}

/// Where the Spark cluster is, and what callers may do there.
#[derive(Debug, Clone, Args)]
pub struct SparkConfig {
    /// Spark Connect server that runs the statements
    #[arg(
        long = "spark-remote",
        env = "SPARK_REMOTE",
        default_value = "sc://127.0.0.1:15002"
    )]
    pub remote: String,

    /// Master that jobs are submitted for
    #[arg(
        long = "spark-master",
        env = "SPARK_MASTER",
        default_value = "spark://127.0.0.1:7077"
    )]
    pub master: String,

    /// The master's submission server
    #[arg(
        long = "spark-master-rest",
        env = "SPARK_MASTER_REST",
        default_value = "http://127.0.0.1:6066"
    )]
    pub master_rest: String,

    /// The master's web page, which also leads to the drivers' REST interface
    #[arg(
        long = "spark-master-ui",
        env = "SPARK_MASTER_UI",
        default_value = "http://127.0.0.1:8090"
    )]
    pub master_ui: String,

    /// Python of submitted jobs (PYSPARK_PYTHON)
    #[arg(long = "spark-python", env = "SPARK_PYTHON")]
    pub python: Option<PathBuf>,

    /// Lets execute_spark_sql write: create, change and drop tables, views and functions, write
    /// files, run code from JARs and `TRANSFORM`, as Spark's own user. Without it statements only
    /// read
    #[arg(long = "spark-allow-writes", env = "SPARK_ALLOW_WRITES")]
    pub allow_writes: bool,

    /// One statement that this server runs in each new Connect server before any of callers', with
    /// the right to write: to name tables, say, that a catalogue in memory forgets
    #[arg(long = "spark-startup-sql", env = "SPARK_STARTUP_SQL")]
    pub startup_sql: Option<String>,

    /// Who besides this server's own user may read the files of jobs (sources, arguments): nobody,
    /// or its group, for workers that run as another user
    #[arg(
        long = "spark-job-files",
        env = "SPARK_JOB_FILES",
        value_enum,
        default_value_t = JobFileAccess::Owner
    )]
    pub job_files: JobFileAccess,

    /// Days after its end for which a job's record and source are kept; what its script was called
    /// with is removed as soon as the end is seen
    #[arg(
        long = "spark-job-retention-days",
        env = "SPARK_JOB_RETENTION_DAYS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=3650)
    )]
    pub job_retention_days: u32,

    /// Statements that run in Spark at once; more wait in a queue for a moment. SHOW and DESCRIBE
    /// have places of their own
    #[arg(
        long = "spark-statements",
        env = "SPARK_STATEMENTS",
        default_value_t = 4,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub statements: u32,

    /// Milliseconds after which a Spark SQL statement is interrupted, the one at the start included
    #[arg(
        id = "spark_statement_timeout_ms", long = "spark-statement-timeout-ms",
        env = "SPARK_STATEMENT_TIMEOUT_MS",
        default_value_t = 600_000,
        value_parser = clap::value_parser!(u64).range(1..=86_400_000)
    )]
    pub statement_timeout_ms: u64,

    /// Rows of a result; what is beyond is cut off and said so
    #[arg(
        id = "spark_max_rows", long = "spark-max-rows",
        env = "SPARK_MAX_ROWS",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub max_rows: u32,

    /// Bytes of a result's rows in the format asked for; the default keeps a whole answer under the
    /// 1 MiB that some clients take
    #[arg(
        id = "spark_max_bytes",
        long = "spark-max-bytes",
        env = "SPARK_MAX_BYTES",
        default_value_t = 900 << 10
    )]
    pub max_bytes: usize,
}

/// The rights of Spark SQL statements that callers send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Statements may only read.
    Read,
    /// Statements may read and write.
    Write,
}

impl SparkConfig {
    /// The rights of statements that callers send.
    pub fn access(&self) -> Access {
        if self.allow_writes {
            Access::Write
        } else {
            Access::Read
        }
    }
}

/// Who may read the files of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum JobFileAccess {
    /// The user that this server runs as.
    Owner,
    /// That user's group, too.
    Group,
}

/// How a connection is encrypted; the names and their meaning are libpq's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SslMode {
    /// Connects without any encryption.
    Disable,
    /// Encryption where the server offers it; a warning where it does not.
    Prefer,
    /// Encryption, with whoever answers.
    Require,
    /// Encryption, with a certificate of a known authority.
    VerifyCa,
    /// Encryption, with a certificate of a known authority that names the host.
    VerifyFull,
}

impl SslMode {
    /// The mode for a host where none is set: what leaves the machine is encrypted, for whoever can
    /// prove the host's name.
    pub fn usual_for(host: &str) -> Self {
        let is_local = host.starts_with('/')
            || host == "localhost"
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        match is_local {
            true => Self::Disable,
            false => Self::VerifyFull,
        }
    }
}

/// Functions by their signatures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signatures(pub Vec<String>);

impl FromStr for Signatures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut signatures = vec![String::new()];
        let mut depth = 0_usize;
        for letter in text.chars() {
            match letter {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            match signatures.last_mut() {
                Some(last) if letter != ',' || depth > 0 => last.push(letter),
                _ => signatures.push(String::new()),
            }
        }
        let signatures: Vec<String> = signatures
            .iter()
            .map(|signature| signature.trim().to_owned())
            .filter(|signature| !signature.is_empty())
            .collect();
        match signatures
            .iter()
            .find(|signature| !signature.contains('(') || !signature.ends_with(')'))
        {
            Some(name) => Err(format!(
                "`{name}` is no signature; write schema, name and types, such as \
                 `public.convert(numeric, text)`"
            )),
            None => Ok(Self(signatures)),
        }
    }
}

/// Text that no log, error or result may show.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one place that must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_encrypts_by_default_whatever_leaves_the_machine() {
        for host in ["127.0.0.1", "::1", "localhost", "/var/run/postgresql"] {
            assert_eq!(SslMode::usual_for(host), SslMode::Disable, "{host}");
        }
        for host in ["10.0.0.1", "db.example.com", "localhost.example.com"] {
            assert_eq!(SslMode::usual_for(host), SslMode::VerifyFull, "{host}");
        }
    }

    #[test]
    fn it_reads_functions_by_signature() {
        let signatures = |text: &str| text.parse::<Signatures>().map(|read| read.0);
        assert_eq!(signatures(""), Ok(Vec::new()));
        assert_eq!(
            signatures("public.a(), b.c(numeric(10, 2), text) "),
            Ok(vec![
                "public.a()".to_owned(),
                "b.c(numeric(10, 2), text)".to_owned()
            ])
        );
        assert!(signatures("dice").is_err_and(|error| error.contains("`dice` is no signature")));
    }
}
