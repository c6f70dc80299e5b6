//! Rows that travel as JSON, in the one value of an INSERT that this program composes.

use super::load_error::LoadError;
use super::loading::BegunLoad;
use super::{Error, WriteTransaction};
use crate::new_table::quoted_names;

impl WriteTransaction {
    /// Gives rows to a load, which `rows` has as a JSON array of objects.
    ///
    /// # Errors
    /// The table lacks a column of the load, or PostgreSQL refuses a row: its type, a constraint or
    /// a time limit.
    pub async fn insert_rows(
        &mut self,
        begun: &mut BegunLoad,
        rows: &str,
    ) -> Result<(), LoadError> {
        let statement = match &begun.insert {
            Some(prepared) => prepared,
            None => {
                let prepared = self.prepare_insert(begun).await?;
                begun.insert.insert(prepared)
            }
        };
        self.execute(statement, &[Some(rows)]).await?;
        Ok(())
    }

    async fn prepare_insert(&mut self, begun: &BegunLoad) -> Result<String, Error> {
        let (table, into) = (begun.load.table(), &begun.first_stop);
        let columns = quoted_names(&begun.columns);
        let sql = format!(
            "INSERT INTO {into} ({columns}) SELECT {columns}
             FROM pg_catalog.json_populate_recordset(NULL::{table}, $1::pg_catalog.json)"
        );
        self.prepare(&sql).await
    }

    pub(super) async fn prepare(&mut self, sql: &str) -> Result<String, Error> {
        let session = self.lease.session();
        let name = session.fresh_name();
        session.send_parse(&name, sql, &[])?;
        session.flush().await?;
        let reply = session.reply().await;
        if reply.is_ok() {
            session.forget_later(name.clone());
        }
        self.note(reply)?;
        Ok(name)
    }

    /// Runs a prepared statement; how many rows it gives back.
    pub(super) async fn execute(
        &mut self,
        statement: &str,
        parameters: &[Option<&str>],
    ) -> Result<usize, Error> {
        let session = self.lease.session();
        session.send_execute(statement, parameters, 0)?;
        session.flush().await?;
        let reply = session.reply().await;
        Ok(self.note(reply)?.rows.len())
    }
}
