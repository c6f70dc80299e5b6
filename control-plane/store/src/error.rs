//! The ways in which the store can fail, each with a sentence that says what to do.

use std::path::PathBuf;

use crate::{RevisionNumber, RevisionSummary};

/// The store could not read or write.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database answered with an error.
    #[error("the configuration store could not {operation}")]
    Database {
        /// The operation that failed, in words.
        operation: &'static str,
        /// The database's own error.
        source: sqlx::Error,
    },
    /// Another control plane leads on the same store by now, or stored a revision that this one
    /// has not seen.
    #[error(
        "another control plane has taken over the configuration store; nothing was changed: send \
         it to the one that leads"
    )]
    Superseded,
    /// A stored value is not what this program writes there.
    #[error(
        "the configuration store holds a {what} that cannot be read: `{value}`; restore it from a \
         copy"
    )]
    Unreadable {
        /// The kind of value that cannot be read.
        what: &'static str,
        /// The value as it was found.
        value: String,
    },
    /// A value cannot be stored as it is.
    #[error("the configuration store cannot hold the {what} `{value}`: it is not UTF-8")]
    Unstorable {
        /// The kind of value that cannot be stored.
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
    /// The document names a module that is not in the store.
    #[error("the module `{0}` was taken back: upload it again, or name another one")]
    Missing(String),
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
        /// The path that cannot be opened for writing.
        path: PathBuf,
        /// The operating system's own error.
        source: std::io::Error,
    },
    /// The file is not a sound database.
    #[error("the configuration store `{}` is damaged ({detail}): move it away and restore it from \
             a copy", path.display())]
    Damaged {
        /// The path of the damaged file.
        path: PathBuf,
        /// The damage that SQLite found.
        detail: String,
    },
    /// The store was written by another version of this program.
    #[error(
        "the configuration store `{store}` cannot be brought to this version's layout: run the \
         version that wrote it, or start from an empty store"
    )]
    Layout {
        /// The address of the store whose layout is another version's, without a password.
        store: String,
        /// The error of the migration that failed.
        source: sqlx::migrate::MigrateError,
    },
    /// A later version of this program has changed the store in a way that this one cannot work
    /// with.
    #[error(
        "the configuration store `{store}` is in use by a later version of this program (it needs \
         layout {needs}, and this version knows {known}): run that version, or restore a backup \
         that was taken before it into another store"
    )]
    Newer {
        /// The address of the store, without a password.
        store: String,
        /// The layout that a program has to know.
        needs: i64,
        /// The layout that this program knows.
        known: i64,
    },
    /// The file that is to hold the address cannot be read.
    #[error(
        "cannot read the address of the configuration store from `{}`; correct CONTROL_PLANE_STORE",
        path.display()
    )]
    AddressFile {
        /// The path of the file that cannot be read.
        path: PathBuf,
        /// The operating system's own error.
        source: std::io::Error,
    },
    /// The file that is to hold the address holds something else.
    #[error(
        "`{}` does not hold the address of a configuration store as its only line: a path, or \
         `postgres://user:password@host:port/database`", .0.display()
    )]
    NoAddress(PathBuf),
    /// The address is that of no PostgreSQL; it is not shown, because it may hold a password.
    #[error("{0}")]
    Address(String),
    /// The database could not be reached, or answered with another error.
    #[error(
        "the configuration store `{store}` could not be opened: check that it runs, and that this \
         user may use it"
    )]
    Unreachable {
        /// The address of the store that could not be opened, without a password.
        store: String,
        /// The database's own error.
        source: sqlx::Error,
    },
}
