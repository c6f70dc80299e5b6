//! Arrow's rows in the binary form of PostgreSQL's COPY, without a detour over text.
//!
//! A [`LoadPlan`] says for each column of Spark's result how its values are written for the column
//! of the table that takes them; it is made before anything is sent, and refuses what would not
//! fit. A [`CopyWriter`] writes batch after batch by it, and notes what a person checks a load by:
//! NULLs, the least and the greatest value of each column.

mod numeric;
mod plan;
mod ranges;
mod spark_type;
mod writer;

pub use plan::{LoadPlan, Misfit, created_columns};
pub use ranges::ColumnSummary;
pub use writer::{CopyWriter, UnwritableValue};

/// How the values of a column are written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Encoding {
    Boolean,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// `numeric` of a decimal with so many digits after the point, or of an integer.
    Numeric(u32),
    /// The bytes of a text as they are.
    Text,
    Bytes,
    Uuid,
    /// Text that PostgreSQL reads as JSON.
    Json,
    /// The same behind the number of the form's version.
    Jsonb,
    Date,
    Timestamp,
    Time,
    Interval,
    /// An array of one dimension, by the type of its elements.
    Array {
        element: Box<Encoding>,
        element_type: u32,
    },
}
