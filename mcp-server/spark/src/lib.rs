//! Apache Spark's SQL, over Spark Connect: the port that the Spark SQL tool works on.
//!
//! [`connect`] sends a statement and gives back Arrow, which goes into a [`Sink`], as it is or row
//! by row ([`spark_rows`]); the columns' types are named as Spark's own SQL does. Statements read
//! unless the operator lets them write, and what is a read is Spark's own verdict, by a check that
//! runs inside it (`mcp-server/spark-extension`); where that is not installed only plain queries
//! are taken. Nothing here knows of MCP. Submitted programs are the part of the module `jobs` of
//! `mcp-server`.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use config::{Access, SparkConfig};
use health::Health;
use results::{Limits, Written};

pub mod connect;

mod catalogue;
mod collect;
mod destruction;
mod error;
mod inserting;
mod plain_query;
mod protocol;
mod queue;
mod reading;
mod sessions;
mod statement_words;
mod types;

use collect::collect;
use connect::{Connect, ConnectError, Remote, SparkUser, Statement};
use queue::StatementQueue;
use sessions::{Sessions, Startup};
use statement_words::{changed_of_session, words};

pub use catalogue::{
    SparkColumn, SparkPageEnd, SparkTable, SparkTableDescription, SparkTableFilter, SparkTableKind,
    SparkTableName, SparkTablePage, TablesOfDatabase,
};
pub use collect::Sink;
pub use destruction::SourceVerdict;
pub use error::Error;
pub use inserting::{InsertError, TableInsert};
pub use plain_query::is_plain_query;
pub use sessions::{SessionError, SparkCaller};

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

impl Spark {
    /// Prepares the client without connecting.
    ///
    /// # Errors
    /// When the address cannot be understood, a token would travel in clear, or the file of a token
    /// or of authorities cannot be read.
    pub fn new(config: &SparkConfig) -> anyhow::Result<Self> {
        let mut remote: Remote = config.remote.expose().parse()?;
        if let Some(token) = config.token()? {
            remote = remote.with_token(token)?;
        }
        if let Some(file) = &config.ssl_root_cert {
            let authorities = std::fs::read(file).with_context(|| {
                format!("SPARK_SSLROOTCERT: `{}` cannot be read", file.display())
            })?;
            remote = remote.trusting(authorities);
        }
        let connect = Connect::new(remote)?;
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

    /// Runs a statement to its end, or until the sink is full. Where statements may write, the
    /// settings and temporary views of the caller's session are its own, and without a session a
    /// statement that makes such is refused.
    /// Dropping the future interrupts the statement in Spark.
    ///
    /// # Errors
    /// Spark refuses the statement or cannot be reached, or the sink fails ([`Error`]).
    pub async fn run(
        &self,
        caller: &SparkCaller,
        statement: Statement,
        sink: Sink<'_>,
    ) -> Result<Written, Error> {
        if let (Access::Write, None) = (self.access, &caller.session)
            && let Some(changed) = changed_of_session(&words(statement.sql()))
        {
            return Err(Error::NeedsSession(changed));
        }
        let run = self.run_to_its_end(self.access, caller, Author::Caller(statement), sink);
        in_time(self.statement_timeout, run).await
    }

    /// Runs a statement that only reads, whatever other statements may do, to its end, or until the
    /// sink is full, or until `time` is over where that is less than every statement has. Dropping
    /// the future interrupts the statement in Spark.
    ///
    /// # Errors
    /// Spark refuses the statement or cannot be reached, or the sink fails ([`Error`]).
    pub async fn run_read(
        &self,
        caller: &SparkCaller,
        statement: Statement,
        time: Option<Duration>,
        sink: Sink<'_>,
    ) -> Result<Written, Error> {
        let limit = self.statement_timeout;
        let limit = time.map_or(limit, |time| time.min(limit));
        let run = self.run_to_its_end(Access::Read, caller, Author::Caller(statement), sink);
        in_time(limit, run).await
    }

    /// Has Spark analyse a statement as one that only reads, without running it.
    ///
    /// # Errors
    /// Spark would refuse the statement, or cannot be reached ([`Error`]).
    pub async fn check_read(&self, statement: Statement) -> Result<(), Error> {
        let session = self.sessions.reader().await.map_err(SessionError::from)?;
        if !session.reads_are_checked() && !is_plain_query(statement.sql()) {
            return Err(Error::NotPlain);
        }
        let analysed = self.connect.check(&session, statement).await;
        if matches!(&analysed, Err(error) if error.is_stale_session()) {
            self.sessions.forget_reader(&session);
        }
        Ok(analysed?)
    }

    async fn run_to_its_end(
        &self,
        access: Access,
        caller: &SparkCaller,
        statement: Author<Statement>,
        mut sink: Sink<'_>,
    ) -> Result<Written, Error> {
        let sql = statement.text().sql();
        let _turn = self.queue.enter(&caller.claimant, sql).await?;
        // One row more than is taken tells whether there are more.
        let statement = match sink.most_rows() {
            Some(most) => {
                let most = u32::try_from(most + 1).unwrap_or(u32::MAX);
                statement.map(|statement| statement.at_most(most))
            }
            None => statement,
        };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let ended = match access {
                Access::Read => self.read(statement.clone(), &mut sink).await,
                Access::Write => {
                    let statement = statement.clone().into_text();
                    self.write(caller, statement, &mut sink).await
                }
            };
            match ended {
                // Spark was restarted or has closed the session, and has run nothing.
                Err(Error::Connect(ConnectError::SessionGone)) if attempt == 1 => {}
                Err(Error::Session(SessionError::Connect(ConnectError::Unreachable {
                    ..
                }))) if attempt < ATTEMPTS => {
                    tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(attempt - 1)).await;
                }
                ended => return ended,
            }
        }
    }

    async fn read(
        &self,
        statement: Author<Statement>,
        sink: &mut Sink<'_>,
    ) -> Result<Written, Error> {
        let session = self.sessions.reader().await.map_err(SessionError::from)?;
        if let Author::Caller(statement) = &statement
            && !session.reads_are_checked()
            && !is_plain_query(statement.sql())
        {
            return Err(Error::NotPlain);
        }
        let execution = self.connect.execute(&session, statement.into_text());
        let collected = collect(execution, sink).await;
        if lost_session(&collected) {
            self.sessions.forget_reader(&session);
        }
        collected
    }

    async fn write(
        &self,
        caller: &SparkCaller,
        statement: Statement,
        sink: &mut Sink<'_>,
    ) -> Result<Written, Error> {
        // Nothing is written before what the operator wants run in a new server.
        let reader = self.sessions.reader().await.map_err(SessionError::from)?;
        let lease = self.sessions.writer(caller).await?;
        let session = lease.session().ok_or(SessionError::Busy)?;
        let changed = changed_of_session(&words(statement.sql()));
        let execution = self.connect.execute(session, statement);
        let collected = collect(execution, sink).await;
        if lost_session(&collected) {
            lease.forget();
            self.sessions.forget_reader(&reader);
        } else if changed.is_some() && collected.is_ok() {
            lease.note_change();
        }
        collected
    }

    /// Ends what a caller's session has in Spark.
    pub fn end_session(&self, session: &str) {
        self.sessions.end(session);
    }

    /// Whether Spark Connect runs statements, and what it lets them do.
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
        self.connect.run_least_statement(&session).await?;
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

    /// How much of a result is given back.
    pub fn limits(&self) -> Limits {
        self.limits
    }
}

/// A statement by who wrote it. Where Spark has no check, only a caller's must be plain.
#[derive(Debug, Clone)]
enum Author<T> {
    /// A caller of this server, or an operator.
    Caller(T),
    /// This program, which quotes every name.
    Ourselves(T),
}

impl<T> Author<T> {
    fn text(&self) -> &T {
        match self {
            Self::Caller(text) | Self::Ourselves(text) => text,
        }
    }

    fn into_text(self) -> T {
        match self {
            Self::Caller(text) | Self::Ourselves(text) => text,
        }
    }

    fn map(self, change: impl FnOnce(T) -> T) -> Self {
        match self {
            Self::Caller(text) => Self::Caller(change(text)),
            Self::Ourselves(text) => Self::Ourselves(change(text)),
        }
    }
}

/// The end of a statement, which is interrupted when it takes longer than `limit`.
async fn in_time(
    limit: Duration,
    run: impl Future<Output = Result<Written, Error>>,
) -> Result<Written, Error> {
    match tokio::time::timeout(limit, run).await {
        Ok(ended) => ended,
        Err(_) => Err(Error::OutOfTime { limit }),
    }
}

/// Whether Spark has closed the session that a statement ran in.
fn lost_session(ended: &Result<Written, Error>) -> bool {
    matches!(
        ended,
        Err(Error::Connect(
            ConnectError::SessionGone | ConnectError::Lost
        ))
    )
}

#[cfg(test)]
mod tests;
