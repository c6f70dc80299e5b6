//! Runs a caller's INSERT, UPDATE, DELETE or MERGE: judged first where nothing can be written, then
//! judged again, bound, counted, and kept only if it changed no more rows than it may.
//!
//! PostgreSQL reads literals while it analyses a text, and may call functions of the database's own
//! for that; so the first reading is done in a transaction that only reads.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use results::{RowSink, Written};
use serde_json::Value;

use super::committing::take_back;
use super::{BEGIN, WriteTransaction};
use crate::changed_table::ChangedTable;
use crate::judge::{
    self, Analysed, Harmless, JudgeError, Refused, receive_analysis, send_analysis,
};
use crate::pool::Lease;
use crate::query::{check_text, end_after, fetch};
use crate::session::{AffordableValues, Session, Statement};
use crate::{Database, Error};

/// A statement that changes rows, as a caller asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The text of the statement.
    pub sql: &'a str,
    /// The values of $1, $2, ….
    pub parameters: &'a [Value],
    /// The rows that it may change, in all tables together; above that it is rolled back.
    pub most_rows: u64,
    /// Whether it is rolled back in any case.
    pub is_rehearsal: bool,
    /// Whether the caller means it where every row is changed.
    pub is_confirmed: bool,
    /// Whether no other statement follows in its transaction: what is deferred to the end happens
    /// with the last one, and is counted with it.
    pub is_last: bool,
}

/// A statement that has changed rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The rows that it gave back by RETURNING.
    pub returned: Written,
    /// The rows that it affected, as PostgreSQL counts them for the statement itself.
    pub affected_rows: u64,
    /// The rows that were changed, table by table: also by foreign keys, rules and triggers.
    pub tables: Vec<ChangedTable>,
}

impl Database {
    /// Judges a statement that changes rows, runs it, and writes what it gives back into `sink`.
    /// Dropping the future rolls it back, unless PostgreSQL has been told to keep it.
    ///
    /// # Errors
    /// [`Error`]: why it is not run, or what PostgreSQL says; nothing is changed then, except for
    /// [`Error::OutcomeUnknown`].
    pub async fn change(
        &self,
        change: &Change<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<Changed, Error> {
        check_text(change.sql)?;
        let mut lease = self.lease(self.writers()?).await?;
        let changing = self.in_time(lease.begun, async {
            let judged = self.judged_twice(lease.session(), change).await;
            let statement = match judged {
                Ok(statement) => statement,
                Err(error) => return Err(end_after(lease, error, change.sql).await),
            };
            match self.apply(lease.session(), &statement, change, sink).await {
                Ok(changed) => Ok((lease, changed, statement.leaves_traces)),
                Err(error) => {
                    match statement.leaves_traces {
                        true => drop(lease),
                        false => end_after_failure(lease, &error).await,
                    }
                    Err(error)
                }
            }
        });
        let (lease, changed, leaves_traces) = changing.await?;
        match change.is_rehearsal {
            true => take_back(lease, leaves_traces).await,
            false => self.commit(lease, leaves_traces).await?,
        }
        Ok(changed)
    }

    /// Judges a statement that changes rows where nothing can be written, and runs nothing; how
    /// many parameters PostgreSQL found in it. Whoever runs it in a transaction of its own choice
    /// does this first: see the head of this module.
    ///
    /// # Errors
    /// [`Error`]: why it is not to be run.
    pub async fn judge_change(&self, change: &Change<'_>) -> Result<usize, Error> {
        check_text(change.sql)?;
        let mut lease = self.lease(self.writers()?).await?;
        self.in_time(lease.begun, async {
            match self.judged_for_reading(lease.session(), change).await {
                Ok((parameters, harmless)) => {
                    match harmless.leaves_traces {
                        true => lease.close(),
                        false => lease.give_back(),
                    }
                    Ok(parameters)
                }
                Err(error) => Err(end_after(lease, error, change.sql).await),
            }
        })
        .await
    }

    /// Begins the transaction that may write, with the statement that may be bound in it.
    async fn judged_twice(
        &self,
        session: &mut Session,
        change: &Change<'_>,
    ) -> Result<Statement, JudgeError> {
        self.judged_for_reading(session, change).await?;
        session.begin(BEGIN).await?;
        self.judged_for_writing(session, change).await
    }

    /// Judges the statement in a transaction that only reads, and ends that; the number of its
    /// parameters.
    async fn judged_for_reading(
        &self,
        session: &mut Session,
        change: &Change<'_>,
    ) -> Result<(usize, Harmless), JudgeError> {
        session.begin("BEGIN READ ONLY").await?;
        let (_, analysed, harmless) = self.judged_once(session, change).await?;
        session.roll_back().await?;
        Ok((analysed.parameters.len(), harmless))
    }

    /// Judges the statement in the transaction that it is to be bound in.
    async fn judged_for_writing(
        &self,
        session: &mut Session,
        change: &Change<'_>,
    ) -> Result<Statement, JudgeError> {
        let (name, analysed, harmless) = self.judged_once(session, change).await?;
        Ok(Statement {
            name,
            parameters: analysed.parameters,
            columns: analysed.columns,
            judged_in: None,
            tree_bytes: analysed.tree.len(),
            leaves_traces: harmless.leaves_traces,
            shape: OnceLock::new(),
            affordable: AffordableValues::default(),
        })
    }

    async fn judged_once(
        &self,
        session: &mut Session,
        change: &Change<'_>,
    ) -> Result<(String, Analysed, Harmless), JudgeError> {
        let name = session.fresh_name();
        session.forget_later(name.clone());
        send_analysis(session, &name, change.sql, &[])?;
        session.flush().await?;
        let analysed = receive_analysis(session).await?;
        session.note_tree(analysed.tree.len());
        let allowed = self.allowed();
        let harmless =
            judge::judge_change(session, &analysed.tree, &allowed, change.is_confirmed).await?;
        Ok((name, analysed, harmless))
    }

    /// Runs the statement, and counts what it changed.
    async fn apply(
        &self,
        session: &mut Session,
        statement: &Statement,
        change: &Change<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<Changed, Error> {
        let (shape, values) = self
            .prepare_at_a_cost(session, statement, change.parameters)
            .await?;
        let values: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
        let before = count(session).await?;
        session.send_execute(&statement.name, &values, 0)?;
        let fetched = fetch(session, &shape.columns, sink).await?;
        if !fetched.is_complete {
            return Err(Error::TooMuchReturned);
        }
        if change.is_last {
            // What is deferred to the end happens now, so that it is counted, in a rehearsal too.
            session.run("SET CONSTRAINTS ALL IMMEDIATE").await?;
        }
        let tables = difference(&before, count(session).await?);
        let affected_rows = fetched.affected_rows.unwrap_or_default();
        let changed: u64 = tables.iter().map(ChangedTable::rows).sum();
        if changed.max(affected_rows) > change.most_rows {
            return Err(Error::TooManyRows {
                changed: changed.max(affected_rows),
                most: change.most_rows,
                tables,
            });
        }
        Ok(Changed {
            returned: Written {
                columns: shape.columns.columns.clone(),
                truncation: fetched.truncation,
                oversized: fetched.oversized,
            },
            affected_rows,
            tables,
        })
    }
}

impl WriteTransaction {
    /// Judges a statement that changes rows, and runs it in this transaction; after an error there
    /// is nothing to commit. [`Database::judge_change`] must have passed it before.
    ///
    /// # Errors
    /// [`Error`]: why it is not run, or what PostgreSQL says.
    pub async fn change(
        &mut self,
        change: &Change<'_>,
        sink: &mut dyn RowSink,
    ) -> Result<Changed, Error> {
        check_text(change.sql)?;
        let database = self.database.clone();
        let session = self.lease.session();
        let judged = database.judged_for_writing(session, change).await;
        let statement = match judged {
            Ok(statement) => statement,
            Err(error) => return Err(self.note_refusal(error)),
        };
        self.leaves_traces |= statement.leaves_traces;
        let session = self.lease.session();
        let changed = database.apply(session, &statement, change, sink).await;
        self.is_broken |= changed.is_err();
        changed
    }
}

/// Takes back what a failed statement did, and gives the session back where it is whole.
pub(super) async fn end_after_failure(lease: Lease, error: &Error) {
    match error {
        Error::Session(session) if !session.spares_session() => drop(lease),
        Error::TooMuchReturned | Error::Sink(_) => drop(lease),
        Error::Refused(Refused::TooLarge) => drop(lease),
        // Analysing a literal of a type of the database's own may have run a domain's check.
        Error::Refused(refused) if refused.is_of_the_databases_own() => lease.close(),
        _ => lease.roll_back().await,
    }
}

/// The rows of each table that this session has changed, by the table's identifier; PostgreSQL may
/// have counted earlier transactions in.
async fn count(session: &mut Session) -> Result<BTreeMap<u32, ChangedTable>, Error> {
    let rows = session.rows(COUNTS, &[]).await?;
    let counted = rows.iter().map(|row| {
        let number = |name| row.number(name).unwrap_or_default();
        let table = ChangedTable {
            table: row.text("name"),
            inserted: number("inserted"),
            updated: number("updated"),
            deleted: number("deleted"),
        };
        (row.number("oid").unwrap_or_default(), table)
    });
    Ok(counted.collect())
}

/// The rows that were changed between two counts, in the order of the tables' names.
fn difference(
    before: &BTreeMap<u32, ChangedTable>,
    after: BTreeMap<u32, ChangedTable>,
) -> Vec<ChangedTable> {
    let changed = after.into_iter().map(|(oid, mut table)| {
        if let Some(before) = before.get(&oid) {
            table.inserted = table.inserted.saturating_sub(before.inserted);
            table.updated = table.updated.saturating_sub(before.updated);
            table.deleted = table.deleted.saturating_sub(before.deleted);
        }
        table
    });
    let mut changed: Vec<ChangedTable> = changed.filter(|table| table.rows() > 0).collect();
    changed.sort_by(|one, other| one.table.cmp(&other.table));
    changed
}

const COUNTS: &str = "
SELECT oid, name, inserted, updated, deleted
FROM (SELECT c.oid AS oid,
             n.nspname || '.' || c.relname AS name,
             pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) AS inserted,
             pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) AS updated,
             pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS deleted
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
      OFFSET 0) AS counted
WHERE inserted + updated + deleted > 0";
