//! Why PostgreSQL did not do what was asked: facts, of which a tool makes its sentences.

use std::io;

use fair_shares::NoTurn;
use results::SinkError;

use super::changed_table::ChangedTable;
use super::judge::{JudgeError, Refused};
use super::new_table::NewTableError;
use super::parameters::InvalidParameters;
use super::session::{OpenError, SessionError};
use super::wire::ConnectError;

/// Why PostgreSQL did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A caller's text is longer than is analysed.
    #[error("the SQL is longer than {most} bytes")]
    TooLong {
        /// The bytes that it may have.
        most: usize,
    },
    /// A caller's text holds a NUL character.
    #[error("the SQL holds a NUL character")]
    HoldsNul,
    /// A caller's statement may do more than it is allowed to.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A table cannot be made as it was described.
    #[error(transparent)]
    NewTable(#[from] NewTableError),
    /// A caller's values do not fit the statement's parameters.
    #[error(transparent)]
    Parameters(#[from] InvalidParameters),
    /// A statement failed, or the connection did.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// No session could be opened.
    #[error(transparent)]
    NotOpened(#[from] NotOpened),
    /// All sessions that the caller may have are in use.
    #[error(transparent)]
    Busy(#[from] NoTurn),
    /// The pool gives no session, for a reason of its own.
    #[error("no connection to PostgreSQL is to be had")]
    NoSession(String),
    /// The call took longer than it may.
    #[error("the query ran into its time limit")]
    OutOfTime,
    /// A type has gone while the statement was prepared.
    #[error("a type has gone while the query was prepared")]
    TypeGone,
    /// The rows could not be kept.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A statement changed more rows than it may.
    #[error("the statement is rolled back: it changes {changed} rows, and the most is {most}")]
    TooManyRows {
        /// The rows that it changed, in all tables together.
        changed: u64,
        /// The rows that it may change.
        most: u64,
        /// The rows table by table.
        tables: Vec<ChangedTable>,
    },
    /// A statement gave back more than is read.
    #[error("the statement is rolled back: it gives back more by RETURNING than is read")]
    TooMuchReturned,
    /// PostgreSQL was told to keep a change in which a statement had failed, and took it back.
    #[error("PostgreSQL has kept nothing: a statement had failed before")]
    RolledBack,
    /// PostgreSQL was told to keep a change, and did not say whether it has.
    #[error("PostgreSQL did not say whether it has kept the change: it may stand or not")]
    OutcomeUnknown,
    /// The plan of a query costs more than a query may.
    #[error(
        "the query is not run: PostgreSQL expects that it costs {cost:.0}, and the most is \
         {most:.0}"
    )]
    TooCostly {
        /// The cost of its plan.
        cost: f64,
        /// The cost that a statement may have.
        most: f64,
    },
    /// The caller has no role in the database, where each must have one.
    #[error("the caller has no role in the database `{database}`")]
    NoRole {
        /// The database's name in this server's configuration.
        database: String,
    },
    /// There is no database of the name that was asked for.
    #[error(transparent)]
    UnknownDatabase(#[from] UnknownDatabase),
    /// The database has no login that may write.
    #[error("the database `{database}` has no login that may write")]
    ReadOnly {
        /// The database's name in this server's configuration.
        database: String,
    },
}

impl From<JudgeError> for Error {
    fn from(error: JudgeError) -> Self {
        match error {
            JudgeError::Refused(refused) => Self::Refused(refused),
            JudgeError::Session(error) => Self::Session(error),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Session(error.into())
    }
}

/// There is no database of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no database `{name}`")]
pub struct UnknownDatabase {
    /// The name that was asked for.
    pub name: String,
    /// The names there are.
    pub known: Vec<String>,
}

/// The advice where PostgreSQL will be there again without anybody's doing.
pub const SOON: &str = "try again in a few seconds";

/// The advice where a caller's role cannot be taken.
pub const ROLE_REMEDY: &str = "the operator can make the data server's login a member of the role, \
     or name another one in POSTGRES_CALLER_ROLES";

/// Why no session could be opened. What the driver says is the log's: it may quote credentials.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct NotOpened {
    /// Host and port, or the folder of the socket.
    pub address: String,
    /// The cause, for the log.
    pub cause: OpenError,
}

impl NotOpened {
    /// One sentence without credentials.
    fn sentence(&self) -> String {
        let address = &self.address;
        match &self.cause {
            OpenError::NotAllowed { message, .. } => message.clone(),
            OpenError::Setting(error) => error.to_string(),
            OpenError::OutOfTime(time) => format!(
                "PostgreSQL at `{address}` opened no connection within the {} s that the call has",
                time.as_secs_f64()
            ),
            OpenError::Connect(ConnectError::Server(report)) => match report.code.as_str() {
                _ if report.is_passing() => {
                    format!("PostgreSQL takes no connection now: {}", report.message)
                }
                "28P01" | "28000" => "PostgreSQL refused the server's user or password".to_owned(),
                "3D000" => "PostgreSQL has no database of the configured name".to_owned(),
                _ => format!("PostgreSQL refused the connection: {}", report.message),
            },
            OpenError::Connect(ConnectError::Io(io)) => {
                // What the resolver of names says has no kind of its own.
                let reason = match io.raw_os_error() {
                    Some(_) => io.kind().to_string(),
                    None => io.to_string(),
                };
                format!("PostgreSQL at `{address}` does not answer: {reason}")
            }
            OpenError::Connect(ConnectError::Tls(reason)) => format!(
                "no encrypted connection to PostgreSQL at `{address}` could be made: {reason}"
            ),
            OpenError::Connect(ConnectError::Unsupported(reason)) => {
                format!("PostgreSQL at `{address}` cannot be used: {reason}")
            }
            OpenError::Connect(ConnectError::TimedOut) => {
                format!("PostgreSQL at `{address}` does not answer")
            }
        }
    }

    /// One sentence that says what its operator can do, who reads it in `/health` or in the log.
    pub fn operators_remedy(&self) -> &str {
        match &self.cause {
            OpenError::Connect(ConnectError::Server(report)) if report.is_passing() => {
                self.remedy()
            }
            OpenError::Connect(_) | OpenError::OutOfTime(_) => {
                "see that it runs, and compare the POSTGRES_* settings of the data server (of a \
                 further database: its entry in POSTGRES_DATABASES_FILE)"
            }
            OpenError::NotAllowed { .. } | OpenError::Setting(_) => self.remedy(),
        }
    }

    /// One sentence that says what a caller can do.
    pub fn remedy(&self) -> &str {
        match &self.cause {
            OpenError::NotAllowed { hint, .. } => hint,
            OpenError::OutOfTime(_) => {
                "give the call more time, or try again in a few seconds; if it stays so, ask the \
                 operator to look at /health"
            }
            OpenError::Setting(SessionError::Role(_)) => ROLE_REMEDY,
            OpenError::Setting(_) => {
                "the operator should check POSTGRES_ROLE and that the user may take that role"
            }
            OpenError::Connect(ConnectError::Server(report)) if report.is_passing() => SOON,
            // It starts, or is being replaced; or it is not there at all.
            OpenError::Connect(ConnectError::Io(_) | ConnectError::TimedOut) => {
                "try again in a few seconds; if it stays away, ask the operator to look at /health \
                 and the POSTGRES_* settings of the data server"
            }
            OpenError::Connect(_) => {
                "ask the operator to look at /health and the POSTGRES_* settings of the data server"
            }
        }
    }
}
