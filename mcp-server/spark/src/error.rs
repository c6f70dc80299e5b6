//! Why Spark gave no result: facts, of which a tool makes its sentences.

use std::time::Duration;

use fair_shares::NoTurn;
use results::SinkError;
use spark_rows::UnsupportedType;

use super::connect::ConnectError;
use super::sessions::SessionError;

/// Why a statement has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too many other statements run, of all callers or of this one.
    #[error(transparent)]
    Queue(#[from] NoTurn),
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
    /// It changes a session, and its caller has none that would last.
    #[error(
        "the statement changes {0}, which lasts as long as a session, and this call has none: the \
         next one would not find it"
    )]
    NeedsSession(&'static str),
    /// Spark has no catalog of the name that a caller gives.
    #[error("Spark has no catalog `{0}`")]
    NoCatalog(String),
    /// Spark's error, or that of the way there.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A column has no form in rows.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedType),
    /// The rows could not be kept.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// It ran for longer than it may, and was interrupted.
    #[error(
        "the statement ran for {} s, which is the limit, and was interrupted",
        limit.as_secs()
    )]
    OutOfTime {
        /// The time that a statement may take.
        limit: Duration,
    },
}
