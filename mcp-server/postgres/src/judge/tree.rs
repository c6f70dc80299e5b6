//! Reads PostgreSQL's analysed trees as its `nodeToString` writes them. Pure, and without
//! recursion.
//!
//! Nothing of a tree is kept but what [`TreeFindings`] has room for: which functions, operators,
//! types and relations are named, by object identifier. Strings in a tree are a caller's own
//! (aliases, labels), so a token is a field name only where the grammar puts one.

mod changes;
mod fields;
mod nodes;
mod reader;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};

use reader::Reader;
use tokens::Tokens;

pub(crate) use changes::{DELETE, INSERT, UPDATE};

/// PostgreSQL's own stack ends far earlier (`max_stack_depth`).
const DEEPEST: usize = 100_000;

/// The width at which PostgreSQL folds a tree's text (`LINELEN` in its `print.c`).
const FOLDED_AT: usize = 78;

/// Everything in a tree, or in several, that has to be judged.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct TreeFindings {
    /// Functions that are called by name or through an operator.
    pub called: BTreeSet<u32>,
    /// Functions that PostgreSQL calls by itself, such as a table sample's handler.
    pub internal: BTreeSet<u32>,
    /// The operators that the tree names, by identifier.
    pub operators: BTreeSet<u32>,
    /// The types of the values in the tree, by identifier.
    pub types: BTreeSet<u32>,
    /// Relations, each with the columns that are read, by number; 0 is the whole row.
    pub relations: BTreeMap<u32, BTreeSet<i16>>,
    /// Relations whose rows are changed, each with what happens to them, as `pg_trigger.tgtype` has
    /// it: 4 INSERT, 8 DELETE, 16 UPDATE.
    pub changed: BTreeMap<u32, i16>,
    /// Sequences that are advanced, by identifier.
    pub sequences: BTreeSet<u32>,
    /// Whether a part of it changes rows without a condition that looks at them.
    pub changes_every_row: bool,
}

/// The statements that are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// Queries that only read.
    Queries,
    /// INSERT, UPDATE, DELETE and MERGE, too.
    Changes,
}

/// Why a tree is not that of a query which only reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeRefused {
    /// The statement is no query.
    #[error("only a query is run: one SELECT, VALUES or TABLE, with or without WITH")]
    NotAQuery,
    /// The statement changes no rows, but something else.
    #[error("only one INSERT, UPDATE, DELETE or MERGE is run, with or without WITH")]
    NotAChange,
    /// A part of the statement writes.
    #[error("a part of the query writes (INSERT, UPDATE, DELETE, MERGE); only reading is done")]
    Writes,
    /// The statement locks rows.
    #[error("the query locks rows (FOR UPDATE, FOR SHARE); leave that clause out")]
    Locks,
    /// A node is of a kind that is not known for the server's version.
    #[error(
        "the query holds `{0}`, which is not known here for this version of PostgreSQL; \
         rewrite it without"
    )]
    UnknownNode(String),
    /// The text is not as PostgreSQL writes trees, or cannot be read without doubt.
    #[error("the analysed query cannot be read without doubt; use shorter and plainer names")]
    Unreadable,
}

/// How the text of a tree is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// In one line, as the catalogue stores it.
    Stored,
    /// Folded at 78 bytes, as notices show it.
    Folded,
}

/// Reads `text` and adds what it names to `findings`.
///
/// # Errors
/// The first reason why this is not a query that only reads.
pub fn read(
    text: &[u8],
    layout: Layout,
    version: u32,
    findings: &mut TreeFindings,
) -> Result<(), TreeRefused> {
    read_admitted(text, layout, version, Admitted::Queries, findings)
}

/// The same for other statements than queries.
///
/// # Errors
/// The first reason why this is not a statement that is admitted.
pub fn read_admitted(
    text: &[u8],
    layout: Layout,
    version: u32,
    admitted: Admitted,
    findings: &mut TreeFindings,
) -> Result<(), TreeRefused> {
    if layout == Layout::Folded && !is_folded_at_spaces(text) {
        return Err(TreeRefused::Unreadable);
    }
    let mut tokens = Tokens { rest: text };
    let mut reader = Reader::new(version, admitted, findings);
    while let Some(token) = tokens.next() {
        reader.take(token, &mut tokens)?;
        if reader.depth() > DEEPEST {
            return Err(TreeRefused::Unreadable);
        }
    }
    match reader.depth() {
        0 => Ok(()),
        _ => Err(TreeRefused::Unreadable),
    }
}

/// Whether each line was broken at a space. PostgreSQL breaks a longer word in its middle, and then
/// the text could be read in two ways; only a name full of escaped signs makes such a word.
fn is_folded_at_spaces(text: &[u8]) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        if !is_last && line.len() >= FOLDED_AT && !line[1..].contains(&b' ') {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests;
