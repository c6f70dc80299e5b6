//! Where the Spark cluster is, and what callers may do there.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use clap::builder::BoolishValueParser;

use super::Secret;

/// Where the Spark cluster is, and what callers may do there.
#[derive(Debug, Clone, Args)]
pub struct SparkConfig {
    /// Spark Connect server that runs the statements; `/;use_ssl=true` behind the address encrypts,
    /// and `;token=…` is the token that the server wants
    #[arg(
        long = "spark-remote",
        env = "SPARK_REMOTE",
        hide_env_values = true,
        default_value = "sc://127.0.0.1:15002"
    )]
    pub remote: Secret,

    /// Token that the Connect server wants; it goes over encrypted connections and to this machine
    /// alone
    #[arg(
        long = "spark-connect-token",
        env = "SPARK_CONNECT_TOKEN",
        hide_env_values = true,
        conflicts_with = "connect_token_file"
    )]
    pub connect_token: Option<Secret>,

    /// File with that token
    #[arg(long = "spark-connect-token-file", env = "SPARK_CONNECT_TOKEN_FILE")]
    pub connect_token_file: Option<PathBuf>,

    /// File with the certificates of the authorities that are trusted with the Connect server's
    /// [default: the system's]
    #[arg(
        id = "spark_ssl_root_cert",
        long = "spark-sslrootcert",
        env = "SPARK_SSLROOTCERT"
    )]
    pub ssl_root_cert: Option<PathBuf>,

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

    /// Name under which Spark shows submitted jobs, before the id of each
    #[arg(
        long = "spark-app-name",
        env = "SPARK_APP_NAME",
        default_value = "portcullis"
    )]
    pub app_name: String,

    /// Python of submitted jobs (PYSPARK_PYTHON)
    #[arg(long = "spark-python", env = "SPARK_PYTHON")]
    pub python: Option<PathBuf>,

    /// Lets execute_spark_sql write: create, change and drop tables, views and functions, write
    /// files, run code from JARs and `TRANSFORM`, as Spark's own user. Without it statements only
    /// read
    #[arg(
        long = "spark-allow-writes",
        env = "SPARK_ALLOW_WRITES",
        value_parser = BoolishValueParser::new()
    )]
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

    /// Rows of a result that is not read in blocks; what is beyond is cut off and said so
    #[arg(
        id = "spark_max_rows", long = "spark-max-rows",
        env = "SPARK_MAX_ROWS",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub max_rows: u32,

    /// Bytes of such a result's rows in the format asked for; the default keeps a whole answer
    /// under the 1 MiB that some clients take
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
    /// The token that the Connect server wants, where a setting has one.
    ///
    /// # Errors
    /// Its file cannot be read.
    pub fn token(&self) -> anyhow::Result<Option<Secret>> {
        match &self.connect_token_file {
            Some(file) => Secret::read(file)
                .context("SPARK_CONNECT_TOKEN_FILE has no token")
                .map(Some),
            None => Ok(self.connect_token.clone()),
        }
    }

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
