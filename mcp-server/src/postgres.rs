//! PostgreSQL: the port that the PostgreSQL tools work on.
//!
//! Everything that reads goes through a [`ReadTransaction`]: read-only, as a role that is no superuser where one can be had, with
//! time-outs, rolled back at the end. What a caller wrote reaches one only as a [`ReadOnlyQuery`].

mod failure;
mod health;
mod lexer;
mod parameters;
mod query;
mod read_only;
mod side_effects;
mod transaction;
mod types;
mod values;

use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::config::PostgresConfig;
use crate::tools::ToolFailure;

pub use query::{Column, Limits, Rows, TruncatedBy};
pub use read_only::{ReadOnlyQuery, Refused};
pub use transaction::ReadTransaction;

/// A connection that is not there by then will not come soon; the caller should hear of it while it still listens.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// The data database.
#[derive(Debug)]
pub struct Postgres {
    pool: PgPool,
    /// Apart from the pool, so that a query can be cancelled while every connection of the pool is busy.
    control: PgPool,
    settings: Settings,
    types: types::Types,
}

/// What every transaction is begun with.
#[derive(Debug)]
struct Settings {
    address: String,
    role: Option<String>,
    statement_timeout: Duration,
    limits: Limits,
    allowed_functions: Vec<String>,
}

impl Postgres {
    /// Prepares the pools without connecting.
    ///
    /// # Errors
    /// Today none; a setting that cannot be understood would be one.
    pub fn new(config: &PostgresConfig) -> anyhow::Result<Self> {
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(&config.host)
            .port(config.port)
            .username(&config.user)
            .database(&config.database)
            .application_name("portcullis")
            .disable_statement_logging();
        if let Some(password) = &config.password {
            options = options.password(password.expose());
        }
        let pool = |connections: u32| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .idle_timeout(Duration::from_secs(300))
                .test_before_acquire(false)
                .connect_lazy_with(options.clone())
        };
        Ok(Self {
            pool: pool(config.connections),
            control: pool(2),
            settings: Settings {
                address: format!("{}:{}", config.host, config.port),
                role: config.role.clone(),
                statement_timeout: Duration::from_millis(config.statement_timeout_ms),
                limits: Limits {
                    rows: config.max_rows,
                    bytes: config.max_bytes,
                },
                allowed_functions: config.allowed_functions.clone(),
            },
            types: types::Types::default(),
        })
    }

    async fn connection(&self) -> Result<PoolConnection<sqlx::Postgres>, ToolFailure> {
        match self.pool.acquire().await {
            Ok(connection) => Ok(connection),
            Err(sqlx::Error::PoolTimedOut)
                if self.pool.size() >= self.pool.options().get_max_connections() =>
            {
                Err(
                    ToolFailure::unavailable("every connection to PostgreSQL is busy")
                        .with_hint("try again in a few seconds"),
                )
            }
            Err(sqlx::Error::PoolTimedOut) => Err(self.unreachable().await),
            Err(error) => Err(failure::of_connecting(&self.settings.address, &error)),
        }
    }

    /// Why no connection comes: the pool only says that none came in time.
    async fn unreachable(&self) -> ToolFailure {
        let attempt = tokio::time::timeout(
            Duration::from_secs(1),
            self.pool.connect_options().connect(),
        )
        .await;
        match attempt {
            Ok(Err(error)) => failure::of_connecting(&self.settings.address, &error),
            Ok(Ok(_)) | Err(_) => {
                failure::of_connecting(&self.settings.address, &sqlx::Error::PoolTimedOut)
            }
        }
    }
}
