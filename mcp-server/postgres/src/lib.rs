//! PostgreSQL: the port that the PostgreSQL tools work on.
//!
//! A caller's text is analysed by PostgreSQL, judged by what PostgreSQL understood, and run as that
//! very statement, in a transaction that only reads, within limits that hold before anything
//! becomes memory here. Behind that stands the role: a superuser is refused unless the operator
//! names it.

mod calm;
mod catalogue;
mod changed_table;
mod database;
mod databases;
mod error;
mod health;
pub mod judge;
mod known_answers;
mod looks;
mod new_table;
mod parameters;
mod passing;
mod plan;
mod pool;
mod query;
mod session;
mod shape;
mod transaction;
mod types;
mod values;
mod wire;
mod write_transaction;

pub use catalogue::{
    Check, ColumnDescription, ForeignKey, FunctionSummary, Index, MissingTable, Reference,
    TableDescription, TableFilter, TableKey, TableKind, TableName, TableSummary, UniqueConstraint,
};
pub use changed_table::ChangedTable;
pub use database::{Database, DatabaseCaller, SharedDatabase};
pub use databases::Databases;
pub use error::{Error, NotOpened, ROLE_REMEDY, SOON, UnknownDatabase};
pub use judge::{FunctionRefused, Refused};
pub use new_table::{NewColumn, NewForeignKey, NewTable, NewTableError, OnDelete};
pub use parameters::InvalidParameters;
pub use passing::is_passing;
pub use plan::{Plan, PlannedTable};
pub use pool::PoolUse;
pub use session::{OpenError, SessionError, TextRow};
pub use transaction::ReadTransaction;
pub use wire::{ConnectError, ServerReport, WireError};
pub use write_transaction::{
    BegunLoad, Change, Changed, CopyForm, LoadError, LoadKind, MadeTable, TableLoad, TargetColumn,
    WriteTransaction,
};
