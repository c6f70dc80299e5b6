//! The names and kinds of Spark's tables.

use std::fmt;

/// A table as a caller names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkTableName {
    /// Its catalogue, which only stands before a database.
    pub catalog: Option<String>,
    /// Its database, with dots between the parts of a nested one.
    pub database: Option<String>,
    /// The name of the table itself.
    pub table: String,
}

impl SparkTableName {
    /// The name as Spark SQL reads it, each part in quotes.
    pub(super) fn quoted(&self) -> String {
        let database = self
            .database
            .iter()
            .flat_map(|database| database.split('.'));
        let parts = self.catalog.iter().map(String::as_str).chain(database);
        let parts = parts.chain([self.table.as_str()]).map(quoted_name);
        parts.collect::<Vec<_>>().join(".")
    }
}

/// The name as people read it.
impl fmt::Display for SparkTableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.catalog.iter().chain(&self.database) {
            write!(f, "{part}.")?;
        }
        f.write_str(&self.table)
    }
}

/// The kind of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SparkTableKind {
    /// Its rows are Spark's, and go with it.
    Managed,
    /// Its rows are elsewhere, and stay when it goes.
    External,
    /// A view that all sessions see.
    View,
    /// A view that ends with its session, or with the server.
    Temporary,
}

impl SparkTableKind {
    /// All of them, by the words of callers.
    pub const ALL: [Self; 4] = [Self::Managed, Self::External, Self::View, Self::Temporary];

    /// The word for it, to callers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Managed => "managed table",
            Self::External => "external table",
            Self::View => "view",
            Self::Temporary => "temporary view",
        }
    }

    /// The kind that Spark tells of.
    pub(super) fn told(word: &str) -> Option<Self> {
        Some(match word {
            "MANAGED" => Self::Managed,
            "EXTERNAL" => Self::External,
            "VIEW" | "METRIC_VIEW" => Self::View,
            "TEMPORARY" => Self::Temporary,
            _ => return None,
        })
    }
}

/// A name in the quotes of Spark SQL.
pub(crate) fn quoted_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A name with dots between its parts, each in the quotes of Spark SQL, as it may be already.
pub(crate) fn quoted_path(name: &str) -> String {
    let parts = name.split('.').map(|part| quoted_name(&unquoted(part)));
    parts.collect::<Vec<_>>().join(".")
}

/// A name as it is, of which Spark may have written it in quotes.
pub(super) fn unquoted(name: &str) -> String {
    let inner = name
        .strip_prefix('`')
        .and_then(|name| name.strip_suffix('`'));
    inner.map_or_else(|| name.to_owned(), |name| name.replace("``", "`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_quotes_every_part_of_a_name() {
        for (catalog, database, table, expected) in [
            (None, None, "t", "`t`"),
            (None, Some("a.b"), "t", "`a`.`b`.`t`"),
            (
                Some("c"),
                Some("d"),
                "x`; DROP TABLE y; --",
                "`c`.`d`.`x``; DROP TABLE y; --`",
            ),
        ] {
            let name = SparkTableName {
                catalog: catalog.map(str::to_owned),
                database: database.map(str::to_owned),
                table: table.to_owned(),
            };
            assert_eq!(name.quoted(), expected);
        }
        for name in ["plain", "odd `name", "``"] {
            assert_eq!(unquoted(&quoted_name(name)), name);
        }
        assert_eq!(unquoted("plain"), "plain");
        for (name, expected) in [
            ("a.b", "`a`.`b`"),
            ("`a`.b", "`a`.`b`"),
            ("`", "````"),
            ("a`; DROP", "`a``; DROP`"),
            ("`a`; DROP TABLE `b`", "`a``; DROP TABLE ``b`"),
        ] {
            assert_eq!(quoted_path(name), expected, "{name}");
        }
    }
}
