//! Takes the tokens of a tree one by one: keeps which brackets are open, and refuses what
//! PostgreSQL does not write.

use std::collections::BTreeSet;

use super::changes::{UPDATE, note_change, take_value_of_change};
use super::fields::{add, take_value};
use super::nodes::{Awaited, NodeOfChange, Open, OpenNode, number};
use super::tokens::{Token, Tokens};
use super::{Admitted, TreeFindings, TreeRefused};
use crate::judge::labels;

/// The reading of one tree.
pub(super) struct Reader<'a, 'f> {
    version: u32,
    admitted: Admitted,
    findings: &'f mut TreeFindings,
    open: Vec<Open<'a>>,
    /// The places of queries in `open`.
    queries: Vec<usize>,
}

impl<'a, 'f> Reader<'a, 'f> {
    pub(super) fn new(version: u32, admitted: Admitted, findings: &'f mut TreeFindings) -> Self {
        Self {
            version,
            admitted,
            findings,
            open: Vec::new(),
            queries: Vec::new(),
        }
    }

    /// How many brackets are open.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Takes a token, and the label behind it where it opens a node.
    ///
    /// # Errors
    /// Why the tree is refused.
    pub(super) fn take(
        &mut self,
        token: Token<'a>,
        tokens: &mut Tokens<'a>,
    ) -> Result<(), TreeRefused> {
        match token {
            Token::OpenNode => {
                self.begin_value()?;
                let Some(Token::Word(label)) = tokens.next() else {
                    return Err(TreeRefused::Unreadable);
                };
                self.open_node(label)
            }
            Token::CloseNode => self.close_node(),
            Token::OpenList => {
                self.begin_value()?;
                self.open.push(Open::List { kind: None });
                Ok(())
            }
            Token::CloseList => match self.open.pop() {
                Some(Open::List { .. }) => Ok(()),
                _ => Err(TreeRefused::Unreadable),
            },
            Token::Word(word) => self.take_word(word),
        }
    }

    /// A node or a list stands where a value may: after a field's name, in a list, or at the top.
    fn begin_value(&mut self) -> Result<(), TreeRefused> {
        match self.open.last_mut() {
            None => Ok(()),
            Some(Open::List { kind }) => match kind.get_or_insert(b'n') {
                b'n' => Ok(()),
                _ => Err(TreeRefused::Unreadable),
            },
            Some(Open::Node(node)) if node.awaits == Awaited::Value => {
                node.awaits = Awaited::Field;
                Ok(())
            }
            Some(Open::Node(_)) => Err(TreeRefused::Unreadable),
        }
    }

    fn open_node(&mut self, label: &'a [u8]) -> Result<(), TreeRefused> {
        let label = str::from_utf8(label).map_err(|_| TreeRefused::Unreadable)?;
        let changes = self.admitted == Admitted::Changes;
        if label == "ROWMARKCLAUSE" && !changes {
            return Err(TreeRefused::Locks);
        }
        let is_known = labels::is_known(label, self.version)
            || changes && labels::is_known_in_changes(label, self.version);
        if !is_known {
            return Err(TreeRefused::UnknownNode(label.to_owned()));
        }
        if label == "QUERY" {
            self.queries.push(self.open.len());
        }
        if label == "ONCONFLICTEXPR"
            && let Some(Open::Node(query)) = self.open.last_mut()
        {
            query.change.events |= UPDATE;
        }
        self.open.push(Open::Node(OpenNode {
            label,
            field: "",
            awaits: Awaited::Field,
            relation: 0,
            columns: BTreeSet::new(),
            change: NodeOfChange::default(),
        }));
        Ok(())
    }

    fn close_node(&mut self) -> Result<(), TreeRefused> {
        let Some(Open::Node(node)) = self.open.pop() else {
            return Err(TreeRefused::Unreadable);
        };
        if node.awaits == Awaited::Value {
            return Err(TreeRefused::Unreadable);
        }
        if node.relation != 0 {
            self.findings
                .relations
                .entry(node.relation)
                .or_default()
                .extend(&node.columns);
        }
        if node.label == "QUERY" {
            self.queries.pop();
        }
        match self.admitted {
            Admitted::Queries => Ok(()),
            Admitted::Changes => note_change(self.findings, &node, &mut self.open, &self.queries),
        }
    }

    fn take_word(&mut self, word: &'a [u8]) -> Result<(), TreeRefused> {
        let depth = self.open.len();
        match self.open.last_mut() {
            // Where the top is a list of no nodes, it stands for nothing.
            None if word == b"<>" => Ok(()),
            None => Err(TreeRefused::Unreadable),
            Some(Open::Node(node)) => match (node.awaits, word.split_first()) {
                (Awaited::Value, _) => {
                    node.awaits = Awaited::Field;
                    match self.admitted {
                        Admitted::Queries => take_value(self.findings, node, word, depth),
                        Admitted::Changes => {
                            take_value_of_change(self.findings, node, word, self.version)
                        }
                    }
                }
                (Awaited::Field, Some((b':', name))) => {
                    node.field = str::from_utf8(name).map_err(|_| TreeRefused::Unreadable)?;
                    node.awaits = Awaited::Value;
                    Ok(())
                }
                // The bytes of a constant: `4 [ 1 0 0 0 ]`.
                (Awaited::Field, _) if node.field == "constvalue" => {
                    let byte = str::from_utf8(word).ok().and_then(|word| word.parse().ok());
                    if let (Some(byte), true) = (byte, node.change.constant.len() < 4) {
                        let byte: i16 = byte;
                        node.change.constant.push(byte.to_le_bytes()[0]);
                    }
                    Ok(())
                }
                (Awaited::Field, _) => Err(TreeRefused::Unreadable),
            },
            Some(Open::List { kind: Some(kind) }) => {
                let kind = *kind;
                self.take_item(kind, word)
            }
            Some(Open::List { kind }) => {
                *kind = Some(match word {
                    b"o" | b"i" | b"b" | b"x" => word[0],
                    _ => b'n',
                });
                Ok(())
            }
        }
    }

    /// An item of a list that is the value of a field.
    fn take_item(&mut self, kind: u8, word: &[u8]) -> Result<(), TreeRefused> {
        let [.., Open::Node(node), Open::List { .. }] = self.open.as_mut_slice() else {
            return Ok(());
        };
        match kind {
            b'o' => add(self.findings, node, number(word)?),
            b'b' if node.field == "selectedCols" => {
                // Numbers of system columns are negative; the set is moved up by seven
                // (`FirstLowInvalidHeapAttributeNumber`).
                let member = i16::try_from(number(word)?).map_err(|_| TreeRefused::Unreadable)?;
                node.columns.insert(member - 7);
            }
            _ => {}
        }
        Ok(())
    }
}
