//! The prepared statements of callers that a session keeps, bounded in number and in bytes.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::AffordableValues;
use crate::shape::Shape;

/// As many as an agent's usual questions; each further one costs one more analysis.
const MOST_STATEMENTS: usize = 128;

/// A longer text is not kept. Models write short ones; the bound keeps the server's memory small.
const LONGEST_TEXT: usize = 16 << 10;

/// A statement with a larger tree is not kept: what the server keeps of it grows with the tree.
const LARGEST_TREE: usize = 256 << 10;

/// The trees of all statements of a session together.
const ALL_TREES: usize = 4 << 20;

/// A caller's statement that PostgreSQL has analysed and that has been judged.
#[derive(Debug)]
pub(crate) struct Statement {
    /// Its name in the session.
    pub(crate) name: String,
    /// The types of its parameters.
    pub(crate) parameters: Vec<u32>,
    /// The names and types of its columns.
    pub(crate) columns: Vec<(String, u32)>,
    /// The state of the database in which it was judged; `None` where that cannot be told.
    pub(crate) judged_in: Option<String>,
    /// The bytes of its tree.
    pub(crate) tree_bytes: usize,
    /// Whether it calls something that may leave traces in the session.
    pub(crate) leaves_traces: bool,
    /// Its columns and parameters once their types have been looked up.
    pub(crate) shape: OnceLock<Arc<Shape>>,
    /// The values with which it may run, where a query may cost only so much.
    pub(crate) affordable: AffordableValues,
}

impl Statement {
    /// Whether it may be used once more after this call.
    pub(crate) fn is_worth_keeping(&self, text: &str) -> bool {
        self.judged_in.is_some()
            && !self.leaves_traces
            && text.len() <= LONGEST_TEXT
            && !is_huge(self.tree_bytes)
    }
}

/// Whether the server's process grows so much by a tree of that size that the session had better
/// end, whatever became of the statement.
pub(crate) fn is_huge(tree_bytes: usize) -> bool {
    tree_bytes > LARGEST_TREE
}

/// Statements by their text; the one that was not used for longest goes first.
#[derive(Debug, Default)]
pub(crate) struct KeptStatements {
    by_text: HashMap<String, (u64, Arc<Statement>)>,
    tree_bytes: usize,
    turn: u64,
}

impl KeptStatements {
    /// The statement with this text, which counts as used.
    pub(crate) fn get(&mut self, text: &str) -> Option<Arc<Statement>> {
        let (turn, statement) = self.by_text.get_mut(text)?;
        self.turn += 1;
        *turn = self.turn;
        Some(Arc::clone(statement))
    }

    /// Takes the statement with this text out; it is put back after its use.
    pub(crate) fn take(&mut self, text: &str) -> Option<Arc<Statement>> {
        let (_, statement) = self.by_text.remove(text)?;
        self.tree_bytes -= statement.tree_bytes;
        Some(statement)
    }

    /// Takes out all statements; their names.
    pub(crate) fn take_all(&mut self) -> Vec<String> {
        self.tree_bytes = 0;
        let all = self.by_text.drain();
        all.map(|(_, (_, statement))| statement.name.clone())
            .collect()
    }

    /// Keeps a statement, and returns the names of those that had to go.
    pub(crate) fn keep(&mut self, text: &str, statement: Arc<Statement>) -> Vec<String> {
        let mut gone = Vec::new();
        self.turn += 1;
        self.tree_bytes += statement.tree_bytes;
        if let Some((_, former)) = self.by_text.insert(text.to_owned(), (self.turn, statement)) {
            self.tree_bytes -= former.tree_bytes;
            gone.push(former.name.clone());
        }
        while self.by_text.len() > MOST_STATEMENTS || self.tree_bytes > ALL_TREES {
            let oldest = self
                .by_text
                .iter()
                .min_by_key(|(_, (turn, _))| *turn)
                .map(|(text, _)| text.clone());
            match oldest.and_then(|oldest| self.take(&oldest)) {
                Some(statement) => gone.push(statement.name.clone()),
                None => break,
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(name: usize, tree_bytes: usize) -> Arc<Statement> {
        Arc::new(Statement {
            name: name.to_string(),
            parameters: Vec::new(),
            columns: Vec::new(),
            judged_in: Some("1:1:".to_owned()),
            tree_bytes,
            leaves_traces: false,
            shape: OnceLock::new(),
            affordable: AffordableValues::default(),
        })
    }

    #[test]
    fn it_lets_the_least_recently_used_statement_go() {
        let mut kept = KeptStatements::default();
        for name in 0..MOST_STATEMENTS {
            assert!(
                kept.keep(&format!("SELECT {name}"), statement(name, 1))
                    .is_empty()
            );
        }
        let first = kept.take("SELECT 0").expect("it is kept");
        assert!(kept.keep("SELECT 0", first).is_empty());
        assert!(kept.get("SELECT 1").is_some());
        assert_eq!(kept.keep("SELECT 'new'", statement(999, 1)), ["2"]);
    }

    #[test]
    fn it_bounds_the_bytes_of_all_trees() {
        let mut kept = KeptStatements::default();
        let mut gone = 0;
        for name in 0..40 {
            let statement = statement(name, LARGEST_TREE);
            gone += kept.keep(&format!("SELECT {name}"), statement).len();
        }
        assert_eq!(40 - gone, ALL_TREES / LARGEST_TREE);
    }

    #[test]
    fn it_keeps_no_long_text_and_no_large_tree() {
        assert!(statement(1, LARGEST_TREE).is_worth_keeping("SELECT 1"));
        assert!(!statement(1, LARGEST_TREE + 1).is_worth_keeping("SELECT 1"));
        assert!(!statement(1, 1).is_worth_keeping(&" ".repeat(LONGEST_TEXT + 1)));
    }
}
