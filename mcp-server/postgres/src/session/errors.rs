//! Why a session could not be opened, or brought no rows.

use std::io;
use std::time::Duration;

use crate::wire::{ConnectError, ServerReport, WireError};

/// Why a statement brought no rows.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// PostgreSQL refused it; the session lives on.
    #[error("{}", .0.message)]
    Server(Box<ServerReport>),
    /// The caller's role is none that its login may take, or it is no more; the session ends.
    #[error("{}", .0.message)]
    Role(Box<ServerReport>),
    /// The connection cannot be used any more.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl SessionError {
    /// Whether more can be asked of the session after this error.
    pub(crate) fn spares_session(&self) -> bool {
        matches!(self, Self::Server(report) if report.severity == "ERROR")
    }

    /// The same error, where it comes of taking a role.
    pub(super) fn of_role(self) -> Self {
        match self {
            Self::Server(report) if report.severity == "ERROR" => Self::Role(report),
            error => error,
        }
    }
}

impl From<io::Error> for SessionError {
    fn from(error: io::Error) -> Self {
        Self::Wire(WireError::Io(error))
    }
}

/// Why a session could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No connection came about.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A setting was refused.
    #[error(transparent)]
    Setting(#[from] SessionError),
    /// The operator has to allow or change something first.
    #[error("{message}")]
    NotAllowed {
        /// One sentence that says what is not allowed.
        message: String,
        /// A sentence that tells the operator what to do.
        hint: String,
    },
    /// It took longer than the caller gives.
    #[error("not opened within {} s", .0.as_secs_f64())]
    OutOfTime(Duration),
}
