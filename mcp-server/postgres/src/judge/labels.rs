//! The kinds of node that a query which only reads may hold, by the server's major version.
//!
//! A label that is not listed for a version is refused: what a node of that kind calls is not
//! known.

/// Labels, and the versions that write them. Before 16 some nodes are written by another name.
const LABELS: &[(&str, u32, u32)] = &[
    ("AGGREF", 14, 18),
    ("ALIAS", 14, 18),
    ("ARRAY", 14, 15),
    ("ARRAYCOERCEEXPR", 14, 18),
    ("ARRAYEXPR", 14, 18),
    ("BOOLEANTEST", 14, 18),
    ("BOOLEXPR", 14, 18),
    ("CASE", 14, 15),
    ("CASEEXPR", 14, 18),
    ("CASETESTEXPR", 14, 18),
    ("CASEWHEN", 14, 18),
    ("COALESCE", 14, 15),
    ("COALESCEEXPR", 14, 18),
    ("COERCETODOMAIN", 14, 18),
    ("COERCETODOMAINVALUE", 14, 18),
    ("COERCEVIAIO", 14, 18),
    ("COLLATE", 14, 15),
    ("COLLATEEXPR", 14, 18),
    ("COMMONTABLEEXPR", 14, 18),
    ("CONST", 14, 18),
    ("CONVERTROWTYPEEXPR", 14, 18),
    ("CTECYCLECLAUSE", 14, 18),
    ("CTESEARCHCLAUSE", 14, 18),
    ("DISTINCTEXPR", 14, 18),
    ("FIELDSELECT", 14, 18),
    ("FROMEXPR", 14, 18),
    ("FUNCEXPR", 14, 18),
    ("GROUPINGFUNC", 14, 18),
    ("GROUPINGSET", 14, 18),
    ("JOINEXPR", 14, 18),
    ("JSONBEHAVIOR", 17, 18),
    ("JSONCONSTRUCTOREXPR", 16, 18),
    ("JSONEXPR", 17, 18),
    ("JSONFORMAT", 16, 18),
    ("JSONISPREDICATE", 16, 18),
    ("JSONRETURNING", 16, 18),
    ("JSONTABLEPATH", 17, 18),
    ("JSONTABLEPATHSCAN", 17, 18),
    ("JSONTABLESIBLINGJOIN", 17, 18),
    ("JSONVALUEEXPR", 16, 18),
    ("MINMAX", 14, 15),
    ("MINMAXEXPR", 14, 18),
    ("NAMEDARGEXPR", 14, 18),
    ("NULLIFEXPR", 14, 18),
    ("NULLTEST", 14, 18),
    ("OPEXPR", 14, 18),
    ("PARAM", 14, 18),
    ("QUERY", 14, 18),
    ("RANGETBLENTRY", 14, 18),
    ("RANGETBLFUNCTION", 14, 18),
    ("RANGETBLREF", 14, 18),
    ("RELABELTYPE", 14, 18),
    ("ROW", 14, 15),
    ("ROWCOMPARE", 14, 15),
    ("ROWCOMPAREEXPR", 14, 18),
    ("ROWEXPR", 14, 18),
    ("RTE", 14, 15),
    ("RTEPERMISSIONINFO", 16, 18),
    ("SCALARARRAYOPEXPR", 14, 18),
    ("SETOPERATIONSTMT", 14, 18),
    ("SORTGROUPCLAUSE", 14, 18),
    ("SQLVALUEFUNCTION", 14, 18),
    ("SUBLINK", 14, 18),
    ("SUBSCRIPTINGREF", 14, 18),
    ("TABLEFUNC", 14, 18),
    ("TABLESAMPLECLAUSE", 14, 18),
    ("TARGETENTRY", 14, 18),
    ("VAR", 14, 18),
    ("WHEN", 14, 15),
    ("WINDOWCLAUSE", 14, 18),
    ("WINDOWFUNC", 14, 18),
    ("XMLEXPR", 14, 18),
];

/// The labels that only statements have that change rows, and the versions that write them.
const LABELS_OF_CHANGES: &[(&str, u32, u32)] = &[
    ("FIELDSTORE", 14, 18),
    ("INFERENCEELEM", 14, 18),
    ("MERGEACTION", 15, 18),
    ("MERGESUPPORTFUNC", 17, 18),
    ("NEXTVALUEEXPR", 14, 18),
    ("ONCONFLICTEXPR", 14, 18),
    ("RETURNINGEXPR", 18, 18),
    ("ROWMARKCLAUSE", 14, 18),
    ("WITHCHECKOPTION", 14, 18),
];

/// Whether a tree of this version of PostgreSQL may hold a node with this label.
pub(super) fn is_known(label: &str, version: u32) -> bool {
    is_listed(LABELS, label, version)
}

/// Whether that of a statement that changes rows may hold it besides.
pub(super) fn is_known_in_changes(label: &str, version: u32) -> bool {
    is_listed(LABELS_OF_CHANGES, label, version)
}

fn is_listed(labels: &[(&str, u32, u32)], label: &str, version: u32) -> bool {
    labels
        .binary_search_by(|(known, _, _)| (*known).cmp(label))
        .is_ok_and(|at| (labels[at].1..=labels[at].2).contains(&version))
}

/// The kind of object that the identifiers in a field of a node stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OidField {
    /// Functions that the query names or that an operator stands for.
    Called,
    /// Functions that PostgreSQL calls by itself.
    Internal,
    /// The identifiers of operators, as in `pg_operator`.
    Operators,
    /// The identifiers of types, as in `pg_type`.
    Types,
}

/// The meaning of the field `name` in a node with this label, where it holds object identifiers.
pub(super) fn oid_field(label: &str, name: &str) -> Option<OidField> {
    Some(match name {
        "funcid" | "opfuncid" | "aggfnoid" | "winfnoid" | "hashfuncid" | "negfuncid" => {
            OidField::Called
        }
        "startInRangeFunc" | "endInRangeFunc" | "tsmhandler" => OidField::Internal,
        "opno" | "opnos" | "eqop" | "sortop" | "cycle_mark_neop" => OidField::Operators,
        "aggtype" | "aggargtypes" | "aggtranstype" | "array_typeid" | "arraytype" | "casetype"
        | "coalescetype" | "colTypes" | "coltypes" | "consttype" | "ctecoltypes"
        | "cycle_mark_type" | "element_typeid" | "funccoltypes" | "funcresulttype"
        | "minmaxtype" | "opresulttype" | "paramtype" | "refcontainertype" | "refelemtype"
        | "refrestype" | "resulttype" | "row_typeid" | "typeId" | "typid" | "vartype"
        | "wintype" => OidField::Types,
        "type" if matches!(label, "SQLVALUEFUNCTION" | "XMLEXPR") => OidField::Types,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_labels_in_order_for_the_binary_search() {
        assert!(LABELS.is_sorted() && LABELS_OF_CHANGES.is_sorted());
    }

    #[test]
    fn it_knows_a_label_only_where_the_version_writes_it() {
        assert!(is_known("FUNCEXPR", 14));
        assert!(is_known("JSONEXPR", 17));
        assert!(!is_known("JSONEXPR", 15));
        assert!(!is_known("MERGESUPPORTFUNC", 17));
        assert!(!is_known("NEXTVALUEEXPR", 15));
    }
}
