//! The facts that a prompt learns of a table from `get_table_schema`.

use serde::Deserialize;

use super::Surroundings;
use crate::tools::{Output, ToolFailure};

/// A table, as far as advice depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct TableFacts {
    pub schema: String,
    pub table: String,
    pub kind: String,
    pub rows_estimate: Option<i64>,
    pub columns: Vec<Column>,
    pub primary_key: Vec<String>,
    pub foreign_keys: Vec<ForeignKey>,
    pub indexes: Vec<Index>,
    /// The table as the tool shows it to a model.
    #[serde(skip)]
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Column {
    pub name: String,
    #[serde(rename = "type")]
    pub type_name: String,
    pub nullable: bool,
    pub default: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ForeignKey {
    pub columns: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Index {
    pub definition: String,
}

impl TableFacts {
    /// The facts of this table.
    ///
    /// # Errors
    /// Those of `get_table_schema`.
    pub(super) async fn look(
        surroundings: &Surroundings<'_>,
        database: Option<&str>,
        table: &str,
    ) -> Result<Self, ToolFailure> {
        let arguments = [("database", database), ("table", Some(table))];
        let output = surroundings.ask("get_table_schema", &arguments).await?;
        Self::read(output)
    }

    fn read(output: Output) -> Result<Self, ToolFailure> {
        let read = serde_json::from_value::<Self>(output.structured.to_value());
        let facts = read.map_err(|error| {
            ToolFailure::unavailable("the table cannot be described").with_log(error.to_string())
        })?;
        Ok(Self {
            text: output.text,
            ..facts
        })
    }

    /// The name with its schema.
    pub(super) fn name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }

    /// The columns that come first in an index, which conditions can use.
    pub(super) fn indexed_columns(&self) -> Vec<&str> {
        let mut leading: Vec<&str> = self.columns.iter().map(|column| &*column.name).collect();
        leading.retain(|column| self.indexes.iter().any(|index| index.begins_with(column)));
        leading
    }

    /// The references whose first column no index begins with: joins along them read the table as a
    /// whole.
    pub(super) fn unindexed_references(&self) -> Vec<&str> {
        let first = self
            .foreign_keys
            .iter()
            .filter_map(|key| key.columns.first());
        let mut unindexed: Vec<&str> = first.map(String::as_str).collect();
        unindexed.retain(|column| !self.indexes.iter().any(|index| index.begins_with(column)));
        unindexed
    }
}

impl Index {
    /// Whether this column is the first that the index orders by, without a condition on its rows.
    fn begins_with(&self, column: &str) -> bool {
        let Some((_, columns)) = self.definition.split_once(" (") else {
            return false;
        };
        let plain = columns.strip_prefix(column);
        let quoted = columns.strip_prefix(&format!("\"{}\"", column.replace('"', "\"\"")));
        let rest = plain.or(quoted);
        rest.is_some_and(|rest| rest.starts_with([',', ')', ' ']))
            && !self.definition.contains(") WHERE ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_which_columns_an_index_serves() {
        let index = |definition: &str| Index {
            definition: definition.to_owned(),
        };
        let two = index("CREATE INDEX i ON public.t USING btree (shop_id, at DESC)");
        assert!(two.begins_with("shop_id"));
        assert!(!two.begins_with("at") && !two.begins_with("shop"));
        let odd = index("CREATE INDEX i ON public.t USING btree (\"Odd \"\"one\")");
        assert!(odd.begins_with("Odd \"one"));
        let part = index("CREATE INDEX i ON public.t USING btree (id) WHERE (NOT done)");
        assert!(!part.begins_with("id"));
    }
}
