//! PostgreSQL's catalogue: the tables there are, and what one must know of a table to query it.

mod asking;
mod description;
mod first_rows;
mod functions;
mod names;
mod similar_names;
mod tables;

pub use description::{
    Check, ColumnDescription, ForeignKey, Index, Reference, TableDescription, UniqueConstraint,
};
pub use functions::FunctionSummary;
pub use similar_names::{MissingTable, TableName};
pub use tables::{TableFilter, TableKey, TableKind, TableSummary};
