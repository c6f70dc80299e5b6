//! PostgreSQL: the port that the PostgreSQL tools work on.
//!
//! A caller's text is analysed by PostgreSQL, judged by what PostgreSQL understood, and run as that
//! very statement, in a transaction that only reads, within limits that hold before anything
//! becomes memory here. Behind that stands the role: a superuser is refused unless the operator
//! names it.

mod failure;
mod health;
pub mod judge;
mod parameters;
mod pool;
mod query;
mod session;
mod transaction;
mod types;
mod values;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use crate::config::{PostgresConfig, SslMode};

pub use query::{Column, OversizedValue, ResultLimits, Rows, TruncatedBy};
pub use session::TextRow;
pub use transaction::ReadTransaction;

use pool::{Opener, SessionPool};
use session::SessionSettings;
use wire::{Login, MessageBounds};

/// Sessions apart from those of queries, so that tables can be listed while every query is slow.
const CATALOGUE_SESSIONS: usize = 2;

/// The database that the tools read, behind sessions that are kept open.
#[derive(Debug)]
pub struct Postgres {
    queries: SessionPool,
    catalogue: SessionPool,
    login: Arc<Login>,
    session_settings: SessionSettings,
    settings: CallSettings,
    types: types::Types,
}

/// The bounds of each call: its time, and the size of its result.
#[derive(Debug)]
struct CallSettings {
    statement_timeout: Duration,
    limits: ResultLimits,
    allowed_functions: Vec<String>,
}

impl Postgres {
    /// Prepares the pools without connecting.
    ///
    /// # Errors
    /// When a setting cannot be understood.
    pub fn new(config: &PostgresConfig) -> anyhow::Result<Self> {
        let limits = ResultLimits {
            rows: config.max_rows,
            bytes: config.max_bytes,
        };
        let login = Arc::new(Login {
            host: config.host.clone(),
            port: config.port,
            user: config.user.clone(),
            password: config.password.clone(),
            database: config.database.clone(),
            ssl_mode: config
                .ssl_mode
                .unwrap_or_else(|| SslMode::usual_for(&config.host)),
            ssl_root_cert: config.ssl_root_cert.clone(),
            bounds: MessageBounds {
                row: limits.longest_row(),
                notice: judge::LARGEST_TREE,
            },
        });
        let statement_timeout = Duration::from_millis(config.statement_timeout_ms);
        let session_settings = SessionSettings {
            role: config.role.clone(),
            allowed_superuser: config.allow_superuser.clone(),
            statement_timeout,
        };
        let pool = |purpose, most| {
            let opener = Opener {
                login: Arc::clone(&login),
                settings: session_settings.clone(),
            };
            SessionPool::new(purpose, most, opener)
        };
        Ok(Self {
            queries: pool("queries", usize::try_from(config.connections)?)?,
            catalogue: pool("the catalogue", CATALOGUE_SESSIONS)?,
            settings: CallSettings {
                statement_timeout,
                limits,
                allowed_functions: config.allowed_functions.0.clone(),
            },
            types: types::Types::default(),
            login,
            session_settings,
        })
    }
}
