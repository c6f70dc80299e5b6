//! Reads PostgreSQL's analysed trees as its `nodeToString` writes them. Pure, and without
//! recursion.
//!
//! Nothing of a tree is kept but what [`TreeFindings`] has room for: which functions, operators,
//! types and relations are named, by object identifier. Strings in a tree are a caller's own
//! (aliases, labels), so a token is a field name only where the grammar puts one.

use std::collections::{BTreeMap, BTreeSet};

use super::labels::{self, OidField};

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
    let mut reader = Reader {
        version,
        admitted,
        findings,
        open: Vec::new(),
        queries: Vec::new(),
    };
    while let Some(token) = tokens.next() {
        reader.take(token, &mut tokens)?;
        if reader.open.len() > DEEPEST {
            return Err(TreeRefused::Unreadable);
        }
    }
    match reader.open.is_empty() {
        true => Ok(()),
        false => Err(TreeRefused::Unreadable),
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    OpenNode,
    CloseNode,
    OpenList,
    CloseList,
    Word(&'a [u8]),
}

/// The tokens of PostgreSQL's `pg_strtok`.
struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let start = self
            .rest
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\n' | b'\t'))?;
        let text = &self.rest[start..];
        let sign = match text.first()? {
            b'{' => Some(Token::OpenNode),
            b'}' => Some(Token::CloseNode),
            b'(' => Some(Token::OpenList),
            b')' => Some(Token::CloseList),
            _ => None,
        };
        if let Some(sign) = sign {
            self.rest = &text[1..];
            return Some(sign);
        }
        let mut end = 0;
        while let Some(byte) = text.get(end) {
            match byte {
                b' ' | b'\n' | b'\t' | b'{' | b'}' | b'(' | b')' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        let (word, rest) = text.split_at(end.min(text.len()));
        self.rest = rest;
        Some(Token::Word(word))
    }
}

/// A bracket that has been opened and not closed.
enum Open<'a> {
    Node(OpenNode<'a>),
    /// A list, by the letter that says of what; `n` is of nodes or strings.
    List {
        kind: Option<u8>,
    },
}

struct OpenNode<'a> {
    label: &'a str,
    field: &'a str,
    awaits: Awaited,
    relation: u32,
    columns: BTreeSet<i16>,
    change: NodeOfChange,
}

/// The parts of a node by which changes of rows, and of sequences, are told.
#[derive(Default)]
struct NodeOfChange {
    /// The events of a query that changes rows; 0 for one that only reads.
    events: i16,
    /// The place of the changed relation in a query's range table, from 1.
    result_relation: u32,
    /// The entries of the range table so far.
    entries: u32,
    /// The relation that a query changes, once its entry has been read.
    target: u32,
    /// Whether a query's condition looks at a row.
    has_condition: bool,
    /// How many queries further out the row of a column stands.
    levels_up: u32,
    /// The function of a call, where it is the one that advances a sequence.
    advances: bool,
    /// The sequence that is named as a constant.
    sequence: u32,
    /// The type of a constant, and the first bytes of its value.
    constant_type: u32,
    constant: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Field,
    Value,
}

struct Reader<'a, 'f> {
    version: u32,
    admitted: Admitted,
    findings: &'f mut TreeFindings,
    open: Vec<Open<'a>>,
    /// The places of queries in `open`.
    queries: Vec<usize>,
}

impl<'a> Reader<'a, '_> {
    fn take(&mut self, token: Token<'a>, tokens: &mut Tokens<'a>) -> Result<(), TreeRefused> {
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
        match self.admitted {
            Admitted::Queries => Ok(()),
            Admitted::Changes => self.note_change(&node),
        }
    }

    /// Takes from a node that has been closed what it says of changes.
    fn note_change(&mut self, node: &OpenNode<'_>) -> Result<(), TreeRefused> {
        match node.label {
            "QUERY" => {
                self.queries.pop();
                let change = &node.change;
                if change.events == 0 {
                    return Ok(());
                }
                if change.target == 0 {
                    return Err(TreeRefused::Unreadable);
                }
                *self.findings.changed.entry(change.target).or_default() |= change.events;
                let takes_away = change.events & INSERT == 0 || change.events & DELETE != 0;
                self.findings.changes_every_row |= takes_away && !change.has_condition;
            }
            "RANGETBLENTRY" | "RTE" => {
                if let [.., Open::Node(query), Open::List { .. }] = self.open.as_mut_slice()
                    && (query.label, query.field) == ("QUERY", "rtable")
                {
                    query.change.entries += 1;
                    if query.change.entries == query.change.result_relation {
                        query.change.target = node.relation;
                    }
                }
            }
            "VAR" => self.note_condition(node.change.levels_up),
            "CONST" if node.change.constant_type == REGCLASS => {
                if let [.., Open::Node(call), Open::List { .. }] = self.open.as_mut_slice()
                    && call.change.advances
                    && let [a, b, c, d] = *node.change.constant
                {
                    call.change.sequence = u32::from_le_bytes([a, b, c, d]);
                }
            }
            "FUNCEXPR" if node.change.advances => match node.change.sequence {
                0 => _ = self.findings.called.insert(NEXTVAL),
                sequence => _ = self.findings.sequences.insert(sequence),
            },
            _ => {}
        }
        Ok(())
    }

    /// A column of the query that stands `levels_up` further out: it is looked at by that query's
    /// condition if it stands in that.
    fn note_condition(&mut self, levels_up: u32) {
        let at = usize::try_from(levels_up)
            .ok()
            .and_then(|up| self.queries.len().checked_sub(up + 1))
            .and_then(|at| self.queries.get(at).copied());
        let Some(at) = at else { return };
        let is_condition = match (self.open.get(at), self.open.get(at + 1)) {
            (Some(Open::Node(query)), Some(Open::Node(below))) => {
                query.field == "mergeJoinCondition"
                    || query.field == "jointree"
                        && (below.label, below.field) == ("FROMEXPR", "quals")
            }
            (Some(Open::Node(query)), None) => query.field == "mergeJoinCondition",
            _ => false,
        };
        if let (true, Some(Open::Node(query))) = (is_condition, self.open.get_mut(at)) {
            query.change.has_condition = true;
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

/// INSERT, as `pg_trigger.tgtype` has it.
pub(crate) const INSERT: i16 = 4;

/// DELETE, as `pg_trigger.tgtype` has it.
pub(crate) const DELETE: i16 = 8;

/// UPDATE, as `pg_trigger.tgtype` has it.
pub(crate) const UPDATE: i16 = 16;

/// The function `nextval`, by its identifier in `pg_proc.dat`.
const NEXTVAL: u32 = 1574;

/// The type `regclass`, by its identifier in `pg_type.dat`.
const REGCLASS: u32 = 2205;

/// The same as [`take_value`] where rows may be changed.
fn take_value_of_change(
    findings: &mut TreeFindings,
    node: &mut OpenNode<'_>,
    word: &[u8],
    version: u32,
) -> Result<(), TreeRefused> {
    match (node.label, node.field) {
        ("QUERY", "commandType") => {
            node.change.events = match word {
                b"1" => 0,
                b"2" => UPDATE,
                b"3" => INSERT,
                b"4" => DELETE,
                // MERGE. In 14 the number is that of commands without a tree.
                b"5" if version >= 15 => INSERT | DELETE | UPDATE,
                _ => return Err(TreeRefused::NotAChange),
            };
            Ok(())
        }
        ("QUERY", "utilityStmt") if word != b"<>" => Err(TreeRefused::NotAChange),
        ("QUERY", "resultRelation") => {
            node.change.result_relation = number(word)?;
            Ok(())
        }
        ("QUERY", "utilityStmt" | "hasModifyingCTE" | "hasForUpdate") => Ok(()),
        ("VAR", "varlevelsup") => {
            node.change.levels_up = number(word)?;
            Ok(())
        }
        ("NEXTVALUEEXPR", "seqid") => {
            findings.sequences.insert(number(word)?);
            Ok(())
        }
        ("FUNCEXPR", "funcid") if number(word)? == NEXTVAL => {
            node.change.advances = true;
            Ok(())
        }
        (label, field) => {
            if (label, field) == ("CONST", "consttype") {
                node.change.constant_type = number(word)?;
            }
            take_value(findings, node, word, 0)
        }
    }
}

fn take_value(
    findings: &mut TreeFindings,
    node: &mut OpenNode<'_>,
    word: &[u8],
    depth: usize,
) -> Result<(), TreeRefused> {
    match (node.label, node.field) {
        ("QUERY", "commandType") => match word {
            b"1" => Ok(()),
            // A query inside of another stands deeper than the list at the top.
            b"2" | b"3" | b"4" | b"5" if depth > 2 => Err(TreeRefused::Writes),
            _ => Err(TreeRefused::NotAQuery),
        },
        ("QUERY", "utilityStmt") if word != b"<>" => Err(TreeRefused::NotAQuery),
        ("QUERY", "hasModifyingCTE") if word != b"false" => Err(TreeRefused::Writes),
        ("QUERY", "hasForUpdate") if word != b"false" => Err(TreeRefused::Locks),
        (_, "relid") => {
            node.relation = number(word)?;
            Ok(())
        }
        (label, field) => {
            if word != b"<>" && labels::oid_field(label, field).is_some() {
                add(findings, node, number(word)?);
            }
            Ok(())
        }
    }
}

fn add(findings: &mut TreeFindings, node: &OpenNode<'_>, oid: u32) {
    let set = match labels::oid_field(node.label, node.field) {
        _ if oid == 0 => return,
        None => return,
        Some(OidField::Called) => &mut findings.called,
        Some(OidField::Internal) => &mut findings.internal,
        Some(OidField::Operators) => &mut findings.operators,
        Some(OidField::Types) => &mut findings.types,
    };
    set.insert(oid);
}

fn number(word: &[u8]) -> Result<u32, TreeRefused> {
    str::from_utf8(word)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(TreeRefused::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<TreeFindings, TreeRefused> {
        let mut findings = TreeFindings::default();
        read(text.as_bytes(), Layout::Folded, 15, &mut findings).map(|()| findings)
    }

    #[test]
    fn it_finds_every_object_by_its_field() {
        let found = found(
            "({QUERY :commandType 1 :utilityStmt <> :hasModifyingCTE false :hasForUpdate false \
             :rtable ({RANGETBLENTRY :eref {ALIAS :aliasname t :colnames (\"a\" \":funcid\")} \
             :relid 16400 :relkind r :selectedCols (b 7 9) :coltypes (o 23 25)}) :targetList \
             ({TARGETENTRY :expr {FUNCEXPR :funcid 871 :funcresulttype 25 :args ({CONST \
             :consttype 25 :constvalue 5 [ 20 0 0 0 120 ]})} :resname :opno :resjunk false})})",
        )
        .expect("it is a query");
        assert_eq!(found.called, BTreeSet::from([871]));
        assert_eq!(found.types, BTreeSet::from([23, 25]));
        assert_eq!(
            found.relations,
            BTreeMap::from([(16400, BTreeSet::from([0, 2]))])
        );
        assert!(found.operators.is_empty(), "a label is no field");
    }

    #[test]
    fn it_refuses_what_is_no_reading_query() {
        for (text, reason) in [
            ("({QUERY :commandType 6})", TreeRefused::NotAQuery),
            ("({QUERY :commandType 3})", TreeRefused::NotAQuery),
            (
                "({QUERY :commandType 1 :cteList ({COMMONTABLEEXPR :ctequery {QUERY \
                 :commandType 4}})})",
                TreeRefused::Writes,
            ),
            (
                "({QUERY :commandType 1 :hasModifyingCTE true})",
                TreeRefused::Writes,
            ),
            (
                "({QUERY :commandType 1 :hasForUpdate true})",
                TreeRefused::Locks,
            ),
            (
                "({QUERY :commandType 1 :rowMarks ({ROWMARKCLAUSE :rti 1})})",
                TreeRefused::Locks,
            ),
            (
                "({NEXTVALUEEXPR :seqid 1})",
                TreeRefused::UnknownNode("NEXTVALUEEXPR".to_owned()),
            ),
            ("({QUERY :commandType", TreeRefused::Unreadable),
            ("({FUNCEXPR :funcid x})", TreeRefused::Unreadable),
            ("({FUNCEXPR 1 :funcid 2})", TreeRefused::Unreadable),
            ("}", TreeRefused::Unreadable),
        ] {
            assert_eq!(found(text), Err(reason), "{text}");
        }
    }

    fn changed(text: &str) -> Result<TreeFindings, TreeRefused> {
        let mut findings = TreeFindings::default();
        let admitted = Admitted::Changes;
        read_admitted(text.as_bytes(), Layout::Folded, 15, admitted, &mut findings)
            .map(|()| findings)
    }

    #[test]
    fn it_finds_what_a_statement_changes_and_which_sequences_it_advances() {
        const RTABLE: &str = ":rtable ({RANGETBLENTRY :relid 9} {RANGETBLENTRY :relid 16400})";
        const VAR: &str = "{VAR :varno 1 :varlevelsup";
        for (text, events, changes_every_row) in [
            (":commandType 3 :resultRelation 2 RTABLE", 4, false),
            (
                ":commandType 3 :resultRelation 2 RTABLE :onConflict {ONCONFLICTEXPR :action 2}",
                20,
                false,
            ),
            (
                ":commandType 2 :resultRelation 2 RTABLE :jointree {FROMEXPR :quals <>}",
                16,
                true,
            ),
            (
                ":commandType 4 :resultRelation 2 RTABLE :jointree {FROMEXPR :quals VAR 0}}",
                8,
                false,
            ),
            (
                ":commandType 4 :resultRelation 2 RTABLE :jointree {FROMEXPR :quals {SUBLINK \
                 :subselect {QUERY :commandType 1 :jointree {FROMEXPR :quals VAR 0}}}}}",
                8,
                true,
            ),
            (
                ":commandType 4 :resultRelation 2 RTABLE :jointree {FROMEXPR :quals {SUBLINK \
                 :subselect {QUERY :commandType 1 :jointree {FROMEXPR :quals VAR 1}}}}}",
                8,
                false,
            ),
            (
                ":commandType 2 :resultRelation 2 RTABLE :jointree {FROMEXPR :quals <>} \
                 :targetList ({TARGETENTRY :expr VAR 0}})",
                16,
                true,
            ),
            (
                ":commandType 5 :resultRelation 2 RTABLE :mergeJoinCondition VAR 0}",
                28,
                false,
            ),
        ] {
            let text = text.replace("RTABLE", RTABLE).replace("VAR", VAR);
            let text = format!("({{QUERY {text}}})");
            let found = changed(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(found.changed, BTreeMap::from([(16400, events)]), "{text}");
            assert_eq!(found.changes_every_row, changes_every_row, "{text}");
        }
        let call = |argument: &str| format!("{{FUNCEXPR :funcid 1574 :args ({argument})}}");
        let named = "{CONST :consttype 2205 :constvalue 4 [ 1 -64 0 0 0 0 0 0 ]}";
        let found = changed(&call(named)).expect("it is read");
        assert_eq!((found.sequences.len(), found.called.len()), (1, 0));
        assert!(found.sequences.contains(&0xC001));
        let found = changed(&call("{PARAM :paramid 1}")).expect("it is read");
        assert_eq!(found.called, BTreeSet::from([1574]));
    }

    #[test]
    fn it_refuses_what_is_neither_a_query_nor_a_change() {
        for (text, reason) in [
            ("({QUERY :commandType 6})", TreeRefused::NotAChange),
            ("({QUERY :commandType 7})", TreeRefused::NotAChange),
            (
                "({QUERY :commandType 1 :utilityStmt ?})",
                TreeRefused::NotAChange,
            ),
            (
                "({QUERY :commandType 4 :resultRelation 2 :rtable ({RANGETBLENTRY :relid 9})})",
                TreeRefused::Unreadable,
            ),
            ("({QUERY :commandType 2})", TreeRefused::Unreadable),
        ] {
            assert_eq!(changed(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn it_reads_escaped_signs_as_parts_of_a_name() {
        let found = found(
            "{TARGETENTRY :expr {FUNCEXPR :funcid 1 :location -1} \
             :resname a\\ b\\{\\}\\(\\)\\\\ :resno 1}",
        );
        assert_eq!(found.expect("it is read").called, BTreeSet::from([1]));
    }

    #[test]
    fn it_refuses_a_word_that_was_broken_in_its_middle() {
        let word = "x".repeat(78);
        let broken = format!("{{TARGETENTRY :resname\n{word}\n:funcid 1}}");
        assert_eq!(found(&broken), Err(TreeRefused::Unreadable));
    }

    #[test]
    fn it_needs_no_stack_for_a_deep_tree() {
        let narrow = std::thread::Builder::new().stack_size(128 << 10).spawn(|| {
            let deep = format!(
                "{}1{}",
                "{BOOLEXPR :args (".repeat(40_000),
                ")}".repeat(40_000)
            );
            assert!(found(&deep).is_ok());
            let deeper = "{BOOLEXPR :args (".repeat(60_000);
            assert_eq!(found(&deeper), Err(TreeRefused::Unreadable));
        });
        narrow.expect("a thread").join().expect("it ends");
    }
}
