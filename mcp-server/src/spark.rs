//! Apache Spark's SQL, over Spark Connect: the port that the Spark SQL tool works on.
//!
//! [`connect`] sends a statement and gives back Arrow; [`mod@collect`] makes of it a result in the
//! format asked for, within limits; [`rows`] has the JSON values, which lose nothing, and [`types`]
//! names the columns' types as Spark's own SQL does. Statements read unless the operator lets them
//! write, and what is a read is Spark's own verdict, by a check that runs inside it
//! (`mcp-server/spark-extension`); where that is not installed only plain queries are taken.
//! Nothing here knows of MCP. Submitted programs are the part of [`crate::jobs`].

use std::time::{Duration, Instant};

use crate::config::{Access, SparkConfig};
use crate::health::Health;

pub mod collect;
pub mod connect;
pub mod rows;
pub mod types;

mod plain_query;
mod protocol;
mod queue;
mod sessions;

use collect::{CollectError, Collected, Format, Limits, collect};
use connect::{Connect, ConnectError, SparkUser, Statement};
use queue::StatementQueue;
use sessions::{Sessions, Startup};

pub use queue::QueueFull;
pub use sessions::SessionError;

/// The user that statements run as while callers have no identity.
const USER: &str = "portcullis";

/// How often an unreachable server is tried before a statement is given up: for a second and a
/// half.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The port to Spark SQL: a client of Spark Connect, its sessions and the limits of results.
#[derive(Debug)]
pub struct Spark {
    connect: Connect,
    sessions: Sessions,
    queue: StatementQueue,
    access: Access,
    statement_timeout: Duration,
    limits: Limits,
}

/// Why a statement has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Too many others run.
    #[error(transparent)]
    Queue(#[from] QueueFull),
    /// There is no session to run it in.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It is not plain enough for a Spark without a check.
    #[error(
        "this Spark has no check that statements only read, so only plain \
         SELECT, SHOW and DESCRIBE run: no comments, no quotes but single ones, common functions \
         alone"
    )]
    NotPlain,
    /// Spark ran it, and it failed.
    #[error(transparent)]
    Collect(#[from] CollectError),
}

impl Spark {
    /// Prepares the client without connecting.
    ///
    /// # Errors
    /// When the address cannot be understood.
    pub fn new(config: &SparkConfig) -> anyhow::Result<Self> {
        let connect = Connect::new(config.remote.parse()?)?;
        let statement_timeout = Duration::from_millis(config.statement_timeout_ms);
        let startup = config.startup_sql.clone().map(|sql| Startup {
            statement: Statement::new(sql),
            limit: statement_timeout,
        });
        Ok(Self {
            sessions: Sessions::new(connect.clone(), SparkUser::new(USER), startup),
            connect,
            queue: StatementQueue::new(usize::try_from(config.statements)?, queue::PATIENCE),
            access: config.access(),
            statement_timeout,
            limits: Limits {
                rows: usize::try_from(config.max_rows)?,
                bytes: config.max_bytes,
            },
        })
    }

    /// Runs a statement to its end or to a limit. `caller` is the session that asks, if it has one:
    /// where statements may write, its settings and temporary views are its own.
    ///
    /// # Errors
    /// [`RunError`].
    pub async fn run(
        &self,
        caller: Option<&str>,
        statement: Statement,
        format: Format,
    ) -> Result<Collected, RunError> {
        let _place = self.queue.enter(statement.sql()).await?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let ended = match self.access {
                Access::Read => self.read(statement.clone(), format).await,
                Access::Write => self.write(caller, statement.clone(), format).await,
            };
            match ended {
                // Spark was restarted or has closed the session, and has run nothing.
                Err(RunError::Collect(CollectError::Connect(ConnectError::SessionGone)))
                    if attempt == 1 => {}
                Err(RunError::Session(SessionError::Connect(ConnectError::Unreachable {
                    ..
                }))) if attempt < ATTEMPTS => {
                    tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(attempt - 1)).await;
                }
                ended => return ended,
            }
        }
    }

    async fn read(&self, statement: Statement, format: Format) -> Result<Collected, RunError> {
        let session = self.sessions.reader().await.map_err(SessionError::from)?;
        if !session.reads_are_checked() && !plain_query::is_plain(statement.sql()) {
            return Err(RunError::NotPlain);
        }
        let execution = self.connect.execute(&session, statement);
        let collected = collect(execution, format, self.limits).await;
        if matches!(
            collected,
            Err(CollectError::Connect(
                ConnectError::SessionGone | ConnectError::Lost
            ))
        ) {
            self.sessions.forget_reader(&session);
        }
        Ok(collected?)
    }

    async fn write(
        &self,
        caller: Option<&str>,
        statement: Statement,
        format: Format,
    ) -> Result<Collected, RunError> {
        // Nothing is written before what the operator wants run in a new server.
        let reader = self.sessions.reader().await.map_err(SessionError::from)?;
        let lease = self.sessions.writer(caller).await?;
        let session = lease.session().ok_or(SessionError::Busy)?;
        let execution = self.connect.execute(session, statement);
        let collected = collect(execution, format, self.limits).await;
        if matches!(
            collected,
            Err(CollectError::Connect(
                ConnectError::SessionGone | ConnectError::Lost
            ))
        ) {
            lease.forget();
            self.sessions.forget_reader(&reader);
        }
        Ok(collected?)
    }

    /// Ends what a caller's session has in Spark.
    pub fn end_session(&self, caller: &str) {
        self.sessions.end(caller);
    }

    /// Whether Spark Connect answers, and what it lets statements do.
    pub async fn health(&self) -> Health {
        let asked = Instant::now();
        match self.look().await {
            Ok(detail) => Health::Up {
                latency: asked.elapsed(),
                detail,
            },
            Err(error) => Health::Down {
                reason: error.to_string(),
            },
        }
    }

    async fn look(&self) -> Result<String, ConnectError> {
        let mut session = self.sessions.reader().await?;
        let version = match self.connect.version(&session).await {
            Err(error) if error.is_stale_session() => {
                self.sessions.forget_reader(&session);
                session = self.sessions.reader().await?;
                self.connect.version(&session).await?
            }
            answered => answered?,
        };
        let access = match (self.access, session.reads_are_checked()) {
            (Access::Write, _) => "statements may write",
            (Access::Read, true) => "statements only read, by Spark's own verdict",
            (Access::Read, false) => {
                "it has no check that statements only read, so only plain queries are taken"
            }
        };
        Ok(format!("Spark Connect {version}; {access}"))
    }

    /// Waits until every statement that was given up has been ended in Spark.
    pub async fn drain(&self) {
        self.connect.drain().await;
    }

    /// How long a statement may take.
    pub fn statement_timeout(&self) -> Duration {
        self.statement_timeout
    }

    /// How much of a result is given back.
    pub fn limits(&self) -> Limits {
        self.limits
    }
}
