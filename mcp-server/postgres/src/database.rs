//! One database: its logins, and the pools of sessions that are kept open for them.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use config::{CallerRoles, PostgresConfig, Secret, SslMode};
use fair_shares::Claimant;
use results::Limits;
use tokio::time::Instant;

use super::Error;
use super::calm::Calm;
use super::judge;
use super::known_answers::KnownAnswers;
use super::looks::Looks;
use super::pool::{Lease, Opener, PoolUse, SessionPool};
use super::session::{SessionAccess, SessionSettings};
use super::types::Types;
use super::wire::{Login, MessageBounds};

/// Sessions apart from those of queries, so that tables can be listed while every query is slow.
const CATALOGUE_SESSIONS: usize = 2;

/// Sessions that may write. Writes wait for each other's locks anyway, and the server's own
/// `max_connections` is shared with whoever else writes there.
const WRITE_SESSIONS: usize = 4;

/// One database as a caller sees it. Copies share their sessions.
#[derive(Debug, Clone)]
pub struct Database {
    shared: Arc<SharedDatabase>,
    /// The role of the caller; `None` where callers have no roles, or it is not known who calls.
    role: Option<Arc<str>>,
    /// On whose account sessions are taken.
    claimant: Claimant,
    /// The time that a caller gives to its calls.
    time: Option<Duration>,
}

/// Whoever asks a database for something.
#[derive(Debug, Clone, Copy)]
pub struct DatabaseCaller<'a> {
    /// The name of the caller, by which the operator gives it a role; none where nobody named it.
    pub name: Option<&'a str>,
    /// On whose account sessions are taken.
    pub claimant: &'a Claimant,
}

impl Deref for Database {
    type Target = SharedDatabase;

    fn deref(&self) -> &SharedDatabase {
        &self.shared
    }
}

/// One database, behind sessions that are kept open: those that read, and, under another login,
/// those that may write.
#[derive(Debug)]
pub struct SharedDatabase {
    pub(super) name: String,
    pub(super) queries: SessionPool,
    pub(super) catalogue: SessionPool,
    pub(super) writers: Option<SessionPool>,
    pub(super) login: Arc<Login>,
    pub(super) session_settings: SessionSettings,
    pub(super) settings: CallSettings,
    caller_roles: Option<CallerRoles>,
    pub(super) types: Types,
    pub(super) calm: Calm,
    pub(super) known: KnownAnswers,
    pub(super) looks: Looks,
    first_sessions: usize,
}

/// The bounds of each call: its time, and the size of its result.
#[derive(Debug)]
pub(super) struct CallSettings {
    pub(super) statement_timeout: Duration,
    pub(super) limits: Limits,
    pub(super) allowed_functions: Vec<String>,
    pub(super) max_cost: Option<f64>,
    pub(super) allow_triggers: bool,
}

impl Database {
    /// Prepares the pools of the database `name` without connecting.
    ///
    /// # Errors
    /// When a setting cannot be understood, or names a file that is not there.
    pub fn new(name: &str, config: &PostgresConfig) -> anyhow::Result<Self> {
        if let Some(file) = &config.ssl_root_cert {
            ensure!(
                file.is_file(),
                "POSTGRES_SSLROOTCERT (of the database `{name}`) names `{}`, which is no file that \
                 this server can see: put the certificates there, or name another one",
                file.display()
            );
        }
        let limits = Limits {
            rows: config.max_rows,
            bytes: config.max_bytes,
        };
        let login = |user: &str, password: &Option<Secret>| {
            Arc::new(Login {
                host: config.host.clone(),
                port: config.port,
                user: user.to_owned(),
                password: password.clone(),
                database: config.database.clone(),
                ssl_mode: config
                    .ssl_mode
                    .unwrap_or_else(|| SslMode::usual_for(&config.host)),
                ssl_root_cert: config.ssl_root_cert.clone(),
                bounds: MessageBounds {
                    row: longest_row(limits),
                    notice: judge::LARGEST_TREE,
                },
            })
        };
        let statement_timeout = Duration::from_millis(config.statement_timeout_ms);
        let session_settings = SessionSettings {
            access: SessionAccess::Read,
            role: config.role.clone(),
            allowed_superuser: config.allow_superuser.clone(),
            callers_have_roles: config.caller_roles.is_some(),
            statement_timeout,
        };
        let pool = |purpose, most, login: &Arc<Login>, settings: &SessionSettings| {
            let opener = Opener {
                login: Arc::clone(login),
                settings: settings.clone(),
            };
            SessionPool::new(purpose, most, opener)
        };
        let reader = login(&config.user, &config.password);
        let writers = config.write_user.as_ref().map(|user| {
            let settings = SessionSettings {
                access: SessionAccess::Write,
                role: None,
                ..session_settings.clone()
            };
            let writer = login(user, &config.write_password);
            pool("writing", WRITE_SESSIONS, &writer, &settings)
        });
        let queries = usize::try_from(config.most_sessions())?;
        let first_sessions = usize::try_from(config.pool_min_size)?;
        ensure!(
            first_sessions <= queries,
            "POSTGRES_POOL_MIN_SIZE is {first_sessions}, more than the {queries} connections that \
             queries may use at once"
        );
        let shared = SharedDatabase {
            name: name.to_owned(),
            queries: pool("queries", queries, &reader, &session_settings)?,
            catalogue: pool(
                "the catalogue",
                CATALOGUE_SESSIONS,
                &reader,
                &session_settings,
            )?,
            writers: writers.transpose()?,
            settings: CallSettings {
                statement_timeout,
                limits,
                allowed_functions: config.allowed_functions.0.clone(),
                max_cost: config.max_cost,
                allow_triggers: config.allow_triggers,
            },
            caller_roles: config.caller_roles.clone(),
            types: Types::default(),
            calm: Calm::default(),
            known: KnownAnswers::default(),
            looks: Looks::default(),
            first_sessions,
            login: reader,
            session_settings,
        };
        Ok(Self {
            shared: Arc::new(shared),
            role: None,
            claimant: Claimant::Server,
            time: None,
        })
    }

    /// The database as a caller sees it: where callers have roles, every statement runs as theirs.
    ///
    /// # Errors
    /// The operator has given this caller no role ([`Error::NoRole`]).
    pub fn for_caller(&self, caller: DatabaseCaller<'_>) -> Result<Self, Error> {
        let role = match &self.caller_roles {
            None => None,
            Some(roles) => {
                let role = roles.role_of(caller.name);
                Some(role.ok_or_else(|| self.no_role())?.into())
            }
        };
        Ok(Self {
            shared: Arc::clone(&self.shared),
            role,
            claimant: caller.claimant.clone(),
            time: self.time,
        })
    }

    /// The database as a caller sees it who gives each call so much time, where that is less than
    /// the database's own: as long for its place in line, and as long for its work, from the
    /// opening of a session where there is none, up to the moment when PostgreSQL is told to keep
    /// it.
    #[must_use]
    pub fn within(&self, time: Option<Duration>) -> Self {
        Self {
            time,
            ..self.clone()
        }
    }

    /// The database as this server itself sees it under the same role: for what it looks up once
    /// for many callers, so that it is on no caller's account.
    pub(super) fn for_all_callers(&self) -> Self {
        Self {
            claimant: Claimant::Server,
            ..self.clone()
        }
    }

    /// When the time is over that the caller gives a call; `None` where it gives none.
    pub(super) fn callers_time(&self, begun: Instant) -> Option<Instant> {
        begun.checked_add(self.time?)
    }

    /// The role of the caller, where callers have roles.
    pub(super) fn role(&self) -> Option<&Arc<str>> {
        self.role.as_ref()
    }

    /// A session of a pool of this database, on the caller's account and under its role.
    pub(super) async fn lease(&self, pool: &SessionPool) -> Result<Lease, Error> {
        match (&self.caller_roles, &self.role) {
            (Some(_), None) => Err(self.no_role()),
            (_, role) => pool.lease(&self.claimant, role.as_deref(), self.time).await,
        }
    }

    fn no_role(&self) -> Error {
        Error::NoRole {
            database: self.name.clone(),
        }
    }

    /// The name by which callers choose it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The most that a query may cost, as PostgreSQL expects it.
    pub fn max_cost(&self) -> Option<f64> {
        self.settings.max_cost
    }

    /// The pools of sessions, as they are used at this moment.
    pub fn pools(&self) -> Vec<PoolUse> {
        let pools = [
            Some(&self.queries),
            Some(&self.catalogue),
            self.writers.as_ref(),
        ];
        pools
            .into_iter()
            .flatten()
            .map(SessionPool::use_now)
            .collect()
    }

    /// Opens the sessions that queries shall find open.
    ///
    /// # Errors
    /// When PostgreSQL cannot be reached, or does not let the login in.
    pub async fn open_first_sessions(&self) -> Result<(), Error> {
        self.queries.open(self.first_sessions).await
    }

    /// How much of a result is given back.
    pub fn limits(&self) -> Limits {
        self.settings.limits
    }
}

/// The bytes of a row that could still be shown: the text form can be longer than its JSON.
fn longest_row(limits: Limits) -> usize {
    limits.bytes.saturating_mul(2).saturating_add(1 << 10)
}
