//! The ways in which the store can fail, each with a sentence that says what to do.

use std::path::PathBuf;

use crate::{RevisionNumber, RevisionSummary};

/// The store could not read or write.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database answered with an error.
    #[error("the configuration store could not {operation}")]
    Database {
        /// What was tried.
        operation: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// A stored value is not what this program writes there.
    #[error(
        "the configuration store holds a {what} that cannot be read: `{value}`; restore it from a \
         copy"
    )]
    Unreadable {
        /// Which value.
        what: &'static str,
        /// The value.
        value: String,
    },
    /// A value cannot be stored as it is.
    #[error("the configuration store cannot hold the {what} `{value}`: it is not UTF-8")]
    Unstorable {
        /// Which value.
        what: &'static str,
        /// The value, as far as it can be shown.
        value: String,
    },
}

/// A revision was not stored.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else stored one first.
    #[error("{}", conflict(*expected, actual.as_ref()))]
    Conflict {
        /// The head that the caller built on.
        expected: Option<RevisionNumber>,
        /// The head that is there, and who made it.
        actual: Option<RevisionSummary>,
    },
    /// The store could not read or write.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn conflict(expected: Option<RevisionNumber>, actual: Option<&RevisionSummary>) -> String {
    let built_on = expected.map_or_else(
        || "an empty configuration".to_owned(),
        |number| format!("revision {number}"),
    );
    match actual {
        Some(actual) => format!(
            "the change was made to {built_on}, but `{}` has stored revision {} since ({}): read \
             it, and make the change again",
            actual.author, actual.number, actual.created_at
        ),
        None => format!(
            "the change was made to {built_on}, but no revision is stored: make the change again"
        ),
    }
}

/// The store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its folder cannot be created or opened.
    #[error("the configuration store `{}` cannot be opened for writing: check that the folder \
             exists and belongs to this user", path.display())]
    Inaccessible {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a sound database.
    #[error("the configuration store `{}` is damaged ({detail}): move it away and restore it from \
             a copy", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The file was written by another version of this program.
    #[error("the configuration store `{}` cannot be brought to this version's layout: run the \
             version that wrote it, or start from an empty file", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// What the migration said.
        source: sqlx::migrate::MigrateError,
    },
    /// The database answered with another error.
    #[error("the configuration store `{}` could not be opened", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What the database said.
        source: sqlx::Error,
    },
}
