//! The brackets of a tree that are open: nodes with their fields, and lists.

use std::collections::BTreeSet;

use super::TreeRefused;

/// A bracket that has been opened and not closed.
pub(super) enum Open<'a> {
    Node(OpenNode<'a>),
    /// A list, by the letter that says of what; `n` is of nodes or strings.
    List {
        kind: Option<u8>,
    },
}

/// A node that is open, and what has been read of it.
pub(super) struct OpenNode<'a> {
    pub(super) label: &'a str,
    pub(super) field: &'a str,
    pub(super) awaits: Awaited,
    pub(super) relation: u32,
    pub(super) columns: BTreeSet<i16>,
    pub(super) change: NodeOfChange,
}

/// The parts of a node by which changes of rows, and of sequences, are told.
#[derive(Default)]
pub(super) struct NodeOfChange {
    /// The events of a query that changes rows; 0 for one that only reads.
    pub(super) events: i16,
    /// The place of the changed relation in a query's range table, from 1.
    pub(super) result_relation: u32,
    /// The entries of the range table so far.
    pub(super) entries: u32,
    /// The relation that a query changes, once its entry has been read.
    pub(super) target: u32,
    /// Whether a query's condition looks at a row.
    pub(super) has_condition: bool,
    /// How many queries further out the row of a column stands.
    pub(super) levels_up: u32,
    /// The function of a call, where it is the one that advances a sequence.
    pub(super) advances: bool,
    /// The sequence that is named as a constant.
    pub(super) sequence: u32,
    /// The type of a constant, and the first bytes of its value.
    pub(super) constant_type: u32,
    pub(super) constant: Vec<u8>,
}

/// The part of a node that comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    Field,
    Value,
}

/// A word that must be a number.
pub(super) fn number(word: &[u8]) -> Result<u32, TreeRefused> {
    str::from_utf8(word)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(TreeRefused::Unreadable)
}
