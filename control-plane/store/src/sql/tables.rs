//! The tables as data: what a copy of a store consists of.

use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::StoreError;
use crate::database::{Row, Value};

/// A table whose rows are a part of each copy. The layout and the record of its steps are not, nor
/// is who leads.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [Column],
}

/// A column of a table.
pub(super) struct Column {
    pub(super) name: &'static str,
    kind: Kind,
}

/// The kind of a column's values.
enum Kind {
    Number,
    OptionalNumber,
    Text,
    Bytes,
}

/// One value of a row that is being copied.
pub(super) enum Cell {
    Number(i64),
    OptionalNumber(Option<i64>),
    Text(String),
    Bytes(Vec<u8>),
}

/// A text in a column of this name.
const fn text(name: &'static str) -> Column {
    let kind = Kind::Text;
    Column { name, kind }
}

/// A whole number in a column of this name.
const fn number(name: &'static str) -> Column {
    let kind = Kind::Number;
    Column { name, kind }
}

/// Every table, each after those that its rows refer to.
pub(super) const TABLES: [Table; 25] = [
    Table {
        name: "revision",
        columns: &[
            number("number"),
            text("document"),
            text("author"),
            text("reason"),
            number("created_at"),
        ],
    },
    Table {
        name: "tool_list",
        columns: &[
            text("hash"),
            number("stored_at"),
            text("server"),
            Column {
                name: "bytes",
                kind: Kind::OptionalNumber,
            },
        ],
    },
    Table {
        name: "tool",
        columns: &[
            text("list_hash"),
            number("position"),
            text("name"),
            text("json"),
        ],
    },
    Table {
        name: "catalogue",
        columns: &[
            text("server"),
            text("list_hash"),
            text("protocol"),
            number("seen_at"),
            text("endpoint"),
            text("about"),
        ],
    },
    Table {
        name: "definition_review",
        columns: &[
            text("server"),
            text("name"),
            text("state"),
            text("json"),
            text("author"),
            text("reason"),
            number("at"),
        ],
    },
    Table {
        name: "tool_since",
        columns: &[text("server"), text("name"), number("since")],
    },
    Table {
        name: "module",
        columns: &[
            text("sha256"),
            number("bytes"),
            text("path"),
            number("first_seen"),
        ],
    },
    Table {
        name: "module_content",
        columns: &[
            text("sha256"),
            Column {
                name: "value",
                kind: Kind::Bytes,
            },
        ],
    },
    Table {
        name: "audit",
        columns: &[
            number("sequence"),
            number("at"),
            text("who"),
            text("what"),
            Column {
                name: "revision",
                kind: Kind::OptionalNumber,
            },
            text("origin"),
            text("reason"),
            text("kind"),
        ],
    },
    Table {
        name: "content",
        columns: &[
            text("type_url"),
            text("version"),
            Column {
                name: "value",
                kind: Kind::Bytes,
            },
        ],
    },
    Table {
        name: "accepted",
        columns: &[
            number("sequence"),
            text("generation"),
            number("revision"),
            text("module"),
        ],
    },
    Table {
        name: "accepted_list",
        columns: &[
            number("sequence"),
            text("server"),
            text("list_hash"),
            text("endpoint"),
            text("protocol"),
            text("about"),
        ],
    },
    Table {
        name: "accepted_revision",
        columns: &[number("revision"), text("generation")],
    },
    Table {
        name: "accepted_content",
        columns: &[number("sequence"), text("type_url"), text("version")],
    },
    Table {
        name: "rejection",
        columns: &[
            text("node"),
            text("type_url"),
            text("name"),
            text("version"),
            text("message"),
            text("run_on"),
            number("at"),
        ],
    },
    Table {
        name: "withheld",
        columns: &[
            text("kind"),
            text("name"),
            text("value"),
            text("reason"),
            number("at"),
            number("is_in_force"),
        ],
    },
    Table {
        name: "idempotency",
        columns: &[
            text("key"),
            text("request"),
            number("status"),
            text("headers"),
            Column {
                name: "body",
                kind: Kind::Bytes,
            },
            number("ends_at"),
            number("done_with"),
            number("bytes"),
        ],
    },
    Table {
        name: "rollout",
        columns: &[
            text("id"),
            number("revision"),
            text("generation"),
            number("wave"),
            text("state"),
            number("is_paused"),
            Column {
                name: "promoted_wave",
                kind: Kind::OptionalNumber,
            },
            text("reason"),
            number("began_at"),
            Column {
                name: "ended_at",
                kind: Kind::OptionalNumber,
            },
        ],
    },
    Table {
        name: "rollout_wave",
        columns: &[
            text("rollout"),
            number("position"),
            text("reach"),
            number("soak_ms"),
        ],
    },
    Table {
        name: "rollout_node",
        columns: &[text("rollout"), number("position"), text("node")],
    },
    Table {
        name: "rollout_usual",
        columns: &[
            text("rollout"),
            text("node"),
            number("requests"),
            number("failures"),
            number("refusals"),
        ],
    },
    Table {
        name: "rollout_generation",
        columns: &[text("rollout"), text("module")],
    },
    Table {
        name: "rollout_list",
        columns: &[
            text("rollout"),
            text("server"),
            text("list_hash"),
            text("endpoint"),
            text("protocol"),
            text("about"),
        ],
    },
    Table {
        name: "rollout_content",
        columns: &[text("rollout"), text("type_url"), text("version")],
    },
    Table {
        name: "version_key",
        columns: &[
            number("id"),
            Column {
                name: "key",
                kind: Kind::Bytes,
            },
        ],
    },
];

impl Table {
    /// The statement that reads every row.
    pub(super) fn select(&self) -> impl SqlSafeStr + use<> {
        AssertSqlSafe(format!("SELECT {} FROM {}", self.names(), self.name))
    }

    /// The statement that writes one row.
    pub(super) fn insert(&self) -> impl SqlSafeStr + use<> {
        let places: Vec<String> = (1..=self.columns.len())
            .map(|place| format!("${place}"))
            .collect();
        let (name, names) = (self.name, self.names());
        let places = places.join(", ");
        AssertSqlSafe(format!("INSERT INTO {name} ({names}) VALUES ({places})"))
    }

    /// The statement that deletes every row.
    pub(super) fn clear(&self) -> impl SqlSafeStr + use<> {
        AssertSqlSafe(format!("DELETE FROM {}", self.name))
    }

    /// The values of a row, in the order of the columns.
    pub(super) fn cells(&self, row: &Row) -> Result<Vec<Cell>, StoreError> {
        self.columns.iter().map(|column| column.cell(row)).collect()
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
        names.join(", ")
    }
}

impl Column {
    fn cell(&self, row: &Row) -> Result<Cell, StoreError> {
        Ok(match self.kind {
            Kind::Number => Cell::Number(row.number(self.name)?),
            Kind::OptionalNumber => Cell::OptionalNumber(row.optional_number(self.name)?),
            Kind::Text => Cell::Text(row.text(self.name)?),
            Kind::Bytes => Cell::Bytes(row.bytes(self.name)?),
        })
    }
}

impl Cell {
    /// The value as a statement takes it.
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Number(number) => Value::Number(*number),
            Self::OptionalNumber(number) => Value::OptionalNumber(*number),
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{SqlStore, StoreAddress};

    #[tokio::test]
    async fn it_names_every_column_of_every_table() {
        let folder = tempfile::tempdir().unwrap();
        let address = StoreAddress::File(folder.path().join("store.db"));
        let store = SqlStore::open(address).await.unwrap();
        let mut session = store.read("read the layout").await.unwrap();
        let rows = session
            .rows(
                "SELECT tables.name AS table_name, columns.name AS column_name \
                 FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns \
                 WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%' \
                 AND tables.name NOT IN ('_sqlx_migrations', 'leader', 'layout')",
                &[],
            )
            .await
            .unwrap();
        let there: BTreeSet<(String, String)> = rows
            .iter()
            .map(|row| {
                (
                    row.text("table_name").unwrap(),
                    row.text("column_name").unwrap(),
                )
            })
            .collect();
        let named: BTreeSet<(String, String)> = TABLES
            .iter()
            .flat_map(|table| table.columns.iter().map(|column| (table.name, column.name)))
            .map(|(table, column)| (table.to_owned(), column.to_owned()))
            .collect();
        assert_eq!(named, there);
    }
}
