//! Statements that read what a caller names: a query, a table, the columns of a table.

use super::catalogue::quoted_path;
use super::connect::Statement;

impl Statement {
    /// The rows of `sql`, which must be a query: within brackets nothing else is one, also where
    /// statements may write.
    pub fn of_query(sql: &str) -> Self {
        Self::new(format!("SELECT * FROM (\n{sql}\n)"))
    }

    /// The rows of a table or view.
    pub fn of_table(name: &str) -> Self {
        Self::new(format!("SELECT * FROM {}", path(name)))
    }

    /// The columns of a table or view, without a row.
    pub fn of_columns(name: &str) -> Self {
        Self::new(format!("SELECT * FROM {} LIMIT 0", path(name)))
    }
}

/// A name with dots between its parts, in quotes where it needs them: a Spark without a check takes
/// no quotes but single ones.
fn path(name: &str) -> String {
    match name.split('.').all(is_plain) {
        true => name.to_owned(),
        false => quoted_path(name),
    }
}

/// Whether Spark reads a part of a name as it is, without quotes.
fn is_plain(part: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    part.chars().all(is_plain) && part.starts_with(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_a_query_within_brackets_and_a_name_within_quotes_where_it_needs_them() {
        for (statement, expected) in [
            (
                Statement::of_query("SELECT 1 -- x"),
                "SELECT * FROM (\nSELECT 1 -- x\n)",
            ),
            (Statement::of_table("a.b_1"), "SELECT * FROM a.b_1"),
            (Statement::of_table("a`; DROP"), "SELECT * FROM `a``; DROP`"),
            (
                Statement::of_columns("a.b c"),
                "SELECT * FROM `a`.`b c` LIMIT 0",
            ),
        ] {
            assert_eq!(statement.sql(), expected);
        }
    }
}
