//! Runs a caller's query: one text, one analysis, one judgement, and that very statement is bound.
//!
//! The first flush begins a transaction and, for a text that this session has not judged in the
//! present state of the database, has it analysed; the second binds the statement, reads its rows
//! and rolls back. A query on a statement that is kept takes one flush for all of it while the
//! database is calm.

mod checking;
mod fetching;
mod warm;

use std::sync::{Arc, OnceLock};

use results::{Column, RowSink, Written};
use serde_json::Value;

use super::judge::{self, Analysed, JudgeError, Refused, receive_analysis, send_analysis};
use super::pool::Lease;
use super::session::{AffordableValues, STATE, Session, Statement};
use super::shape::{Columns, Shape};
use super::{Database, Error, parameters};
pub(super) use fetching::fetch;
use warm::Warm;

/// The bytes of the longest text that is analysed; questions are a hundredth of it.
const LONGEST_SQL: usize = 1 << 20;

impl Database {
    /// Judges one query, runs it and writes its rows into `sink` until that is full. Dropping the
    /// future ends the query in PostgreSQL too.
    ///
    /// # Errors
    /// [`Error`]: why the query is not run, what PostgreSQL says about it or its parameters, or
    /// that PostgreSQL cannot be reached.
    pub async fn query(
        &self,
        sql: &str,
        parameters: &[Value],
        sink: &mut dyn RowSink,
    ) -> Result<Written, Error> {
        let lease = self.lease_for_text(sql).await?;
        self.in_time(lease.begun, async {
            let mut lease = match self.run_warm(lease, sql, parameters, sink).await {
                Warm::Ended(written) => return written,
                Warm::Cold(lease) => *lease,
                Warm::Gone => self.lease_for_text(sql).await?,
            };
            let statement = match self.judged(lease.session(), sql).await {
                Ok(statement) => statement,
                Err(error) => return Err(end_after(lease, error, sql).await),
            };
            self.run(lease, sql, statement, parameters, sink).await
        })
        .await
    }

    /// A session for a caller's text, where that is one that can be analysed.
    pub(super) async fn lease_for_text(&self, sql: &str) -> Result<Lease, Error> {
        check_text(sql)?;
        self.lease(&self.queries).await
    }

    /// Begins a transaction and returns the statement that may be bound in it.
    pub(super) async fn judged(
        &self,
        session: &mut Session,
        sql: &str,
    ) -> Result<Arc<Statement>, JudgeError> {
        let kept = session.kept.take(sql);
        let mut name = match &kept {
            Some(statement) => statement.name.clone(),
            None => session.fresh_name(),
        };
        session.send_begin("BEGIN READ ONLY")?;
        session.send_own(STATE).await?;
        if kept.is_none() {
            send_analysis(session, &name, sql, &[])?;
        }
        session.flush().await?;
        session.begun().await?;
        let state = session.own_reply(STATE).await?;
        let state = state
            .first()
            .and_then(|row| row.get("state"))
            .map(ToOwned::to_owned);
        if let Some(statement) = kept {
            let is_same = state.is_some() && statement.judged_in == state;
            self.calm.note(is_same);
            if is_same {
                return Ok(statement);
            }
            session.send_close(&statement.name)?;
            name = session.fresh_name();
            send_analysis(session, &name, sql, &[])?;
            session.flush().await?;
            session.reply().await?;
        }
        let judged = match receive_analysis(session).await {
            Ok(analysed) => self
                .judge(session, &name, analysed, state)
                .await
                .map(Arc::new),
            Err(error) => Err(error),
        };
        if judged.is_err() {
            session.forget_later(name);
        }
        judged
    }

    async fn judge(
        &self,
        session: &mut Session,
        name: &str,
        analysed: Analysed,
        state: Option<String>,
    ) -> Result<Statement, JudgeError> {
        let Analysed {
            parameters,
            columns,
            tree,
        } = analysed;
        session.note_tree(tree.len());
        let allowed = &self.settings.allowed_functions;
        let harmless = judge::judge(session, &tree, allowed).await?;
        Ok(Statement {
            name: name.to_owned(),
            parameters,
            columns,
            judged_in: state,
            tree_bytes: tree.len(),
            leaves_traces: harmless.leaves_traces,
            shape: OnceLock::new(),
            affordable: AffordableValues::default(),
        })
    }

    /// Binds the statement, reads its rows, rolls back, and gives the session back.
    async fn run(
        &self,
        mut lease: Lease,
        sql: &str,
        statement: Arc<Statement>,
        values: &[Value],
        sink: &mut dyn RowSink,
    ) -> Result<Written, Error> {
        let prepared = self
            .prepare_at_a_cost(lease.session(), &statement, values)
            .await;
        let (shape, values) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                self.put_away(lease.session(), sql, &statement);
                match statement.leaves_traces {
                    true => lease.close(),
                    false => lease.roll_back().await,
                }
                return Err(error);
            }
        };
        let values: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
        let session = lease.session();
        let leaves_traces = statement.leaves_traces;
        let most_rows = sink.most_rows();
        let sent = send_run(session, &statement, &values, most_rows).map_err(Error::from);
        let gone = keep(session, sql, &statement);
        let fetched = match sent.and(close_all(session, &gone).map_err(Error::from)) {
            Ok(()) => fetch(session, &shape.columns, sink).await,
            Err(error) => Err(error),
        };
        match fetched {
            Ok(fetched) => {
                match fetched.is_complete {
                    true if leaves_traces => lease.close(),
                    true => lease.give_back(),
                    false => drop(lease),
                }
                Ok(Written {
                    columns: shape.columns.columns.clone(),
                    truncation: fetched.truncation,
                    oversized: fetched.oversized,
                })
            }
            Err(error) => {
                match &error {
                    Error::Session(error) if error.spares_session() && !leaves_traces => {
                        lease.give_back();
                    }
                    _ => drop(lease),
                }
                Err(error)
            }
        }
    }

    /// The same as [`Database::prepare`], unless the plan costs more than a statement may.
    pub(super) async fn prepare_at_a_cost(
        &self,
        session: &mut Session,
        statement: &Statement,
        values: &[Value],
    ) -> Result<(Arc<Shape>, Vec<Option<String>>), Error> {
        let (shape, values) = self.prepare(session, statement, values).await?;
        self.check_cost(session, statement, &values).await?;
        Ok((shape, values))
    }

    /// Keeps a statement that has not been bound, if it is worth it.
    pub(super) fn put_away(&self, session: &mut Session, sql: &str, statement: &Arc<Statement>) {
        for name in keep(session, sql, statement) {
            session.forget_later(name);
        }
    }

    /// Looks up the types of columns and parameters, and writes the parameters as text.
    pub(super) async fn prepare(
        &self,
        session: &mut Session,
        statement: &Statement,
        values: &[Value],
    ) -> Result<(Arc<Shape>, Vec<Option<String>>), Error> {
        let shape = match statement.shape.get() {
            Some(shape) => Arc::clone(shape),
            None => {
                let shape = Arc::new(self.look_up(session, statement).await?);
                Arc::clone(statement.shape.get_or_init(|| shape))
            }
        };
        let values = parameters::texts(values, &shape.parameters)?;
        Ok((shape, values))
    }

    async fn look_up(&self, session: &mut Session, statement: &Statement) -> Result<Shape, Error> {
        let ids: Vec<u32> = statement
            .columns
            .iter()
            .map(|(_, id)| *id)
            .chain(statement.parameters.iter().copied())
            .collect();
        let types = self.types.of(session, &ids).await?;
        let mut types = types.ok_or(Error::TypeGone)?;
        let parameters = types.split_off(statement.columns.len());
        let columns = statement
            .columns
            .iter()
            .zip(&types)
            .map(|((name, _), info)| Column {
                name: name.clone(),
                type_name: info.name.clone(),
            })
            .collect();
        Ok(Shape {
            columns: Columns { columns, types },
            parameters,
        })
    }
}

fn send_run(
    session: &mut Session,
    statement: &Statement,
    values: &[Option<&str>],
    most_rows: Option<usize>,
) -> std::io::Result<()> {
    session.send_execute(&statement.name, values, rows_to_ask_for(most_rows))?;
    session.send_simple("ROLLBACK")
}

/// One row more than is taken, to know whether there are more; 0 stands for all.
fn rows_to_ask_for(most_rows: Option<usize>) -> i32 {
    most_rows.map_or(0, |most| {
        i32::try_from(most.saturating_add(1)).unwrap_or(i32::MAX)
    })
}

/// Keeps the statement if it is worth it; the names of those that have to be freed.
fn keep(session: &mut Session, sql: &str, statement: &Arc<Statement>) -> Vec<String> {
    let mut gone = session.forgotten();
    match statement.is_worth_keeping(sql) {
        true => gone.extend(session.kept.keep(sql, Arc::clone(statement))),
        false => gone.push(statement.name.clone()),
    }
    gone
}

/// Frees statements with the next flush.
fn close_all(session: &mut Session, names: &[String]) -> std::io::Result<()> {
    names.iter().try_for_each(|name| session.send_close(name))
}

/// Whether a caller's text can be analysed at all.
pub(super) fn check_text(sql: &str) -> Result<(), Error> {
    if sql.len() > LONGEST_SQL {
        return Err(Error::TooLong { most: LONGEST_SQL });
    }
    match sql.contains('\0') {
        true => Err(Error::HoldsNul),
        false => Ok(()),
    }
}

/// Ends the lease after a refusal, and says why it was. The session is whole: PostgreSQL has run
/// nothing of the caller's.
pub(super) async fn end_after(lease: Lease, error: JudgeError, sql: &str) -> Error {
    match &error {
        JudgeError::Refused(Refused::TooLarge) => drop(lease),
        // Analysing a literal of a type of the database's own may have run a domain's check.
        JudgeError::Refused(refused) if refused.is_of_the_databases_own() => lease.close(),
        JudgeError::Refused(_) => lease.roll_back().await,
        JudgeError::Session(error) if error.spares_session() => lease.roll_back().await,
        JudgeError::Session(_) => drop(lease),
    }
    match error {
        JudgeError::Refused(_) if is_explain(sql) => Refused::Explain.into(),
        error => error.into(),
    }
}

/// Whether the text asks for a plan; only the sentence depends on it.
fn is_explain(sql: &str) -> bool {
    let word = sql.trim_start().get(..7);
    word.is_some_and(|word| word.eq_ignore_ascii_case("explain"))
}
