//! Decides whether a statement only reads, by what PostgreSQL itself understood of it.
//!
//! PostgreSQL analyses the caller's text, resolves every name and sends the tree as a notice;
//! nothing has been planned or run then. Each function, operator, type and relation in the tree is
//! judged by what it is, not by its name, and so is what these call in their turn: an aggregate's
//! transition function, a domain's check, an argument's default, the body of a function in SQL.
//! What is not known to be harmless is refused. The statement that was judged is the prepared
//! statement that is bound afterwards: there is no second reading.

mod catalogue;
mod changes;
mod functions;
mod harmless;
mod labels;
mod refused;
mod relations;
mod secrets;
mod tables;
pub mod tree;

use super::session::{Session, SessionError};
use super::wire::WireError;

use catalogue::judge_objects;
pub(super) use functions::Allowed;
pub use refused::{FunctionRefused, Refused};
pub(super) use tables::{judge_event_triggers, judge_load, judge_types};
use tree::{Admitted, Layout, TreeFindings};

/// The bytes of the longest tree that is read: some 200 joins. Ten at once fit into 80 MB.
pub(super) const LARGEST_TREE: usize = 8 << 20;

/// A statement that has been judged harmless; only such a one is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Harmless {
    /// Whether the operator allowed something by name that may leave traces in the session.
    pub(super) leaves_traces: bool,
}

/// Why a statement is not run.
#[derive(Debug, thiserror::Error)]
pub(super) enum JudgeError {
    /// It may do more than read.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// PostgreSQL does not accept it, or the connection failed.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl From<std::io::Error> for JudgeError {
    fn from(error: std::io::Error) -> Self {
        Self::Session(error.into())
    }
}

/// PostgreSQL's analysis of one text, which it keeps as a prepared statement of that name.
pub(super) struct Analysed {
    /// The types of its parameters.
    pub(super) parameters: Vec<u32>,
    /// The names and types of its columns.
    pub(super) columns: Vec<(String, u32)>,
    /// Its tree, as a notice shows it.
    pub(super) tree: Vec<u8>,
}

/// Puts the analysis of `sql` under `name` into the next flush; [`receive_analysis`] reads the
/// answer.
pub(super) fn send_analysis(
    session: &mut Session,
    name: &str,
    sql: &str,
    types: &[u32],
) -> std::io::Result<()> {
    let silences = session.facts().can_silence_log;
    session.send_simple(if silences { SHOW_SILENTLY } else { SHOW })?;
    session.send_parse(name, sql, types)?;
    session.send_simple(if silences { HIDE_AND_LOG } else { HIDE })
}

/// Reads what PostgreSQL understood.
pub(super) async fn receive_analysis(session: &mut Session) -> Result<Analysed, JudgeError> {
    use fallible_iterator::FallibleIterator as _;
    let shown = heard(session.reply().await)?;
    let analysed = match session.reply().await {
        Err(SessionError::Wire(WireError::NoticeTooLong(_))) => {
            return Err(Refused::TooLarge.into());
        }
        analysed => heard(analysed)?,
    };
    // Where the text was not accepted the transaction has failed, and this with it.
    let hidden = heard(session.reply().await)?;
    shown?;
    let mut analysed = analysed?;
    hidden?;
    let mut trees = analysed
        .notices
        .iter_mut()
        .filter(|notice| notice.message == TITLE)
        .filter_map(|notice| notice.detail.take());
    let tree = match (trees.next(), trees.next()) {
        (Some(tree), None) => tree,
        (None, _) => return Err(Refused::NotShown.into()),
        // Another tree is that of a statement inside of a function, which has run.
        (Some(_), Some(_)) => return Err(Refused::RunsInAnalysis.into()),
    };
    let columns = match &analysed.columns {
        None => Vec::new(),
        Some(columns) => columns
            .fields()
            .map(|field| Ok((field.name().to_owned(), field.type_oid())))
            .collect()?,
    };
    Ok(Analysed {
        parameters: analysed.parameters,
        columns,
        tree,
    })
}

/// Tells a refusal of PostgreSQL's, after which more answers come, from the end of the connection.
fn heard<T>(reply: Result<T, SessionError>) -> Result<Result<T, SessionError>, SessionError> {
    match reply {
        Err(error) if !error.spares_session() => Err(error),
        reply => Ok(reply),
    }
}

/// Judges a caller's statement by its tree.
pub(super) async fn judge(
    session: &mut Session,
    tree: &[u8],
    allowed: &[String],
) -> Result<Harmless, JudgeError> {
    let mut findings = TreeFindings::default();
    let version = session.facts().version;
    tree::read(tree, Layout::Folded, version, &mut findings).map_err(Refused::Tree)?;
    let allowed = Allowed {
        functions: allowed,
        triggers: false,
    };
    judge_objects(session, findings, &allowed).await
}

/// Judges a caller's statement that may change the rows of the tables that it names, and what hangs
/// on these: it calls nothing else that is not harmless. `is_confirmed` says that the caller means
/// it where every row is changed.
pub(super) async fn judge_change(
    session: &mut Session,
    tree: &[u8],
    allowed: &Allowed<'_>,
    is_confirmed: bool,
) -> Result<Harmless, JudgeError> {
    let mut findings = TreeFindings::default();
    let version = session.facts().version;
    let admitted = Admitted::Changes;
    tree::read_admitted(tree, Layout::Folded, version, admitted, &mut findings)
        .map_err(Refused::Tree)?;
    if findings.changed.is_empty() {
        return Err(Refused::ChangesNothing.into());
    }
    if findings.changes_every_row && !is_confirmed {
        return Err(Refused::NotConfirmed.into());
    }
    judge_objects(session, findings, allowed).await
}

/// The title that PostgreSQL gives to the tree; it is not translated.
const TITLE: &str = "rewritten parse tree:";

const SHOW: &str = "SET LOCAL client_min_messages = log; SET LOCAL debug_pretty_print = off; \
    SET LOCAL debug_print_rewritten = on";

const SHOW_SILENTLY: &str = "SET LOCAL log_min_messages = fatal; \
    SET LOCAL client_min_messages = log; SET LOCAL debug_pretty_print = off; \
    SET LOCAL debug_print_rewritten = on";

const HIDE: &str = "SET LOCAL debug_print_rewritten = off; SET LOCAL client_min_messages = warning";

const HIDE_AND_LOG: &str = "SET LOCAL debug_print_rewritten = off; \
    SET LOCAL client_min_messages = warning; SET LOCAL log_min_messages TO DEFAULT";
