//! Rows that wait beside their table until all are there, and then go into it by their keys.

use super::loading::{LoadError, LoadTarget};
use super::{Error, WriteTransaction};
use crate::new_table::quoted_names;
use crate::session::quoted_name;

/// The table in which rows wait; it goes with the transaction.
const WAITING: &str = "pg_temp.portcullis_load";

impl WriteTransaction {
    /// Makes the table in which rows with these columns wait; its name, quoted.
    ///
    /// # Errors
    /// Event triggers of the database fire that are not harmless, or PostgreSQL refuses a column.
    pub async fn begin_upsert(
        &mut self,
        target: &LoadTarget,
        columns: &[String],
    ) -> Result<&'static str, LoadError> {
        self.judge_event_triggers("CREATE TABLE AS").await?;
        let sql = format!(
            "CREATE TEMPORARY TABLE portcullis_load ON COMMIT DROP AS SELECT {} FROM {} \
             WITH NO DATA",
            quoted_names(columns),
            target.name()
        );
        self.run(&sql).await?;
        Ok(WAITING)
    }

    /// Inserts the rows that wait, or, where there is a row with the same keys, changes that one;
    /// how many rows they were.
    ///
    /// # Errors
    /// PostgreSQL refuses a row, or the connection broke.
    pub async fn upsert(
        &mut self,
        target: &LoadTarget,
        columns: &[String],
        keys: &[String],
    ) -> Result<u64, Error> {
        let sql = statement(target.name(), columns, keys);
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
