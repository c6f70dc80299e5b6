//! A session with PostgreSQL: a connection whose settings are fixed, and its prepared statements.
//!
//! Values travel in PostgreSQL's text form in both directions: every type has one, and it loses
//! nothing.

mod copying;
mod settings;
mod statements;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{DataRowBody, Message, RowDescriptionBody};
use postgres_protocol::message::frontend;

use super::wire::{
    Backend, ConnectError, Login, LongRow, RowPiece, ServerReport, Wire, WireError, connect,
};

pub(super) use settings::{SessionAccess, SessionFacts, SessionSettings, quoted_name};
use statements::is_huge;
pub(super) use statements::{KeptStatements, Statement};

/// The state of the database as one text: which transactions have ended and which run. Where it is
/// equal the catalogue is the same too, since whatever changes that has a number of its own. A
/// standby cannot tell.
pub(super) const STATE: &str = "
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
pub(super) const BEGIN: &str = "begin";

/// The name of the statement that fails unless the state of the database is still its parameter.
pub(super) const UNCHANGED: &str = "unchanged";

/// The name of the statement that ends a chain's transaction.
pub(super) const ROLL_BACK: &str = "roll_back";

/// The code with which [`UNCHANGED`] fails. Its sentence goes into PostgreSQL's log.
pub(super) const HAS_CHANGED: &str = "22P02";

/// The cast fails only when it runs: what it casts depends on the parameter.
const IS_UNCHANGED: &str = "
SELECT CAST(CASE WHEN pg_catalog.pg_current_snapshot()::pg_catalog.text
                      OPERATOR(pg_catalog.=) $1::pg_catalog.text THEN '1'
                 ELSE 'the database has changed, so the query is judged anew' END
            AS pg_catalog.int4)";

/// A connection that is logged in and set up.
pub(super) struct Session {
    wire: Wire,
    login: Arc<Login>,
    backend: Backend,
    facts: SessionFacts,
    own: HashMap<&'static str, OwnStatement>,
    next_name: u64,
    to_forget: Vec<String>,
    has_grown: bool,
    /// The caller's role under which it stands; `None` before the first.
    role: Option<String>,
    /// Callers' statements that may run again.
    pub(super) kept: KeptStatements,
    /// Functions and relations that came with PostgreSQL and have been judged harmless.
    pub(super) known_harmless: HashSet<(char, u32)>,
}

/// A statement that this program wrote itself.
#[derive(Debug, Clone)]
struct OwnStatement {
    name: String,
    columns: Arc<[String]>,
}

/// Why a statement brought no rows.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// PostgreSQL refused it; the session lives on.
    #[error("{}", .0.message)]
    Server(Box<ServerReport>),
    /// The connection cannot be used any more.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl From<io::Error> for SessionError {
    fn from(error: io::Error) -> Self {
        Self::Wire(WireError::Io(error))
    }
}

/// Everything that came between a request and the server's "ready for query".
#[derive(Default)]
pub(super) struct Reply {
    pub(super) rows: Vec<DataRowBody>,
    pub(super) columns: Option<RowDescriptionBody>,
    pub(super) parameters: Vec<u32>,
    pub(super) notices: Vec<ServerReport>,
    /// The end of the last statement: `INSERT 0 3`, `COPY 3`.
    pub(super) tag: Option<String>,
    /// `I` outside of a transaction, `T` in one, `E` in one that failed.
    pub(super) status: u8,
}

impl Reply {
    /// How many rows the last statement was about.
    pub(super) fn row_count(&self) -> u64 {
        let last = self
            .tag
            .as_deref()
            .and_then(|tag| tag.split(' ').next_back());
        last.and_then(|count| count.parse().ok())
            .unwrap_or_default()
    }
}

/// A row in PostgreSQL's text form.
#[derive(Debug, Clone)]
pub struct TextRow {
    names: Arc<[String]>,
    values: Vec<Option<String>>,
}

impl TextRow {
    /// The value of the column `name`; `None` for NULL.
    ///
    /// # Panics
    /// When the statement, which this program wrote, has no such column.
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.names.iter().position(|known| known == name) {
            Some(at) => self.values[at].as_deref(),
            None => unreachable!("no column `{name}` in {:?}", self.names),
        }
    }

    /// The value of a column that is never NULL.
    pub fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// The value of a column as a number; `None` for NULL.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).and_then(|text| text.parse().ok())
    }

    /// The value of a boolean column; NULL is false.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("t")
    }
}

impl Session {
    /// Connects, logs in and fixes the settings.
    pub(super) async fn open(
        login: &Arc<Login>,
        settings: &SessionSettings,
    ) -> Result<Self, OpenError> {
        let (wire, backend) = connect(login).await?;
        let mut session = Self {
            wire,
            login: Arc::clone(login),
            backend,
            facts: SessionFacts::default(),
            own: HashMap::new(),
            next_name: 0,
            to_forget: Vec::new(),
            has_grown: false,
            role: None,
            kept: KeptStatements::default(),
            known_harmless: HashSet::new(),
        };
        session.facts = settings::settle(&mut session, settings).await?;
        // Prepared now, so that it can later be sent together with what surrounds it.
        session.rows(STATE, &[]).await?;
        session.prepare_chain().await?;
        Ok(session)
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
        self.wire.is_quiet()
    }

    /// A name that no statement of this session has had.
    pub(super) fn fresh_name(&mut self) -> String {
        self.next_name += 1;
        format!("p{}", self.next_name)
    }

    /// Puts a statement of the simple protocol into the next flush; its answer ends with "ready".
    pub(super) fn send_simple(&mut self, sql: &str) -> io::Result<()> {
        frontend::query(sql, self.wire.outgoing())
    }

    /// Has a text analysed under a name, with these types of parameters (all others are inferred).
    pub(super) fn send_parse(&mut self, name: &str, sql: &str, types: &[u32]) -> io::Result<()> {
        let out = self.wire.outgoing();
        frontend::parse(name, sql, types.iter().copied(), out)?;
        frontend::describe(b'S', name, out)?;
        frontend::sync(out);
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
        let out = self.wire.outgoing();
        frontend::close(b'S', name, out)?;
        frontend::sync(out);
        Ok(())
    }

    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.wire.flush().await
    }

    pub(super) async fn receive(&mut self) -> Result<Message, WireError> {
        self.wire.receive().await
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

    /// Collects what comes until the server is ready; a refusal is returned once it is.
    pub(super) async fn reply(&mut self) -> Result<Reply, SessionError> {
        let mut reply = Reply::default();
        let mut refused = None;
        loop {
            match self.wire.receive().await? {
                Message::ReadyForQuery(body) => {
                    reply.status = body.status();
                    break;
                }
                Message::ErrorResponse(body) => {
                    let report = ServerReport::read(body.fields())?;
                    let is_over = report.severity == "FATAL" || report.severity == "PANIC";
                    refused.get_or_insert(report);
                    if is_over {
                        break;
                    }
                }
                Message::NoticeResponse(body) => {
                    reply.notices.push(ServerReport::read(body.fields())?);
                }
                Message::DataRow(row) => reply.rows.push(row),
                Message::CommandComplete(body) => reply.tag = Some(body.tag()?.to_owned()),
                Message::RowDescription(columns) => reply.columns = Some(columns),
                Message::ParameterDescription(body) => {
                    reply.parameters = body.parameters().collect()?;
                }
                _ => {}
            }
        }
        match refused {
            Some(report) => Err(SessionError::Server(Box::new(report))),
            None => Ok(reply),
        }
    }

    /// Runs statements without parameters, and forgets their rows.
    pub(super) async fn run(&mut self, sql: &str) -> Result<Reply, SessionError> {
        self.send_simple(sql)?;
        self.flush().await?;
        self.reply().await
    }

    /// Rolls back, and frees the statements that are to be forgotten.
    pub(super) async fn roll_back(&mut self) -> Result<Reply, SessionError> {
        let forgotten = self.forgotten();
        self.send_simple("ROLLBACK")?;
        for name in &forgotten {
            self.send_close(name)?;
        }
        self.flush().await?;
        let mut reply = self.reply().await?;
        for _ in &forgotten {
            reply = self.reply().await?;
        }
        Ok(reply)
    }

    /// Frees the statements that are to be forgotten, before the transaction ends.
    pub(super) async fn forget(&mut self) -> Result<(), SessionError> {
        let forgotten = self.forgotten();
        for name in &forgotten {
            self.send_close(name)?;
        }
        self.flush().await?;
        for _ in &forgotten {
            self.reply().await?;
        }
        Ok(())
    }

    /// Runs a statement that this program wrote; it is prepared once.
    pub(super) async fn rows(
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

    /// The answer to [`Session::send_own`].
    pub(super) async fn own_reply(
        &mut self,
        sql: &'static str,
    ) -> Result<Vec<TextRow>, SessionError> {
        let reply = self.reply().await?;
        let own = self.prepared(sql).await?;
        text_rows(&reply.rows, &own.columns)
    }

    /// Puts a statement that this program wrote into the next flush.
    pub(super) async fn send_own(&mut self, sql: &'static str) -> Result<(), SessionError> {
        let own = self.prepared(sql).await?;
        Ok(self.send_execute(&own.name, &[], 0)?)
    }

    async fn prepare_chain(&mut self) -> Result<(), SessionError> {
        for (name, sql) in CHAIN {
            self.send_parse(name, sql, &[])?;
        }
        self.flush().await?;
        for _ in CHAIN {
            self.reply().await?;
        }
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

fn text_rows(rows: &[DataRowBody], names: &Arc<[String]>) -> Result<Vec<TextRow>, SessionError> {
    rows.iter()
        .map(|row| {
            let values = row
                .ranges()
                .map(|range| {
                    Ok(range
                        .map(|range| String::from_utf8_lossy(&row.buffer()[range]).into_owned()))
                })
                .collect()?;
            Ok(TextRow {
                names: Arc::clone(names),
                values,
            })
        })
        .collect()
}

/// Why a session could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No connection came about.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A setting was refused.
    #[error(transparent)]
    Setting(#[from] SessionError),
    /// The operator has to allow or change something first.
    #[error("{message}")]
    NotAllowed {
        /// One sentence that says what is not allowed.
        message: String,
        /// A sentence that tells the operator what to do.
        hint: String,
    },
}
