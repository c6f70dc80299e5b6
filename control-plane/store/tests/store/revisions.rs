//! Revisions, modules and the audit trail.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use store::{
    AppendError, AuditEntry, ConfigStore, Input, Module, RevisionNumber, StoredGeneration,
    StoredRejection, StoredRejectionChange, WithheldInput,
};
use time::OffsetDateTime;

use crate::places::Place;
use crate::samples::{by, catalogue, resource};

on_each_database!(
    it_has_nothing_in_an_empty_store,
    it_has_everything_again_when_it_is_opened_again,
    it_refuses_a_revision_built_on_an_old_head_and_says_who_changed_it,
    it_lets_exactly_one_of_many_writers_win_each_round,
    it_lists_revisions_newest_first_and_by_page,
    it_lets_no_stored_revision_be_changed_or_deleted,
    it_keeps_the_time_since_which_it_has_a_module,
    it_reads_audit_records_newest_first_and_by_page,
);

async fn it_has_nothing_in_an_empty_store(place: Place) {
    let store = place.open().await;
    assert_eq!(store.head().await.expect("read"), None);
    assert_eq!(store.revision(RevisionNumber(1)).await.expect("read"), None);
    assert_eq!(store.revisions(None, 10).await.expect("read"), []);
    assert_eq!(store.catalogues().await.expect("read"), BTreeMap::new());
    assert_eq!(store.modules().await.expect("read"), []);
    assert_eq!(store.audit(None, 10).await.expect("read"), []);
    assert_eq!(store.accepted().await.expect("read"), []);
}

async fn it_has_everything_again_when_it_is_opened_again(place: Place) {
    let first = place.open().await;
    let revision = first
        .append(None, by("ada", r#"{"servers":{}}"#))
        .await
        .expect("appended");
    let data = catalogue("data", &[("list_tables", r#"{ "name":"list_tables" }"#)])
        .from_endpoint("http://127.0.0.1:8000/mcp".to_owned())
        .about("{\"version\":\"1\"}".to_owned());
    first.put_catalogue(&data).await.expect("put");
    let module = Module {
        sha256: "ab".repeat(32),
        bytes: 370_000,
        path: PathBuf::from("/modules/ab.wasm"),
        since: OffsetDateTime::from_unix_timestamp(1_795_000_000).expect("a time"),
    };
    first.put_module(&module).await.expect("put");
    let accepted = StoredGeneration {
        generation: "g".to_owned(),
        revision: revision.summary.number,
        lists: BTreeMap::from([("data".to_owned(), data.to_generation_list())]),
        module: module.sha256.clone(),
        resources: vec![resource("cluster", 1), resource("listener", 1)],
    };
    first.add_accepted(&accepted).await.expect("added");
    let rejection = StoredRejection {
        node: "envoy".to_owned(),
        type_url: "listener".to_owned(),
        name: "mcp".to_owned(),
        version: "2".to_owned(),
        message: "port in use".to_owned(),
        run_on: Some("1".to_owned()),
        at: module.since,
    };
    let rejected = StoredRejectionChange::Rejected(rejection.clone());
    first.change_rejections(&[rejected]).await.expect("changed");
    let inputs = [
        Input::List {
            server: "data".to_owned(),
            hash: data.hash.clone(),
        },
        Input::Module(module.sha256.clone()),
        Input::Revision(RevisionNumber(2)),
    ];
    let withheld = inputs.map(|input| WithheldInput {
        is_in_force: matches!(input, Input::Revision(_)),
        input,
        reason: "port in use".to_owned(),
        at: module.since,
    });
    for one in &withheld {
        first.withhold(one).await.expect("withheld");
    }
    drop(first);

    let second = place.open().await;
    assert_eq!(second.head().await.expect("read"), Some(revision.clone()));
    assert_eq!(
        second.revision(RevisionNumber(1)).await.expect("read"),
        Some(revision)
    );
    assert_eq!(
        second.catalogues().await.expect("read"),
        BTreeMap::from([("data".to_owned(), data)])
    );
    assert_eq!(
        second.module(&module.sha256).await.expect("read"),
        Some(module)
    );
    assert_eq!(second.accepted().await.expect("read"), [accepted]);
    assert_eq!(second.rejections().await.expect("read"), [rejection]);
    assert_eq!(second.withheld().await.expect("read"), withheld);
    let audit = second.audit(None, 10).await.expect("read");
    assert_eq!(audit.len(), 1);
    assert_eq!(audit[0].entry.revision, Some(RevisionNumber(1)));
}

async fn it_refuses_a_revision_built_on_an_old_head_and_says_who_changed_it(place: Place) {
    let store = place.open().await;
    store.append(None, by("ada", "1")).await.expect("appended");
    let two = store
        .append(Some(RevisionNumber(1)), by("grace", "2"))
        .await
        .expect("appended");

    let refused = store
        .append(Some(RevisionNumber(1)), by("ada", "3"))
        .await
        .expect_err("the head has moved");
    let AppendError::Conflict { expected, actual } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(*expected, Some(RevisionNumber(1)));
    assert_eq!(*actual, Some(two.summary.clone()));
    let sentence = refused.to_string();
    assert!(
        sentence.contains("`grace` has stored revision 2"),
        "{sentence}"
    );
    assert_eq!(store.head().await.expect("read"), Some(two));
    assert_eq!(store.audit(None, 10).await.expect("read").len(), 2);
}

async fn it_lets_exactly_one_of_many_writers_win_each_round(place: Place) {
    let one = Arc::new(place.open().await);
    let another = Arc::new(place.open().await);
    let mut head = None;
    for round in 1..=5 {
        let mut writers = Vec::new();
        for writer in 0..8 {
            let store = Arc::clone(if writer % 2 == 0 { &one } else { &another });
            writers.push(tokio::spawn(async move {
                store
                    .append(head, by(&format!("writer {writer}"), "{}"))
                    .await
            }));
        }
        let mut winners = Vec::new();
        for writer in writers {
            match writer.await.expect("no panic") {
                Ok(revision) => winners.push(revision),
                Err(AppendError::Conflict { actual, .. }) => {
                    assert_eq!(
                        actual.map(|summary| summary.number),
                        Some(RevisionNumber(round))
                    );
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(winners.len(), 1);
        head = Some(winners[0].summary.number);
        assert_eq!(head, Some(RevisionNumber(round)));
    }
}

async fn it_lists_revisions_newest_first_and_by_page(place: Place) {
    let store = place.open().await;
    let mut head = None;
    for document in ["1", "2", "3"] {
        let revision = store
            .append(head, by("ada", document))
            .await
            .expect("appended");
        head = Some(revision.summary.number);
    }
    let numbers = async |before, limit| -> Vec<u64> {
        let page = store.revisions(before, limit).await.expect("read");
        page.iter().map(|summary| summary.number.0).collect()
    };
    assert_eq!(numbers(None, 2).await, [3, 2]);
    assert_eq!(numbers(Some(RevisionNumber(2)), 2).await, [1]);
}

async fn it_lets_no_stored_revision_be_changed_or_deleted(place: Place) {
    let store = place.open().await;
    store.append(None, by("ada", "1")).await.expect("appended");
    for statement in ["UPDATE revision SET document = '2'", "DELETE FROM revision"] {
        let refused = place.execute(statement).await.expect_err("refused");
        assert!(refused.to_string().contains("never"), "{refused}");
    }
}

async fn it_keeps_the_time_since_which_it_has_a_module(place: Place) {
    let store = place.open().await;
    let first = Module {
        sha256: "ab".repeat(32),
        bytes: 1,
        path: PathBuf::from("/old/ab.wasm"),
        since: OffsetDateTime::from_unix_timestamp(1_000).expect("a time"),
    };
    let moved = Module {
        path: PathBuf::from("/new/ab.wasm"),
        since: OffsetDateTime::from_unix_timestamp(2_000).expect("a time"),
        ..first.clone()
    };
    store.put_module(&first).await.expect("put");
    store.put_module(&moved).await.expect("put");
    assert_eq!(
        store.modules().await.expect("read"),
        [Module {
            since: first.since,
            ..moved
        }]
    );
}

async fn it_reads_audit_records_newest_first_and_by_page(place: Place) {
    let store = place.open().await;
    let entry = |what: &str| AuditEntry {
        who: "ada".to_owned(),
        what: what.to_owned(),
        revision: None,
        origin: "10.0.0.7".to_owned(),
        reason: String::new(),
    };
    let first = store.record(&entry("first")).await.expect("recorded");
    let second = store.record(&entry("second")).await.expect("recorded");
    let place_of_second = second.sequence;
    assert_eq!(store.audit(None, 1).await.expect("read"), [second]);
    assert_eq!(
        store.audit(Some(place_of_second), 5).await.expect("read"),
        [first]
    );
}
