//! The columns and parameters of a statement, with the types of their values.

use std::sync::Arc;

use results::Column;

/// A type of PostgreSQL's: its name, and the form of its values in JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TypeInfo {
    /// As SQL writes it, without length or precision.
    pub(super) name: String,
    pub(super) form: Form,
}

/// How a value is written in JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// A boolean, as JSON's `true` or `false`.
    Bool,
    /// A number, or a string where a double would not hold it.
    Integer,
    /// A number; `NaN` and the infinities are strings.
    Float,
    /// A point in time: ISO 8601.
    Timestamp,
    /// A value that is JSON already, passed on as it is.
    Json,
    /// A list of values of another type.
    Array {
        /// The type of the array's elements.
        element: Arc<TypeInfo>,
        /// The character between elements in PostgreSQL's text form.
        delimiter: char,
    },
    /// A JSON string that holds PostgreSQL's text form.
    Text,
}

/// The columns of a result, and how to read the values of each.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) columns: Vec<Column>,
    pub(crate) types: Vec<Arc<TypeInfo>>,
}

/// The columns and parameters of a statement, with their types.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) columns: Columns,
    pub(crate) parameters: Vec<Arc<TypeInfo>>,
}
