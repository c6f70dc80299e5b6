//! Makes a table: its types are looked up and its expressions judged where nothing can be written;
//! then it is made, judged again as PostgreSQL has stored it, and kept only then.

use std::collections::BTreeSet;

use super::changing::end_after_failure;
use super::committing::take_back;
use super::{BEGIN, WriteTransaction};
use crate::judge::tree::{DELETE, INSERT, UPDATE};
use crate::judge::{self, Harmless, receive_analysis, send_analysis};
use crate::new_table::{Expression, NewTable, NewTableError};
use crate::session::{Session, SessionError};
use crate::{Database, Error};

/// The tag of the statement, by which event triggers know it.
const TAG: &str = "CREATE TABLE";

/// Everything that may happen to rows of a table.
const EVERY_CHANGE: i16 = INSERT | UPDATE | DELETE;

/// The outcome of a call that was to make a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeTable {
    /// Whether it was made now; there was one of that name before otherwise.
    pub is_new: bool,
    /// The statement that makes it.
    pub statement: String,
}

impl Database {
    /// Makes a table, or, where `is_rehearsal`, takes it back again. Where `if_not_exists` is set
    /// a table of that name is left as it is.
    ///
    /// # Errors
    /// [`Error`]: why it is not made, or what PostgreSQL says; nothing is changed then, except for
    /// [`Error::OutcomeUnknown`].
    pub async fn create_table(
        &self,
        table: &NewTable,
        if_not_exists: bool,
        is_rehearsal: bool,
    ) -> Result<MadeTable, Error> {
        table.check()?;
        let statement = table.statement();
        let mut lease = self.lease(self.writers()?).await?;
        let making = self.in_time(lease.begun, async {
            let made = self.judge_and_make(lease.session(), table, &statement);
            match made.await {
                Ok(harmless) => Ok(Some((lease, harmless.leaves_traces))),
                Err(error) => {
                    end_after_failure(lease, &error).await;
                    match error {
                        Error::Session(SessionError::Server(report))
                            if if_not_exists && report.code == DUPLICATE_TABLE =>
                        {
                            Ok(None)
                        }
                        error => Err(error),
                    }
                }
            }
        });
        let made = making.await?;
        let is_new = made.is_some();
        match made {
            None => {}
            Some((lease, leaves_traces)) if is_rehearsal => take_back(lease, leaves_traces).await,
            Some((lease, leaves_traces)) => self.commit(lease, leaves_traces).await?,
        }
        Ok(MadeTable { is_new, statement })
    }

    async fn judge_and_make(
        &self,
        session: &mut Session,
        table: &NewTable,
        statement: &str,
    ) -> Result<Harmless, Error> {
        let allowed = self.allowed();
        session.begin("BEGIN READ ONLY").await?;
        let types = types(session, table).await?;
        judge::judge_types(session, types, &allowed).await?;
        for expression in table.expressions() {
            self.judge_expression(session, &expression).await?;
            // PostgreSQL keeps the tree of each, with every column, for as long as it is prepared.
            session.forget().await?;
        }
        session.roll_back().await?;

        session.begin(BEGIN).await?;
        let fired = judge::judge_event_triggers(session, TAG, &allowed).await?;
        run_one(session, statement).await?;
        let found = session.rows(NEW, &[Some(&table.full_name())]).await?;
        let id = found.first().and_then(|row| row.number("id"));
        let id = id.unwrap_or_default();
        let made = judge::judge_load(session, id, EVERY_CHANGE, &allowed).await?;
        Ok(Harmless {
            leaves_traces: fired.leaves_traces || made.leaves_traces,
        })
    }

    /// Has PostgreSQL analyse an expression twice: as the one item that it must be, and as what it
    /// is in the table, which is judged.
    async fn judge_expression(
        &self,
        session: &mut Session,
        expression: &Expression,
    ) -> Result<(), Error> {
        let told = |error: SessionError| match error {
            SessionError::Server(report) => Error::from(NewTableError::Expression {
                place: expression.place.clone(),
                code: report.code.clone(),
                message: report.message.clone(),
            }),
            error => error.into(),
        };
        let name = session.fresh_name();
        session.send_parse(&name, &expression.bracketed, &[])?;
        session.flush().await?;
        session.reply().await.map_err(told)?;
        session.forget_later(name);

        let name = session.fresh_name();
        send_analysis(session, &name, &expression.judged, &[])?;
        session.flush().await?;
        let analysed = receive_analysis(session).await;
        let analysed = analysed.map_err(|error| match error {
            judge::JudgeError::Session(error) => told(error),
            error => error.into(),
        })?;
        session.forget_later(name);
        session.note_tree(analysed.tree.len());
        let allowed = &self.settings.allowed_functions;
        judge::judge(session, &analysed.tree, allowed).await?;
        Ok(())
    }
}

impl WriteTransaction {
    /// Makes a table whose types and expressions are this program's own.
    ///
    /// # Errors
    /// A name is none, event triggers of the database fire that are not harmless, or PostgreSQL
    /// refuses the table.
    pub async fn make_table(&mut self, table: &NewTable) -> Result<(), Error> {
        table.check()?;
        self.judge_event_triggers(TAG).await?;
        let made = run_one(self.lease.session(), &table.statement()).await;
        self.note(made)
    }
}

/// The types of the columns, each of which PostgreSQL has read as the name of a type and nothing
/// else.
async fn types(session: &mut Session, table: &NewTable) -> Result<BTreeSet<u32>, Error> {
    let mut types = BTreeSet::new();
    for column in &table.columns {
        let found = match session.rows(TYPE, &[Some(&column.type_name)]).await {
            // The text is no name of a type at all, or its modifier is none.
            Err(SessionError::Server(report)) if is_of_text(&report.code) => Vec::new(),
            found => found?,
        };
        let id = found.first().and_then(|row| row.number("id"));
        let unknown = || NewTableError::Type {
            column: column.name.clone(),
            type_name: column.type_name.clone(),
        };
        types.insert(id.ok_or_else(unknown)?);
    }
    Ok(types)
}

/// Whether an SQLSTATE is of the class of syntax errors or of values.
fn is_of_text(code: &str) -> bool {
    code.starts_with("42") || code.starts_with("22")
}

/// Runs a statement without parameters and rows; a text with several is refused by PostgreSQL.
async fn run_one(session: &mut Session, sql: &str) -> Result<(), SessionError> {
    let name = session.fresh_name();
    session.send_parse(&name, sql, &[])?;
    session.send_execute(&name, &[], 0)?;
    session.flush().await?;
    session.last_reply().await?;
    session.forget_later(name);
    Ok(())
}

const DUPLICATE_TABLE: &str = "42P07";

const TYPE: &str = "SELECT pg_catalog.to_regtype($1::pg_catalog.text)::pg_catalog.oid AS id";

const NEW: &str = "SELECT pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid AS id";
