//! Rows of a query read into structs by the names of their columns.
//!
//! sqlx could derive this; its macros would more than double the time that the crate takes to
//! build, because they bring all of sqlx into the compiler a second time.

/// Implements [`sqlx::FromRow`] for a struct whose fields are named after columns.
macro_rules! row_by_columns {
    ($row:ident { $($column:ident),+ $(,)? }) => {
        impl sqlx::FromRow<'_, sqlx::sqlite::SqliteRow> for $row {
            fn from_row(row: &sqlx::sqlite::SqliteRow) -> Result<Self, sqlx::Error> {
                use sqlx::Row as _;
                Ok(Self { $($column: row.try_get(stringify!($column))?),+ })
            }
        }
    };
}

pub(super) use row_by_columns;
