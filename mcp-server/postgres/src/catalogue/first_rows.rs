//! The first rows of a table, for whoever wants to see what it holds.

use results::{RowSink, Written};

use super::TableDescription;
use crate::session::quoted_name;
use crate::{Database, Error};

impl Database {
    /// Writes the first rows of a table or view into `sink`, until that is full. The query is
    /// judged like a caller's: a view may call functions.
    ///
    /// # Errors
    /// PostgreSQL cannot be reached, is too busy, or refuses to read this ([`Error`]).
    pub async fn first_rows(
        &self,
        table: &TableDescription,
        sink: &mut dyn RowSink,
    ) -> Result<Written, Error> {
        let (schema, name) = (quoted_name(&table.schema), quoted_name(&table.name));
        // One more than is shown, to know whether there are more.
        let limit = sink.most_rows().map(|most| format!(" LIMIT {}", most + 1));
        let sql = format!("SELECT * FROM {schema}.{name}{}", limit.unwrap_or_default());
        self.query(&sql, &[], sink).await
    }
}
