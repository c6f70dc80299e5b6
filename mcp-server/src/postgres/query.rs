//! Runs a caller's query: one text, one analysis, one judgement, and that very statement is bound.
//!
//! The first flush begins a transaction and, for a text that this session has not judged in the
//! present state of the database, has it analysed; the second binds the statement, reads its rows
//! and rolls back. A query on a statement that is kept so takes two round trips.

mod fetching;

use serde_json::Value;

use super::judge::{self, Analysed, JudgeError, Refused, receive_analysis, send_analysis};
use super::pool::{Lease, lives_on};
use super::session::{STATE, Session, SessionError, Statement};
use super::{Postgres, failure, parameters};
use crate::tools::ToolFailure;
use fetching::fetch;

/// The bytes of the longest text that is analysed; questions are a hundredth of it.
const LONGEST_SQL: usize = 1 << 20;

/// How much of a result is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultLimits {
    /// The most rows that a result may have.
    pub rows: usize,
    /// Bytes of the rows as JSON.
    pub bytes: usize,
}

impl ResultLimits {
    /// The bytes of a row that could still be shown: the text form can be longer than its JSON.
    pub(super) fn longest_row(&self) -> usize {
        self.bytes.saturating_mul(2).saturating_add(1 << 10)
    }
}

/// The limit that ended a result early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruncatedBy {
    /// The result had more rows than [`ResultLimits::rows`].
    Rows,
    /// The rows had more bytes than [`ResultLimits::bytes`].
    Bytes,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name; names may repeat.
    pub name: String,
    /// Its type, as SQL writes it.
    pub type_name: String,
}

/// A result, or the first rows of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// In the query's order.
    pub columns: Vec<Column>,
    /// Whole rows, each with one value per column.
    pub rows: Vec<Vec<Value>>,
    /// Why there are no more; `None` when this is all.
    pub truncated_by: Option<TruncatedBy>,
    /// The longest value of the row that was cut off, where that row alone is over the limit.
    pub oversized: Option<OversizedValue>,
}

/// A value with which a row cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OversizedValue {
    /// The name of its column.
    pub column: String,
    /// Its bytes, as PostgreSQL or JSON writes it.
    pub bytes: usize,
}

impl Postgres {
    /// Judges one query, runs it and reads its rows up to the limits. Dropping the future ends it
    /// in
    /// PostgreSQL too.
    ///
    /// # Errors
    /// Why the query is not run; what PostgreSQL says about it or its parameters, with SQLSTATE;
    /// `unavailable` when PostgreSQL cannot be reached.
    pub async fn query(&self, sql: &str, parameters: &[Value]) -> Result<Rows, ToolFailure> {
        if sql.len() > LONGEST_SQL {
            return Err(ToolFailure::invalid_arguments(format!(
                "`sql` is longer than {LONGEST_SQL} bytes; put values into `parameters`"
            )));
        }
        if sql.contains('\0') {
            return Err(ToolFailure::new("42601", "`sql` holds a NUL character"));
        }
        self.in_time(async {
            let mut lease = self.queries.lease().await?;
            let statement = match self.judged(lease.session(), sql).await {
                Ok(statement) => statement,
                Err(error) => {
                    end_after(lease, &error).await;
                    return Err(match error {
                        JudgeError::Refused(_) if is_explain(sql) => Refused::Explain.into(),
                        error => failure::of_judgement(error),
                    });
                }
            };
            self.run(lease, sql, statement, parameters).await
        })
        .await
    }

    /// Begins a transaction and returns the statement that may be bound in it.
    async fn judged(&self, session: &mut Session, sql: &str) -> Result<Statement, JudgeError> {
        let kept = session.kept.take(sql);
        let mut name = match &kept {
            Some(statement) => statement.name.clone(),
            None => session.fresh_name(),
        };
        session.send_simple("BEGIN READ ONLY")?;
        session.send_own(STATE).await?;
        if kept.is_none() {
            send_analysis(session, &name, sql, &[])?;
        }
        session.flush().await?;
        session.reply().await?;
        let state = session.own_reply(STATE).await?;
        let state = state
            .first()
            .and_then(|row| row.get("state"))
            .map(ToOwned::to_owned);
        if let Some(statement) = kept {
            if state.is_some() && statement.judged_in == state {
                return Ok(statement);
            }
            session.send_close(&statement.name)?;
            name = session.fresh_name();
            send_analysis(session, &name, sql, &[])?;
            session.flush().await?;
            session.reply().await?;
        }
        let judged = match receive_analysis(session).await {
            Ok(analysed) => self.judge(session, &name, analysed, state).await,
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
        })
    }

    /// Binds the statement, reads its rows, rolls back, and gives the session back.
    async fn run(
        &self,
        mut lease: Lease,
        sql: &str,
        statement: Statement,
        values: &[Value],
    ) -> Result<Rows, ToolFailure> {
        let limits = self.settings.limits;
        let prepared = self.prepare(lease.session(), &statement, values).await;
        let (columns, values) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                let session = lease.session();
                for name in keep(session, sql, &statement) {
                    session.forget_later(name);
                }
                lease.roll_back().await;
                return Err(error);
            }
        };
        let values: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
        let session = lease.session();
        let leaves_traces = statement.leaves_traces;
        let sent = send_run(session, &statement, &values, limits.rows).map_err(SessionError::from);
        let gone = keep(session, sql, &statement);
        let fetched = match sent.and(close_all(session, &gone).map_err(SessionError::from)) {
            Ok(answers) => fetch(session, &columns, limits, answers).await,
            Err(error) => Err(error),
        };
        match fetched {
            Ok(fetched) => {
                match fetched.is_complete {
                    true if leaves_traces => lease.close(),
                    true => lease.give_back(),
                    false => drop(lease),
                }
                Ok(Rows {
                    columns: columns.into_iter().map(|(column, _)| column).collect(),
                    rows: fetched.rows,
                    truncated_by: fetched.truncated_by,
                    oversized: fetched.oversized,
                })
            }
            Err(error) => {
                match lives_on(&error) && !leaves_traces {
                    true => lease.give_back(),
                    false => drop(lease),
                }
                Err(failure::of_session(&error))
            }
        }
    }

    /// Looks up the types of columns and parameters, and writes the parameters as text.
    async fn prepare(
        &self,
        session: &mut Session,
        statement: &Statement,
        values: &[Value],
    ) -> Result<(fetching::Columns, Vec<Option<String>>), ToolFailure> {
        let ids: Vec<u32> = statement
            .columns
            .iter()
            .map(|(_, id)| *id)
            .chain(statement.parameters.iter().copied())
            .collect();
        let mut types = self.types.of(session, &ids).await?;
        let parameter_types = types.split_off(statement.columns.len());
        let columns = statement
            .columns
            .iter()
            .zip(types)
            .map(|((name, _), info)| {
                let column = Column {
                    name: name.clone(),
                    type_name: info.name.clone(),
                };
                (column, info)
            })
            .collect();
        Ok((columns, parameters::texts(values, &parameter_types)?))
    }
}

fn send_run(
    session: &mut Session,
    statement: &Statement,
    values: &[Option<&str>],
    rows: usize,
) -> std::io::Result<()> {
    // One more than is shown, to know whether there are more.
    let rows = i32::try_from(rows.saturating_add(1)).unwrap_or(i32::MAX);
    session.send_execute(&statement.name, values, rows)?;
    session.send_simple("ROLLBACK")
}

/// Keeps the statement if it is worth it; the names of those that have to be freed.
fn keep(session: &mut Session, sql: &str, statement: &Statement) -> Vec<String> {
    let mut gone = session.forgotten();
    match statement.is_worth_keeping(sql) {
        true => gone.extend(session.kept.keep(sql, statement.clone())),
        false => gone.push(statement.name.clone()),
    }
    gone
}

/// Frees statements with the next flush; how many answers the flush has in all.
fn close_all(session: &mut Session, names: &[String]) -> std::io::Result<usize> {
    for name in names {
        session.send_close(name)?;
    }
    Ok(2 + names.len())
}

/// After a refusal the session is whole: PostgreSQL has run nothing of the caller's.
async fn end_after(lease: Lease, error: &JudgeError) {
    match error {
        JudgeError::Refused(Refused::TooLarge) => drop(lease),
        // Analysing a literal of a type of the database's own may have run a domain's check.
        JudgeError::Refused(refused) if refused.is_of_the_databases_own() => lease.close(),
        JudgeError::Refused(_) => lease.roll_back().await,
        JudgeError::Session(error) if lives_on(error) => lease.roll_back().await,
        JudgeError::Session(_) => drop(lease),
    }
}

/// Whether the text asks for a plan; only the sentence depends on it.
fn is_explain(sql: &str) -> bool {
    let word = sql.trim_start().get(..7);
    word.is_some_and(|word| word.eq_ignore_ascii_case("explain"))
}
