//! A session with PostgreSQL: a connection whose settings are fixed, and its prepared statements.
//!
//! Values travel in PostgreSQL's text form in both directions: every type has one, and it loses
//! nothing.

mod affordable;
mod copying;
mod errors;
mod own_statements;
mod replies;
mod settings;
mod statements;
mod text_rows;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use postgres_protocol::IsNull;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::time::Instant;

use super::wire::{Backend, Login, LongRow, RowPiece, Wire, WireError, connect};

pub(super) use affordable::AffordableValues;
pub use errors::{OpenError, SessionError};
use own_statements::OwnStatement;
pub(super) use own_statements::{BEGIN, HAS_CHANGED, ROLL_BACK, STATE, UNCHANGED};
pub(super) use replies::Reply;
pub(super) use settings::{SessionAccess, SessionFacts, SessionSettings, quoted_name};
use statements::is_huge;
pub(super) use statements::{KeptStatements, Statement};
pub use text_rows::TextRow;

/// A connection that is logged in and set up.
pub(super) struct Session {
    wire: Wire,
    login: Arc<Login>,
    backend: Backend,
    opening_begun: Instant,
    facts: SessionFacts,
    own: HashMap<&'static str, OwnStatement>,
    next_name: u64,
    to_forget: Vec<String>,
    has_grown: bool,
    /// The requests that have been sent, or will be with the next flush, and whose "ready for
    /// query" has not come yet.
    answers_due: usize,
    /// The caller's role under which it stands; `None` before the first.
    role: Option<String>,
    /// Callers' statements that may run again.
    pub(super) kept: KeptStatements,
    /// Functions and relations that came with PostgreSQL and have been judged harmless.
    pub(super) known_harmless: HashSet<(char, u32)>,
}

impl Session {
    /// Connects, logs in and fixes the settings.
    pub(super) async fn open(
        login: &Arc<Login>,
        settings: &SessionSettings,
    ) -> Result<Self, OpenError> {
        let opening_begun = Instant::now();
        let (wire, backend) = connect(login).await?;
        let mut session = Self::on(wire, login, backend);
        session.opening_begun = opening_begun;
        session.facts = settings::settle(&mut session, settings).await?;
        // Prepared now, so that it can later be sent together with what surrounds it.
        session.rows(STATE, &[]).await?;
        session.prepare_chain().await?;
        Ok(session)
    }

    fn on(wire: Wire, login: &Arc<Login>, backend: Backend) -> Self {
        Self {
            wire,
            login: Arc::clone(login),
            backend,
            opening_begun: Instant::now(),
            facts: SessionFacts::default(),
            own: HashMap::new(),
            next_name: 0,
            to_forget: Vec::new(),
            has_grown: false,
            answers_due: 0,
            role: None,
            kept: KeptStatements::default(),
            known_harmless: HashSet::new(),
        }
    }

    /// When it began to be opened.
    pub(super) fn opening_begun(&self) -> Instant {
        self.opening_begun
    }

    pub(super) fn facts(&self) -> &SessionFacts {
        &self.facts
    }

    pub(super) fn backend(&self) -> Backend {
        self.backend
    }

    pub(super) fn login(&self) -> &Arc<Login> {
        &self.login
    }

    /// Whether the connection is at rest and the server has not hung up.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.is_answered() && self.wire.is_quiet()
    }

    /// Whether the server has answered everything.
    pub(super) fn is_answered(&self) -> bool {
        self.answers_due == 0
    }

    /// A name that no statement of this session has had.
    pub(super) fn fresh_name(&mut self) -> String {
        self.next_name += 1;
        format!("p{}", self.next_name)
    }

    /// Puts a statement of the simple protocol into the next flush; its answer ends with "ready".
    pub(super) fn send_simple(&mut self, sql: &str) -> io::Result<()> {
        self.answers_due += 1;
        frontend::query(sql, self.wire.outgoing())
    }

    /// Puts the statement that begins a transaction into the next flush; its answer is read by
    /// [`Session::begun`]. The caller's role is taken anew with it: it may have been revoked since
    /// the session took it.
    pub(super) fn send_begin(&mut self, begin: &str) -> io::Result<()> {
        match &self.role {
            None => self.send_simple(begin),
            Some(role) => self.send_simple(&format!("SET ROLE {}; {begin}", quoted_name(role))),
        }
    }

    /// The answer to [`Session::send_begin`].
    pub(super) async fn begun(&mut self) -> Result<(), SessionError> {
        let begun = self.reply().await;
        match self.role {
            None => begun.map(drop),
            Some(_) => begun.map(drop).map_err(SessionError::of_role),
        }
    }

    /// Begins a transaction, under the caller's role where the session has one.
    pub(super) async fn begin(&mut self, begin: &str) -> Result<(), SessionError> {
        self.send_begin(begin)?;
        self.flush().await?;
        self.begun().await
    }

    /// Has a text analysed under a name, with these types of parameters (all others are inferred).
    pub(super) fn send_parse(&mut self, name: &str, sql: &str, types: &[u32]) -> io::Result<()> {
        let out = self.wire.outgoing();
        frontend::parse(name, sql, types.iter().copied(), out)?;
        frontend::describe(b'S', name, out)?;
        self.end_chain();
        Ok(())
    }

    /// Binds a prepared statement and asks for its first rows; 0 stands for all.
    pub(super) fn send_execute(
        &mut self,
        name: &str,
        parameters: &[Option<&str>],
        rows: i32,
    ) -> io::Result<()> {
        self.send_link(name, parameters, rows)?;
        self.end_chain();
        Ok(())
    }

    /// Ends a chain of statements; its one answer ends with "ready".
    pub(super) fn end_chain(&mut self) {
        self.answers_due += 1;
        frontend::sync(self.wire.outgoing());
    }

    /// Does the same as [`Session::send_execute`], as part of a chain that goes on.
    pub(super) fn send_link(
        &mut self,
        name: &str,
        parameters: &[Option<&str>],
        rows: i32,
    ) -> io::Result<()> {
        let out = self.wire.outgoing();
        let serialize = |value: &Option<&str>, out: &mut bytes::BytesMut| match value {
            None => Ok(IsNull::Yes),
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        };
        let bound = frontend::bind("", name, [0], parameters, serialize, [0], out);
        bound.map_err(|error| match error {
            frontend::BindError::Conversion(error) => io::Error::other(error),
            frontend::BindError::Serialization(error) => error,
        })?;
        frontend::execute("", rows, out)
    }

    /// Frees a prepared statement with the next flush; the answer is one more "ready".
    pub(super) fn send_close(&mut self, name: &str) -> io::Result<()> {
        frontend::close(b'S', name, self.wire.outgoing())?;
        self.end_chain();
        Ok(())
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.wire.flush().await
    }

    pub(super) async fn receive(&mut self) -> Result<Message, WireError> {
        let message = self.wire.receive().await?;
        if let Message::ReadyForQuery(_) = message {
            self.answers_due = self.answers_due.saturating_sub(1);
        }
        Ok(message)
    }

    /// The longest value that a refused data row is known to hold: its place and its bytes.
    pub(super) async fn longest_value(&mut self) -> Option<(usize, usize)> {
        self.wire.longest_value().await.ok().flatten()
    }

    /// Begins to read a data row that was refused for its length.
    pub(super) async fn begin_long_row(&mut self) -> Result<LongRow, WireError> {
        self.wire.begin_long_row().await
    }

    /// The next piece of such a row; `None` at its end.
    pub(super) async fn next_piece(
        &mut self,
        row: &mut LongRow,
    ) -> Result<Option<RowPiece>, WireError> {
        self.wire.next_piece(row).await
    }

    /// Runs statements without parameters, and forgets their rows.
    pub(super) async fn run(&mut self, sql: &str) -> Result<Reply, SessionError> {
        self.send_simple(sql)?;
        self.flush().await?;
        self.reply().await
    }

    /// Rolls back, and frees the statements that are to be forgotten.
    pub(super) async fn roll_back(&mut self) -> Result<Reply, SessionError> {
        self.send_simple("ROLLBACK")?;
        self.send_forgotten()?;
        self.flush().await?;
        self.last_reply().await
    }

    /// Frees the statements that are to be forgotten, before the transaction ends.
    pub(super) async fn forget(&mut self) -> Result<(), SessionError> {
        self.send_forgotten()?;
        self.flush().await?;
        self.last_reply().await?;
        Ok(())
    }

    /// Frees the statements that are to be forgotten with the next flush.
    pub(super) fn send_forgotten(&mut self) -> io::Result<()> {
        for name in self.forgotten() {
            self.send_close(&name)?;
        }
        Ok(())
    }

    /// Has a prepared statement freed when the transaction ends, however that comes.
    pub(super) fn forget_later(&mut self, name: String) {
        self.to_forget.push(name);
    }

    /// Takes note of a tree that the server has made of a caller's text.
    pub(super) fn note_tree(&mut self, tree_bytes: usize) {
        self.has_grown |= is_huge(tree_bytes);
    }

    /// Whether the server's process has grown so much that the session had better end.
    pub(super) fn has_grown(&self) -> bool {
        self.has_grown
    }

    /// The statements that are to be freed now.
    pub(super) fn forgotten(&mut self) -> Vec<String> {
        std::mem::take(&mut self.to_forget)
    }
}

#[cfg(test)]
mod tests;
