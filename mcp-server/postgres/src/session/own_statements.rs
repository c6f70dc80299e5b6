//! The statements that this program wrote itself: each is prepared once in a session.

use std::sync::Arc;

use fallible_iterator::FallibleIterator as _;

use super::text_rows::{TextRow, text_rows};
use super::{Session, SessionError};

/// The state of the database as one text: which transactions have ended and which run. Where it is
/// equal the catalogue is the same too, since whatever changes that has a number of its own. A
/// standby cannot tell.
pub(crate) const STATE: &str = "
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL
            ELSE pg_catalog.pg_current_snapshot()::pg_catalog.text END AS state";

/// The statements around a query whose verdict is kept, by the names under which each session has
/// them prepared. They travel in one chain: where one fails, PostgreSQL skips those behind it.
const CHAIN: [(&str, &str); 3] = [
    (BEGIN, "BEGIN READ ONLY"),
    (UNCHANGED, IS_UNCHANGED),
    (ROLL_BACK, "ROLLBACK"),
];

/// The name of the statement that begins a chain's transaction.
pub(crate) const BEGIN: &str = "begin";

/// The name of the statement that fails unless the state of the database is still its parameter.
pub(crate) const UNCHANGED: &str = "unchanged";

/// The name of the statement that ends a chain's transaction.
pub(crate) const ROLL_BACK: &str = "roll_back";

/// The code with which [`UNCHANGED`] fails. Its sentence goes into PostgreSQL's log.
pub(crate) const HAS_CHANGED: &str = "22P02";

/// The cast fails only when it runs: what it casts depends on the parameter.
const IS_UNCHANGED: &str = "
SELECT CAST(CASE WHEN pg_catalog.pg_current_snapshot()::pg_catalog.text
                      OPERATOR(pg_catalog.=) $1::pg_catalog.text THEN '1'
                 ELSE 'the database has changed, so the query is judged anew' END
            AS pg_catalog.int4)";

/// A statement that this program wrote itself.
#[derive(Debug, Clone)]
pub(super) struct OwnStatement {
    name: String,
    columns: Arc<[String]>,
}

impl Session {
    /// Runs a statement that this program wrote; it is prepared once.
    pub(crate) async fn rows(
        &mut self,
        sql: &'static str,
        parameters: &[Option<&str>],
    ) -> Result<Vec<TextRow>, SessionError> {
        let own = self.prepared(sql).await?;
        self.send_execute(&own.name, parameters, 0)?;
        self.flush().await?;
        let reply = self.reply().await?;
        text_rows(&reply.rows, &own.columns)
    }

    /// The answer to [`Session::send_own`].
    pub(crate) async fn own_reply(
        &mut self,
        sql: &'static str,
    ) -> Result<Vec<TextRow>, SessionError> {
        let reply = self.reply().await?;
        let own = self.prepared(sql).await?;
        text_rows(&reply.rows, &own.columns)
    }

    /// Puts a statement that this program wrote into the next flush.
    pub(crate) async fn send_own(&mut self, sql: &'static str) -> Result<(), SessionError> {
        let own = self.prepared(sql).await?;
        Ok(self.send_execute(&own.name, &[], 0)?)
    }

    /// Prepares the statements around a query whose verdict is kept.
    pub(super) async fn prepare_chain(&mut self) -> Result<(), SessionError> {
        for (name, sql) in CHAIN {
            self.send_parse(name, sql, &[])?;
        }
        self.flush().await?;
        self.last_reply().await?;
        Ok(())
    }

    async fn prepared(&mut self, sql: &'static str) -> Result<OwnStatement, SessionError> {
        if let Some(own) = self.own.get(sql) {
            return Ok(own.clone());
        }
        let name = self.fresh_name();
        self.send_parse(&name, sql, &[])?;
        self.flush().await?;
        let reply = self.reply().await?;
        let columns = match &reply.columns {
            None => Arc::from([]),
            Some(columns) => columns
                .fields()
                .map(|field| Ok(field.name().to_owned()))
                .collect::<Vec<_>>()?
                .into(),
        };
        let own = OwnStatement { name, columns };
        self.own.insert(sql, own.clone());
        Ok(own)
    }
}
