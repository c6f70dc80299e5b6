//! Tools that an operator writes down in a file: a text of SQL, its parameters, and the words that
//! an agent chooses by.
//!
//! [`read`] makes a [`Declaration`] of each entry, or names every fault with its file and place. An
//! [`ArgumentSchema`] checks what callers send. Nothing here reads SQL or reaches a database:
//! whether a text may run is for the database to say, and for the judge of the port.
//!
//! ```no_run
//! # fn example() -> anyhow::Result<()> {
//! let path = std::path::Path::new("tools.yaml");
//! for tool in declared_tools::read(path, &|name| name == "execute_query")? {
//!     println!("{}: {} parameters", tool.name, tool.parameters.len());
//! }
//! # Ok(())
//! # }
//! ```

mod arguments;
mod file;
mod gateway_schema;
mod parameter;

use serde::Deserialize;

pub use arguments::{ArgumentSchema, Misfit};
pub use file::read;
pub use parameter::Parameter;

/// A tool as its author has declared it, in which nothing is wrong that can be seen without a
/// database.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// The name that clients call.
    pub name: String,
    /// A few words for people.
    pub title: String,
    /// The words that agents choose it by.
    pub description: String,
    /// One statement of SQL.
    pub sql: String,
    /// The service that runs the statement.
    pub engine: Engine,
    /// The parameters: for PostgreSQL those of $1, $2, … in that order.
    pub parameters: Vec<Parameter>,
    /// The bounds of each call.
    pub limits: DeclaredLimits,
    /// The hints of the author.
    pub annotations: Annotations,
    /// The file that declares it, and its place there.
    pub place: String,
}

/// The service that runs a declared tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// A database of PostgreSQL.
    Postgres {
        /// The name of the database; none for the first one.
        database: Option<String>,
        /// Whether the tool changes rows.
        writes: bool,
    },
    /// Spark, where declared tools only read.
    Spark,
}

/// The bounds of a tool's calls, each where it is less than what the database has.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeclaredLimits {
    /// The most rows that come back.
    pub max_rows: Option<usize>,
    /// The most bytes of rows that come back.
    pub max_bytes: Option<usize>,
    /// The time that a call may take.
    pub statement_timeout_ms: Option<u64>,
    /// The rows that a call may change.
    pub max_affected_rows: Option<u64>,
}

impl DeclaredLimits {
    /// Whether the operator bounds how many rows come back, so that no blocks hold more.
    pub fn bounds_rows(&self) -> bool {
        self.max_rows.is_some() || self.max_bytes.is_some()
    }
}

/// The hints by which clients ask their users for consent.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Annotations {
    /// Whether a tool that writes may change or remove what exists.
    pub destructive: Option<bool>,
    /// Whether a second call with the same arguments changes nothing more.
    pub idempotent: Option<bool>,
    /// Whether it reaches for more than the data behind the server.
    pub open_world: Option<bool>,
}
