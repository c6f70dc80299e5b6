//! Why rows are not loaded into a table.

use super::super::Error;

/// Why rows cannot be loaded into a table.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such table for this login.
    #[error("there is no table `{0}`")]
    NoTable(String),
    /// It is no table, or more would happen than a load.
    #[error("`{table}` cannot be loaded into: {reason}")]
    NotLoadable {
        /// The name, as given.
        table: String,
        /// Why not, as the end of the sentence.
        reason: &'static str,
    },
    /// All rows of it would go, and with them rows of another table would go or change.
    #[error("{table} cannot be emptied: rows of {other} would go or change with its rows")]
    TakesOthers {
        /// The name of the table, quoted.
        table: String,
        /// The name of one other, quoted.
        other: String,
    },
    /// Rows with the same keys cannot be found in it.
    #[error("no unique index of {table} has just these columns: {keys}")]
    NoKey {
        /// The name of the table, quoted.
        table: String,
        /// The names of the columns, with commas between them.
        keys: String,
    },
    /// The rows lack a column by which the load finds those there are.
    #[error("the result has no column `{0}`, which the table needs")]
    NoKeyColumn(String),
    /// A table for markers is not one.
    #[error(
        "`{0}` is no table for markers; make it so: CREATE TABLE {0} (key text PRIMARY KEY, \
         rows bigint NOT NULL, done_at timestamptz NOT NULL DEFAULT now())"
    )]
    NoMarkers(String),
    /// PostgreSQL refused a statement, or cannot be reached.
    #[error(transparent)]
    Database(#[from] Error),
}
