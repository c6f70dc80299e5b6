//! Names of tables that are near one that does not exist.

use crate::{Error, ReadTransaction};

/// Names that are offered in the place of one that does not exist.
const SUGGESTIONS: usize = 5;

/// The bytes of PostgreSQL's longest name (`NAMEDATALEN` less one).
const LONGEST_NAME: usize = 63;

/// A table as a caller names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// The schema, where it was named.
    pub schema: Option<String>,
    /// The name, which may hold the schema and a point where no schema was named.
    pub table: String,
}

impl TableName {
    /// The schema that was named, or `public`.
    pub fn schema(&self) -> &str {
        self.schema.as_deref().unwrap_or("public")
    }

    /// Schema and table in one name with a point, where no schema was named.
    pub(super) fn split(&self) -> Option<(&str, &str)> {
        match &self.schema {
            None => self.table.split_once('.'),
            Some(_) => None,
        }
    }
}

/// A table that does not exist, and those with similar names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTable {
    /// The names that are near it, each with its schema, the nearest first.
    pub near: Vec<String>,
}

impl MissingTable {
    pub(super) async fn find_near(
        transaction: &mut ReadTransaction,
        wanted: &TableName,
    ) -> Result<Self, Error> {
        let names = transaction.rows(NAMES, &[]).await?;
        let wanted = wanted.table.rsplit('.').next().unwrap_or(&wanted.table);
        let wanted = wanted.to_lowercase();
        let mut found: Vec<(usize, String)> = names
            .into_iter()
            .filter_map(|row| {
                let (schema, name) = (row.text("schema"), row.text("name"));
                let distance = near(&wanted, &name.to_lowercase())?;
                Some((distance, format!("{schema}.{name}")))
            })
            .collect();
        found.sort();
        found.truncate(SUGGESTIONS);
        Ok(Self {
            near: found.into_iter().map(|(_, name)| name).collect(),
        })
    }
}

/// How far apart two names are, if they are near each other.
fn near(wanted: &str, name: &str) -> Option<usize> {
    // What is longer than a name can be is no slip, and would be compared for minutes.
    if wanted.len() > LONGEST_NAME {
        return None;
    }
    let distance = distance(wanted, name);
    (distance <= wanted.chars().count().div_ceil(3)).then_some(distance)
}

/// How many letters must be put in, left out or changed to make one word of the other; 0 or 1 where
/// one holds the other whole.
fn distance(wanted: &str, name: &str) -> usize {
    if wanted == name {
        return 0;
    }
    if wanted.len() >= 3 && (name.contains(wanted) || wanted.contains(name)) {
        return 1;
    }
    let name: Vec<char> = name.chars().collect();
    let mut row: Vec<usize> = (0..=name.len()).collect();
    for (at, letter) in wanted.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in name.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[name.len()]
}

const NAMES: &str = "
SELECT n.nspname::text AS schema, c.relname::text AS name
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname <> 'information_schema'
    AND n.nspname NOT LIKE 'pg\\_%'
ORDER BY 1, 2
LIMIT 10000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_compares_nothing_that_is_too_long_for_a_name() {
        assert_eq!(near("order", "orders"), Some(1));
        // It holds the name, which is otherwise near enough.
        assert_eq!(near(&"orders".repeat(LONGEST_NAME), "orders"), None);
    }

    #[test]
    fn it_knows_which_names_are_near() {
        assert_eq!(distance("orders", "orders"), 0);
        assert_eq!(distance("order", "orders"), 1);
        assert_eq!(distance("ordres", "orders"), 2);
        assert_eq!(distance("shop", "cars"), 4);
    }
}
