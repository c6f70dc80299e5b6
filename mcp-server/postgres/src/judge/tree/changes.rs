//! Reads from the tree of a statement that changes rows which tables it changes, by which events
//! and under which condition, and which sequences it advances.

use super::fields::take_value;
use super::nodes::{Open, OpenNode, number};
use super::{TreeFindings, TreeRefused};

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
pub(super) fn take_value_of_change(
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

/// Takes from a node that has been closed what it says of changes. `open` are the brackets around
/// it, `queries` the places of the queries among these.
pub(super) fn note_change(
    findings: &mut TreeFindings,
    node: &OpenNode<'_>,
    open: &mut [Open<'_>],
    queries: &[usize],
) -> Result<(), TreeRefused> {
    match node.label {
        "QUERY" => {
            let change = &node.change;
            if change.events == 0 {
                return Ok(());
            }
            if change.target == 0 {
                return Err(TreeRefused::Unreadable);
            }
            *findings.changed.entry(change.target).or_default() |= change.events;
            let takes_away = change.events & INSERT == 0 || change.events & DELETE != 0;
            findings.changes_every_row |= takes_away && !change.has_condition;
        }
        "RANGETBLENTRY" | "RTE" => {
            if let [.., Open::Node(query), Open::List { .. }] = open
                && (query.label, query.field) == ("QUERY", "rtable")
            {
                query.change.entries += 1;
                if query.change.entries == query.change.result_relation {
                    query.change.target = node.relation;
                }
            }
        }
        "VAR" => note_condition(node.change.levels_up, open, queries),
        "CONST" if node.change.constant_type == REGCLASS => {
            if let [.., Open::Node(call), Open::List { .. }] = open
                && call.change.advances
                && let [a, b, c, d] = *node.change.constant
            {
                call.change.sequence = u32::from_le_bytes([a, b, c, d]);
            }
        }
        "FUNCEXPR" if node.change.advances => match node.change.sequence {
            0 => _ = findings.called.insert(NEXTVAL),
            sequence => _ = findings.sequences.insert(sequence),
        },
        _ => {}
    }
    Ok(())
}

/// A column of the query that stands `levels_up` further out: it is looked at by that query's
/// condition if it stands in that.
fn note_condition(levels_up: u32, open: &mut [Open<'_>], queries: &[usize]) {
    let at = usize::try_from(levels_up)
        .ok()
        .and_then(|up| queries.len().checked_sub(up + 1))
        .and_then(|at| queries.get(at).copied());
    let Some(at) = at else { return };
    let is_condition = match (open.get(at), open.get(at + 1)) {
        (Some(Open::Node(query)), Some(Open::Node(below))) => {
            query.field == "mergeJoinCondition"
                || query.field == "jointree" && (below.label, below.field) == ("FROMEXPR", "quals")
        }
        (Some(Open::Node(query)), None) => query.field == "mergeJoinCondition",
        _ => false,
    };
    if let (true, Some(Open::Node(query))) = (is_condition, open.get_mut(at)) {
        query.change.has_condition = true;
    }
}
