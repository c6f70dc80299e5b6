//! The values of fields that name what has to be judged.

use super::nodes::{OpenNode, number};
use super::{TreeFindings, TreeRefused};
use crate::judge::labels::{self, OidField};

/// Takes the value of the field that has been read last, in a query that only reads. `depth` is how
/// many brackets are open.
pub(super) fn take_value(
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

/// Adds an identifier to the findings of its kind.
pub(super) fn add(findings: &mut TreeFindings, node: &OpenNode<'_>, oid: u32) {
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
