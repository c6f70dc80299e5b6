//! Trees as PostgreSQL writes them, and what is found in each.

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
    read_admitted(text.as_bytes(), Layout::Folded, 15, admitted, &mut findings).map(|()| findings)
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
