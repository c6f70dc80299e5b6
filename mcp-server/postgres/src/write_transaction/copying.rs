//! Loading rows as a stream, in PostgreSQL's own binary form or as CSV: `COPY … FROM STDIN`.

use super::loading::{BegunLoad, TableLoad};
use super::{Error, WriteTransaction};
use crate::new_table::quoted_names;

/// The columns of a table, each with the type that values of it are sent in: that of a domain is
/// the one below it.
const COLUMNS: &str = "
WITH RECURSIVE base (place, id, modifier) AS (
  SELECT attnum, atttypid, atttypmod
  FROM pg_catalog.pg_attribute
  WHERE attrelid = pg_catalog.to_regclass($1) AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT base.place, typbasetype, typtypmod
  FROM base JOIN pg_catalog.pg_type ON pg_type.oid = base.id AND typtype = 'd'
)
SELECT attname AS name,
       pg_catalog.format_type(atttypid, atttypmod) AS type,
       base.modifier AS modifier,
       CASE WHEN type.typtype = 'e' THEN 'enum'
            WHEN type.typnamespace = 'pg_catalog'::pg_catalog.regnamespace THEN type.typname
       END AS kind,
       element.oid AS element,
       CASE WHEN element.typtype = 'e' THEN 'enum'
            WHEN element.typnamespace = 'pg_catalog'::pg_catalog.regnamespace THEN element.typname
       END AS element_kind,
       attnotnull AS required,
       atthasdef OR attidentity <> '' AS filled,
       attgenerated <> '' AS generated
FROM base
JOIN pg_catalog.pg_attribute ON attrelid = pg_catalog.to_regclass($1) AND attnum = place
JOIN pg_catalog.pg_type AS type ON type.oid = base.id AND type.typtype <> 'd'
LEFT JOIN pg_catalog.pg_type AS element
  ON element.oid = type.typelem AND type.typcategory = 'A'
ORDER BY attnum";

/// A column of a table that rows are loaded into.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetColumn {
    /// The name of the column.
    pub name: String,
    /// Its type, as SQL writes it.
    pub type_name: String,
    /// The name of PostgreSQL's own type that its values are sent in, or `enum`; none for types of
    /// others.
    pub kind: Option<String>,
    /// The length, or precision and scale, as the catalogue has them; -1 for none.
    pub modifier: i32,
    /// Id and kind of the elements, where it is an array.
    pub element: Option<(u32, Option<String>)>,
    /// Whether a row must have a value.
    pub is_required: bool,
    /// Whether PostgreSQL has a value for rows that bring none.
    pub is_filled: bool,
    /// Whether PostgreSQL computes it, and takes no value.
    pub is_generated: bool,
}

/// The form of the rows of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyForm {
    /// PostgreSQL's own binary form.
    Binary,
    /// CSV in UTF-8 without a header, in which a field without quotes and characters is NULL.
    Csv,
}

impl WriteTransaction {
    /// The columns of the table of a load, in order.
    ///
    /// # Errors
    /// The table cannot be read in PostgreSQL's catalogue.
    pub async fn load_columns(&mut self, load: &TableLoad) -> Result<Vec<TargetColumn>, Error> {
        let rows = self.rows(COLUMNS, &[Some(load.table())]).await?;
        let text = |text: Option<&str>| text.map(ToOwned::to_owned);
        let columns = rows.iter().map(|row| TargetColumn {
            name: row.text("name"),
            type_name: row.text("type"),
            kind: text(row.get("kind")),
            modifier: row.number("modifier").unwrap_or(-1),
            element: row
                .number("element")
                .map(|id| (id, text(row.get("element_kind")))),
            is_required: row.is_true("required"),
            is_filled: row.is_true("filled"),
            is_generated: row.is_true("generated"),
        });
        Ok(columns.collect())
    }

    /// Lets statements of this transaction take as long as whoever began it waits for them.
    ///
    /// # Errors
    /// PostgreSQL refuses the setting, or the connection broke.
    pub async fn without_time_limit(&mut self) -> Result<(), Error> {
        self.has_no_time_limit = true;
        self.run("SET LOCAL statement_timeout = 0").await
    }

    /// Begins to send the rows of a load.
    ///
    /// # Errors
    /// PostgreSQL refuses the table or a column, or the connection broke.
    pub async fn begin_copy(&mut self, begun: &BegunLoad, form: CopyForm) -> Result<(), Error> {
        let columns = quoted_names(&begun.columns);
        let table = &begun.first_stop;
        let form = match form {
            CopyForm::Binary => "FORMAT binary",
            CopyForm::Csv => "FORMAT csv, ENCODING 'UTF8'",
        };
        let sql = format!("COPY {table} ({columns}) FROM STDIN ({form})");
        let begun = self.lease.session().begin_copy(&sql).await;
        self.note(begun)
    }

    /// Sends a part of the rows. An error that PostgreSQL has told by now ends the sending.
    ///
    /// # Errors
    /// PostgreSQL has given the rows up, or the connection broke.
    pub async fn copy(&mut self, rows: &[u8]) -> Result<(), Error> {
        let sent = self.lease.session().send_copy(rows).await;
        self.note(sent)
    }

    /// Ends the sending; how many rows PostgreSQL has taken.
    ///
    /// # Errors
    /// PostgreSQL refuses a row that it was sent, or the connection broke.
    pub async fn end_copy(&mut self) -> Result<u64, Error> {
        let done = self.lease.session().end_copy().await;
        Ok(self.note(done)?.row_count())
    }
}
