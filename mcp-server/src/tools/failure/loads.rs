//! Failures of loads in the words of the tools.

use super::{CONFIRM_IT, ToolFailure};
use crate::copy_format::{Misfit, UnwritableValue};
use crate::postgres::LoadError;
use crate::spark::InsertError;

/// The advice where the columns of a result are not those of the table.
const NAME_THEM: &str = "name the columns in the query as the table has them; nothing was loaded";

impl ToolFailure {
    /// A load or a pipeline would have these effects, and the caller has not said that they are
    /// meant.
    pub fn unconfirmed(effects: &str) -> Self {
        Self::new("not_confirmed", effects)
            .with_question(format!("{effects}\nIs that meant?"))
            .with_hint(CONFIRM_IT)
    }

    /// A source of rows in Spark is no query by Spark's own verdict.
    pub fn source_without_query() -> Self {
        Self::invalid_arguments(
            "`sql` must be a query, and this one may change what is in Spark; execute_spark_sql \
             runs such statements",
        )
    }
}

impl From<LoadError> for ToolFailure {
    fn from(error: LoadError) -> Self {
        let message = error.to_string();
        match error {
            LoadError::NoTable(_) => Self::not_found(message)
                .with_hint("create the table first; list_tables names those there are"),
            LoadError::NotLoadable { .. } => Self::new("not_loadable", message),
            LoadError::TakesOthers { .. } => Self::new("not_loadable", message).with_hint(
                "delete the rows by execute_dml, which counts other tables' rows too, then append",
            ),
            LoadError::NoKey { .. } => {
                Self::new("42P10", message).with_hint("get_table_schema names the keys there are")
            }
            LoadError::NoKeyColumn(_) => Self::new("does_not_fit", message).with_hint(NAME_THEM),
            LoadError::NoMarkers(_) => Self::new("no_markers", message),
            LoadError::Database(error) => error.into(),
        }
    }
}

impl From<Misfit> for ToolFailure {
    fn from(misfit: Misfit) -> Self {
        let failure = Self::new("does_not_fit", misfit.to_string());
        match misfit {
            Misfit::Type { .. } => failure.with_hint("cast it in the query; nothing was loaded"),
            _ => failure.with_hint(NAME_THEM),
        }
    }
}

impl From<UnwritableValue> for ToolFailure {
    fn from(value: UnwritableValue) -> Self {
        Self::new("does_not_fit", value.to_string()).with_hint("nothing was loaded")
    }
}

impl From<InsertError> for ToolFailure {
    fn from(error: InsertError) -> Self {
        let message = error.to_string();
        match error {
            InsertError::NoColumn(_) => {
                Self::new("does_not_fit", message).with_hint("nothing was written")
            }
            InsertError::Binary(_) => Self::new("does_not_fit", message),
            InsertError::Rows(_) => Self::new("internal", message),
        }
    }
}
