//! The databases that the PostgreSQL tools work on.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::{CallerRoles, Secret};

/// A PostgreSQL database, and how statements run there.
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

    /// User that writing tools connect as; without one they are refused
    #[arg(long = "postgres-write-user", env = "POSTGRES_WRITE_USER")]
    pub write_user: Option<String>,

    /// Password of that user
    #[arg(
        long = "postgres-write-password",
        env = "POSTGRES_WRITE_PASSWORD",
        hide_env_values = true
    )]
    pub write_password: Option<Secret>,

    /// YAML file with further databases by name, which tools take as `database`
    #[arg(long = "postgres-databases-file", env = "POSTGRES_DATABASES_FILE")]
    pub databases_file: Option<PathBuf>,

    /// Name of the database to read
    #[arg(long = "postgres-db", env = "POSTGRES_DB", default_value = "postgres")]
    pub database: String,

    /// Role that queries run as; by default `pg_read_all_data` when the user is a superuser, else
    /// the user itself. A superuser named here is obeyed: then only the judgement of queries and
    /// the read-only transaction protect
    #[arg(long = "postgres-role", env = "POSTGRES_ROLE")]
    pub role: Option<String>,

    /// Roles as which the statements of callers run: `principal` for the role of the caller's own
    /// name, or a list such as `alice=analyst,*=guest`. The logins should be members of these roles
    /// and be NOINHERIT; callers without a role are refused
    #[arg(long = "postgres-caller-roles", env = "POSTGRES_CALLER_ROLES")]
    pub caller_roles: Option<CallerRoles>,

    /// Connections that queries may use at once
    #[arg(
        long = "postgres-connections",
        env = "POSTGRES_CONNECTIONS",
        default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub connections: u32,

    /// The same under the name that other servers have for it; only one of the two may be set
    #[arg(
        long = "postgres-pool-max-size",
        env = "POSTGRES_POOL_MAX_SIZE",
        conflicts_with = "connections",
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub pool_max_size: Option<u32>,

    /// Connections that are opened when the server starts, so that no query waits for one
    #[arg(
        long = "postgres-pool-min-size",
        env = "POSTGRES_POOL_MIN_SIZE",
        default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=1000)
    )]
    pub pool_min_size: u32,

    /// Milliseconds after which PostgreSQL ends a query
    #[arg(
        id = "postgres_statement_timeout_ms", long = "postgres-statement-timeout-ms",
        env = "POSTGRES_STATEMENT_TIMEOUT_MS",
        default_value_t = 30_000,
        value_parser = clap::value_parser!(u64).range(1..=86_400_000)
    )]
    pub statement_timeout_ms: u64,

    /// Rows of a result that is not read in blocks; what is beyond is cut off and said so
    #[arg(
        id = "postgres_max_rows",
        long = "postgres-max-rows",
        env = "POSTGRES_MAX_ROWS",
        default_value_t = 1000
    )]
    pub max_rows: usize,

    /// Bytes of such a result's rows as JSON; the default keeps a whole answer under the 1 MiB that
    /// some clients take
    #[arg(
        id = "postgres_max_bytes",
        long = "postgres-max-bytes",
        env = "POSTGRES_MAX_BYTES",
        default_value_t = 900 << 10
    )]
    pub max_bytes: usize,

    /// The most that PostgreSQL may expect a query or a change of rows to cost, in its own units (a
    /// page read in sequence is 1); what would cost more is refused with the number. By default
    /// there is no limit
    #[arg(
        long = "postgres-max-cost",
        env = "POSTGRES_MAX_COST",
        value_parser = read_cost
    )]
    pub max_cost: Option<f64>,

    /// Functions that queries may call although they are not known to be harmless, by signature,
    /// separated by commas: `public.dice(), public.convert(numeric, text)`
    #[arg(
        long = "postgres-allowed-functions",
        env = "POSTGRES_ALLOWED_FUNCTIONS",
        default_value = ""
    )]
    pub allowed_functions: Signatures,

    /// Whether a statement that changes rows may fire the triggers of the tables that it changes,
    /// although nobody can judge what these call
    #[arg(
        long = "postgres-allow-triggers",
        env = "POSTGRES_ALLOW_TRIGGERS",
        value_parser = BoolishValueParser::new()
    )]
    pub allow_triggers: bool,

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

impl PostgresConfig {
    /// The name of the database of the POSTGRES_* settings among all of this server.
    pub const FIRST: &'static str = "default";

    /// The connections that queries may use at once, by whichever name they are set.
    pub fn most_sessions(&self) -> u32 {
        self.pool_max_size.unwrap_or(self.connections)
    }
}

/// A cost as PostgreSQL counts it.
fn read_cost(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(cost) if cost > 0.0 && cost.is_finite() => Ok(cost),
        _ => Err("a cost is a number above 0, such as 1000000".to_owned()),
    }
}

/// How a connection is encrypted; the names and their meaning are libpq's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
