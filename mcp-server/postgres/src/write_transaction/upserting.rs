//! Rows that wait beside their table until all are there, and then go into it by their keys.

use super::load_error::LoadError;
use super::{Error, WriteTransaction};
use crate::new_table::quoted_names;
use crate::session::{TextRow, quoted_name};

/// The table in which rows wait; it goes with the transaction.
const WAITING: &str = "pg_temp.portcullis_load";

/// The sets of columns that a plain unique index keeps, a row each.
const KEYS: &str = "
SELECT pg_catalog.to_json(pg_catalog.array_agg(attname ORDER BY attname))::pg_catalog.text
         AS columns
FROM pg_catalog.pg_index
JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey[0:indnkeyatts - 1])
WHERE indrelid = pg_catalog.to_regclass($1)
  AND indisunique AND indimmediate AND indisvalid AND indpred IS NULL AND indexprs IS NULL
GROUP BY indexrelid";

impl WriteTransaction {
    /// Checks that a unique index of a table has just these columns.
    pub(super) async fn check_key(
        &mut self,
        table: &str,
        columns: &[String],
    ) -> Result<(), LoadError> {
        let mut wanted = columns.to_vec();
        wanted.sort();
        let keys = self.rows(KEYS, &[Some(table)]).await?;
        let is_wanted = |key: &TextRow| {
            let columns = serde_json::from_str::<Vec<String>>(&key.text("columns"));
            columns.is_ok_and(|mut columns| {
                columns.sort();
                columns == wanted
            })
        };
        match keys.iter().any(is_wanted) {
            true => Ok(()),
            false => Err(LoadError::NoKey {
                table: table.to_owned(),
                keys: columns.join(", "),
            }),
        }
    }

    /// Makes the table in which rows with these columns of `table` wait; its name, quoted.
    pub(super) async fn begin_waiting(
        &mut self,
        table: &str,
        columns: &[String],
    ) -> Result<String, LoadError> {
        self.judge_event_triggers("CREATE TABLE AS").await?;
        let sql = format!(
            "CREATE TEMPORARY TABLE portcullis_load ON COMMIT DROP AS SELECT {} FROM {table} \
             WITH NO DATA",
            quoted_names(columns),
        );
        self.run(&sql).await?;
        Ok(WAITING.to_owned())
    }

    /// Inserts the rows that wait, or, where there is a row with the same keys, changes that one;
    /// how many rows they were.
    pub(super) async fn upsert_waiting(
        &mut self,
        table: &str,
        columns: &[String],
        keys: &[String],
    ) -> Result<u64, Error> {
        let sql = statement(table, columns, keys);
        let done = self.lease.session().run(&sql).await;
        Ok(self.note(done)?.row_count())
    }
}

fn statement(table: &str, columns: &[String], keys: &[String]) -> String {
    let changed = columns.iter().filter(|name| !keys.contains(name));
    let changed = changed.map(|name| format!("{0} = EXCLUDED.{0}", quoted_name(name)));
    let changed: Vec<String> = changed.collect();
    let action = match changed.is_empty() {
        true => "NOTHING".to_owned(),
        false => format!("UPDATE SET {}", changed.join(", ")),
    };
    format!(
        "INSERT INTO {table} ({0}) SELECT {0} FROM {WAITING} ON CONFLICT ({1}) DO {action}",
        quoted_names(columns),
        quoted_names(keys)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_changes_what_is_no_key_and_nothing_where_all_is() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            statement("\"s\".\"t\"", &names(&["k", "a\"b"]), &names(&["k"])),
            "INSERT INTO \"s\".\"t\" (\"k\", \"a\"\"b\") SELECT \"k\", \"a\"\"b\" FROM \
             pg_temp.portcullis_load ON CONFLICT (\"k\") DO UPDATE SET \"a\"\"b\" = \
             EXCLUDED.\"a\"\"b\""
        );
        let all = statement("t", &names(&["k"]), &names(&["k"]));
        assert!(all.ends_with("ON CONFLICT (\"k\") DO NOTHING"), "{all}");
    }
}
