//! A table that is to be made, as a caller describes it. Pure.

mod statements;

use serde::Deserialize;

use super::session::quoted_name;

pub(super) use statements::{Expression, quoted_names};

/// The bytes of PostgreSQL's longest name (`NAMEDATALEN` less one); it cuts longer ones.
const LONGEST_NAME: usize = 63;

/// The columns that a table of PostgreSQL may have (`MaxHeapAttributeNumber`).
const MOST_COLUMNS: usize = 1600;

/// Each check is judged in a statement that has every column, and each key locks or indexes.
const MOST_CHECKS: usize = 100;
const MOST_KEYS: usize = 100;

/// The bytes of the longest type: a qualified name with its modifiers.
const LONGEST_TYPE: usize = 256;

/// A table as a caller wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTable {
    /// The schema that it is made in.
    pub schema: String,
    /// Its name within the schema.
    pub name: String,
    /// The columns, in their order.
    pub columns: Vec<NewColumn>,
    /// The columns of the primary key; none for a table without.
    pub primary_key: Vec<String>,
    /// The sets of columns whose values are unique together.
    pub unique: Vec<Vec<String>>,
    /// The conditions that every row must fulfil, in SQL.
    pub checks: Vec<String>,
    /// The references to other tables.
    pub foreign_keys: Vec<NewForeignKey>,
}

/// A column of a table that is to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewColumn {
    /// The name of the column.
    pub name: String,
    /// Its type, as SQL writes it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether a row must have a value.
    #[serde(default)]
    pub not_null: bool,
    /// The expression of its default, in SQL.
    #[serde(default)]
    pub default: Option<String>,
    /// Whether PostgreSQL numbers the rows.
    #[serde(default)]
    pub identity: bool,
}

/// A reference of a table that is to be made to another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewForeignKey {
    /// The columns that refer.
    pub columns: Vec<String>,
    /// The schema of the other table; that of the new one where none is named.
    #[serde(default)]
    pub schema: Option<String>,
    /// The table that they refer to.
    pub table: String,
    /// The columns that they refer to; its primary key where none are named.
    #[serde(default)]
    pub referenced_columns: Vec<String>,
    /// The fate of a row whose referenced row goes; that one cannot go where nothing is said.
    #[serde(default)]
    pub on_delete: Option<OnDelete>,
}

/// The fate of a row whose referenced row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// It goes with the other.
    Cascade,
    /// It refers to nothing from then on.
    SetNull,
    /// It keeps the other row from going.
    Restrict,
}

/// Why a table is not made as it was described.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NewTableError {
    /// A name is none that PostgreSQL would keep.
    #[error("`{0}` is no name: one to {LONGEST_NAME} bytes, without a NUL character")]
    Name(String),
    /// There are no columns.
    #[error("the table has no columns")]
    NoColumns,
    /// A key or a reference names no columns.
    #[error("a key names no columns")]
    NoKeyColumns,
    /// A key or a reference names a column that the table is not to have.
    #[error("a key names the column `{name}`, and the table has {columns}")]
    NoColumn {
        /// The name in the key.
        name: String,
        /// The names of the columns, in their order.
        columns: String,
    },
    /// There is more of something than a table is made with here.
    #[error("the table has {found} {kind}, and may have {most}")]
    TooMany {
        /// The thing that there are too many of, in the plural.
        kind: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// PostgreSQL or this server owns the schema.
    #[error("the schema `{0}` belongs to PostgreSQL or to this server")]
    Schema(String),
    /// A type is none that PostgreSQL has.
    #[error("the column `{column}` has the type `{type_name}`, which PostgreSQL does not have")]
    Type {
        /// The name of the column.
        column: String,
        /// The type, as the caller wrote it.
        type_name: String,
    },
    /// PostgreSQL does not accept an expression.
    #[error("{place} is no expression that PostgreSQL accepts there: {message}")]
    Expression {
        /// The part of the table that it stands in.
        place: String,
        /// The SQLSTATE of PostgreSQL's refusal.
        code: String,
        /// The sentence of PostgreSQL's refusal.
        message: String,
    },
}

impl NewTable {
    /// Schema and name, quoted.
    pub fn full_name(&self) -> String {
        format!("{}.{}", quoted_name(&self.schema), quoted_name(&self.name))
    }

    /// Checks everything that PostgreSQL need not be asked for.
    pub(super) fn check(&self) -> Result<(), NewTableError> {
        if self.columns.is_empty() {
            return Err(NewTableError::NoColumns);
        }
        for (kind, found, most) in [
            ("columns", self.columns.len(), MOST_COLUMNS),
            ("checks", self.checks.len(), MOST_CHECKS),
            ("unique keys", self.unique.len(), MOST_KEYS),
            ("foreign keys", self.foreign_keys.len(), MOST_KEYS),
        ] {
            if found > most {
                return Err(NewTableError::TooMany { kind, found, most });
            }
        }
        let is_long = |column: &&NewColumn| column.type_name.len() > LONGEST_TYPE;
        if let Some(column) = self.columns.iter().find(is_long) {
            return Err(NewTableError::Type {
                column: column.name.clone(),
                type_name: column.type_name.clone(),
            });
        }
        let keys = self.unique.iter();
        let mut keys = keys.chain(self.foreign_keys.iter().map(|key| &key.columns));
        if keys.any(Vec::is_empty) {
            return Err(NewTableError::NoKeyColumns);
        }
        let is_name = |name: &str| (1..=LONGEST_NAME).contains(&name.len()) && !name.contains('\0');
        if let Some(name) = self.names().find(|name| !is_name(name)) {
            return Err(NewTableError::Name(name.replace('\0', "\u{fffd}")));
        }
        let is_column = |name: &&String| self.columns.iter().any(|column| column.name == **name);
        if let Some(name) = self.key_columns().find(|name| !is_column(name)) {
            let columns = self.columns.iter();
            let columns: Vec<_> = columns.map(|column| format!("`{}`", column.name)).collect();
            return Err(NewTableError::NoColumn {
                name: name.clone(),
                columns: columns.join(", "),
            });
        }
        // PostgreSQL keeps all names that begin so; `pg_temp` would be a table of one session.
        let is_own = |schema: &str| {
            schema.starts_with("pg_") || matches!(schema, "information_schema" | "portcullis")
        };
        match is_own(&self.schema) {
            true => Err(NewTableError::Schema(self.schema.clone())),
            false => Ok(()),
        }
    }

    /// The columns of this table that keys and references name.
    fn key_columns(&self) -> impl Iterator<Item = &String> {
        let foreign = self.foreign_keys.iter().flat_map(|key| &key.columns);
        let keys = self.primary_key.iter().chain(self.unique.iter().flatten());
        keys.chain(foreign)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let foreign = self.foreign_keys.iter().flat_map(|key| {
            let names = key.columns.iter().chain(&key.referenced_columns);
            names.chain(&key.schema).chain([&key.table])
        });
        let keys = self.primary_key.iter().chain(self.unique.iter().flatten());
        let columns = self.columns.iter().map(|column| &column.name);
        [&self.schema, &self.name]
            .into_iter()
            .chain(columns)
            .chain(keys)
            .chain(foreign)
            .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn table() -> NewTable {
        let column = |name: &str, type_name: &str| NewColumn {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            ..NewColumn::default()
        };
        NewTable {
            schema: "public".to_owned(),
            name: "a\"b".to_owned(),
            columns: vec![
                NewColumn {
                    identity: true,
                    ..column("id", "bigint")
                },
                NewColumn {
                    not_null: true,
                    default: Some("now() -- today".to_owned()),
                    ..column("at", "date")
                },
            ],
            primary_key: vec!["id".to_owned()],
            unique: vec![vec!["id".to_owned(), "at".to_owned()]],
            checks: vec!["id > 0".to_owned()],
            foreign_keys: vec![NewForeignKey {
                columns: vec!["id".to_owned()],
                table: "t".to_owned(),
                on_delete: Some(OnDelete::Cascade),
                ..NewForeignKey::default()
            }],
        }
    }

    #[test]
    fn it_refuses_more_than_it_can_judge_in_a_statement_time() {
        let most = |table: &mut NewTable| {
            table.columns = vec![NewColumn::default(); MOST_COLUMNS];
            for (at, column) in table.columns.iter_mut().enumerate() {
                column.name = at.to_string();
            }
            table.checks = vec!["true".to_owned(); MOST_CHECKS];
            table.unique = vec![vec!["1".to_owned()]; MOST_KEYS];
            table.primary_key.clear();
            table.foreign_keys[0].columns = vec!["1".to_owned()];
        };
        let mut whole = table();
        most(&mut whole);
        assert_eq!(whole.check(), Ok(()));
        let additions: [fn(&mut NewTable); 4] = [
            |table| table.columns.push(table.columns[0].clone()),
            |table| table.checks.push("true".to_owned()),
            |table| table.unique.push(vec!["1".to_owned()]),
            |table| {
                let key = table.foreign_keys[0].clone();
                table.foreign_keys = vec![key; MOST_KEYS + 1];
            },
        ];
        for add in additions {
            let mut table = whole.clone();
            add(&mut table);
            let refused = table.check();
            assert!(
                matches!(refused, Err(NewTableError::TooMany { .. })),
                "{refused:?}"
            );
        }
        whole.columns[0].type_name = "x".repeat(LONGEST_TYPE + 1);
        assert!(matches!(whole.check(), Err(NewTableError::Type { .. })));
    }

    #[test]
    fn it_refuses_keys_of_columns_that_the_table_does_not_have() {
        let changes: [fn(&mut NewTable); 3] = [
            |table| table.primary_key = vec!["it".to_owned()],
            |table| table.unique = vec![vec!["id".to_owned(), "it".to_owned()]],
            |table| table.foreign_keys[0].columns = vec!["it".to_owned()],
        ];
        for change in changes {
            let mut table = table();
            change(&mut table);
            let refused = table.check().expect_err("no such column").to_string();
            assert_eq!(
                refused,
                "a key names the column `it`, and the table has `id`, `at`"
            );
        }
    }

    #[test]
    fn it_refuses_names_that_postgresql_would_cut_and_schemas_of_others() {
        assert_eq!(table().check(), Ok(()));
        let long = "é".repeat(32);
        for name in ["", "a\0b", long.as_str()] {
            let mut table = table();
            table.unique = vec![vec![name.to_owned()]];
            assert!(
                matches!(table.check(), Err(NewTableError::Name(_))),
                "{name}"
            );
        }
        for schema in ["pg_catalog", "pg_temp", "information_schema", "portcullis"] {
            let mut table = table();
            table.schema = schema.to_owned();
            assert_eq!(table.check(), Err(NewTableError::Schema(schema.to_owned())));
        }
        let mut empty = table();
        empty.unique = vec![Vec::new()];
        assert_eq!(empty.check(), Err(NewTableError::NoKeyColumns));
        empty.columns.clear();
        assert_eq!(empty.check(), Err(NewTableError::NoColumns));
    }
}
