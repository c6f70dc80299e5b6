//! A query whose statement is kept, in one flush: `BEGIN READ ONLY`, that the database is in the
//! state in which the statement was judged, the statement itself, `ROLLBACK`.
//!
//! The four are one chain, so that nothing of the statement runs where the state is another one.

use postgres_protocol::message::backend::Message;
use results::{RowSink, Written};
use serde_json::Value;

use super::fetching::{Fetched, fetch};
use super::rows_to_ask_for;
use crate::pool::Lease;
use crate::session::{BEGIN, HAS_CHANGED, ROLL_BACK, Session, SessionError, Statement, UNCHANGED};
use crate::shape::Shape;
use crate::wire::ServerReport;
use crate::{Database, Error, parameters};

/// The statements of a chain before the caller's own.
const BEFORE: usize = 2;

/// How the short way ended.
pub(super) enum Warm {
    /// The query has run, or has failed.
    Ended(Result<Written, Error>),
    /// Nothing of it has run; the session is at rest, and the long way is open.
    Cold(Box<Lease>),
    /// Nothing of it has run, since PostgreSQL had ended the session while it was idle: it said so,
    /// or took nothing any more.
    Gone,
}

/// The answer to a chain.
enum Came {
    Rows(Fetched),
    /// The state of the database has become another one.
    Changed,
    /// A farewell, or nothing was taken.
    Nothing,
}

impl Database {
    /// Runs the query in one flush, where its verdict is kept and the database is calm.
    pub(super) async fn run_warm(
        &self,
        mut lease: Lease,
        sql: &str,
        values: &[Value],
        sink: &mut dyn RowSink,
    ) -> Warm {
        if !self.calm.is_likely() {
            return Warm::Cold(Box::new(lease));
        }
        let session = lease.session();
        let Some(statement) = session.kept.get(sql) else {
            return Warm::Cold(Box::new(lease));
        };
        let (Some(judged_in), Some(shape)) = (&statement.judged_in, statement.shape.get()) else {
            return Warm::Cold(Box::new(lease));
        };
        let values = match parameters::texts(values, &shape.parameters) {
            Ok(values) => values,
            Err(error) => {
                lease.give_back();
                return Warm::Ended(Err(error.into()));
            }
        };
        if self.settings.max_cost.is_some() && !statement.affordable.contains(&values) {
            return Warm::Cold(Box::new(lease));
        }
        let values: Vec<Option<&str>> = values.iter().map(Option::as_deref).collect();
        if let Err(error) = send(session, judged_in, &statement, &values, sink.most_rows()) {
            return Warm::Ended(Err(Error::from(error)));
        }
        match self.receive(session, shape, sink).await {
            Ok(Came::Rows(fetched)) => {
                match fetched.is_complete {
                    true => lease.give_back(),
                    false => drop(lease),
                }
                Warm::Ended(Ok(Written {
                    columns: shape.columns.columns.clone(),
                    truncation: fetched.truncation,
                    oversized: fetched.oversized,
                }))
            }
            Ok(Came::Nothing) => Warm::Gone,
            Ok(Came::Changed) => match session.roll_back().await {
                Ok(_) => Warm::Cold(Box::new(lease)),
                Err(error) => Warm::Ended(Err(error.into())),
            },
            Err(error) => {
                if let Error::Session(error) = &error
                    && error.spares_session()
                {
                    lease.roll_back().await;
                }
                Warm::Ended(Err(error))
            }
        }
    }

    async fn receive(
        &self,
        session: &mut Session,
        shape: &Shape,
        sink: &mut dyn RowSink,
    ) -> Result<Came, Error> {
        let report = match receive_before(session).await? {
            Before::Passed => {
                self.calm.note_hope(true);
                let fetched = fetch(session, &shape.columns, sink).await?;
                return Ok(Came::Rows(fetched));
            }
            Before::Failed(report) => report,
            Before::Nothing => return Ok(Came::Nothing),
        };
        let has_changed = report.code == HAS_CHANGED;
        let error = SessionError::Server(Box::new(report));
        if error.spares_session() {
            session.last_reply().await?;
        }
        if !has_changed {
            return Err(error.into());
        }
        self.calm.note_hope(false);
        Ok(Came::Changed)
    }
}

/// Puts the chain into the next flush, and frees what is to be forgotten.
fn send(
    session: &mut Session,
    judged_in: &str,
    statement: &Statement,
    values: &[Option<&str>],
    most_rows: Option<usize>,
) -> std::io::Result<()> {
    session.send_link(BEGIN, &[], 0)?;
    session.send_link(UNCHANGED, &[Some(judged_in)], 0)?;
    session.send_link(&statement.name, values, rows_to_ask_for(most_rows))?;
    session.send_link(ROLL_BACK, &[], 0)?;
    session.end_chain();
    session.send_forgotten()
}

/// How the statements of a chain before the caller's own ended.
enum Before {
    Passed,
    Failed(ServerReport),
    Nothing,
}

/// Sends the chain, and reads the answers to the statements before the caller's own.
///
/// Where the connection breaks without a word nobody knows how far the chain came: PostgreSQL
/// answers it as a whole, and a process that crashes in the query leaves nothing of the answer.
/// Whoever sent the query again might have it crash again.
async fn receive_before(session: &mut Session) -> Result<Before, SessionError> {
    let mut done = 0;
    if session.flush().await.is_err() {
        return Ok(Before::Nothing);
    }
    while done < BEFORE {
        match session.receive().await? {
            Message::CommandComplete(_) => done += 1,
            // Whatever had run before a farewell is answered before it.
            Message::ErrorResponse(body) => {
                let report = ServerReport::read(body.fields())?;
                return Ok(match report.severity.as_str() {
                    "FATAL" if done == 0 => Before::Nothing,
                    _ => Before::Failed(report),
                });
            }
            _ => {}
        }
    }
    Ok(Before::Passed)
}
