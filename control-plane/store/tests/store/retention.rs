//! Retention: what an operator takes back, and what stays in any case.

use std::path::PathBuf;

use store::{
    AppendError, AuditEntry, AuditFilter, ConfigStore, Module, NewRevision, Pruned, Retention,
    RevisionNumber, SqlStore, StoredRollout,
};

use crate::places::Place;
use crate::rollouts::rollout;
use crate::samples::{accepted, append, by, deed, revisions};
use time::OffsetDateTime;

on_each_database!(
    it_keeps_the_newest_revisions_and_those_that_are_needed,
    it_takes_back_audit_records_of_a_certain_age,
    it_takes_back_nothing_that_is_not_named,
    it_takes_back_uploaded_modules_that_no_revision_names,
);

fn pruning() -> AuditEntry {
    deed("portcullis store prune")
}

/// The entries about what was pruned, the newest first.
async fn pruned_on_record(store: &SqlStore, kind: Option<&str>) -> Vec<String> {
    let of_pruning = AuditFilter {
        what: Some(pruning().what),
        who: Some(pruning().who),
        kind: kind.map(str::to_owned),
        ..AuditFilter::default()
    };
    let found = store.find_audit(&of_pruning, None, 9).await.expect("read");
    let found = found.into_iter().map(|record| record.entry.what);
    found.collect()
}

async fn it_keeps_the_newest_revisions_and_those_that_are_needed(place: Place) {
    let store = place.open().await;
    append(&store, 9).await;
    store.add_accepted(&accepted("g", 4)).await.expect("added");
    let keep = |revisions| Retention {
        revisions: Some(revisions),
        audit_days: None,
    };
    let pruned = store.prune(keep(7), &pruning()).await.expect("pruned");
    assert_eq!(pruned.revisions, 2);
    assert_eq!(revisions(&store).await, [9, 8, 7, 6, 5, 4, 3]);
    store.prune(keep(2), &pruning()).await.expect("pruned");
    assert_eq!(revisions(&store).await, [9, 8, 7, 6, 5, 4]);
    store.remove_accepted("g").await.expect("removed");
    let shown = StoredRollout {
        revision: RevisionNumber(7),
        ..rollout("r", 0)
    };
    store.put_rollout(&shown).await.expect("put");
    store.prune(keep(0), &pruning()).await.expect("pruned");
    assert_eq!(revisions(&store).await, [9, 7]);
    assert_eq!(
        pruned_on_record(&store, None).await,
        [(8, 4), (3, 1), (2, 2)].map(|(last, gone)| format!(
            "portcullis store prune versions up to {last} ({gone} of them)"
        ))
    );
    place
        .execute("DELETE FROM revision")
        .await
        .expect_err("refused");
}

async fn it_takes_back_audit_records_of_a_certain_age(place: Place) {
    let store = place.open().await;
    append(&store, 4).await;
    let aged = "UPDATE audit SET at = at - 31 * 86400000000 WHERE sequence <= 2";
    place.execute(aged).await.expect("aged");
    let keep = Retention {
        revisions: None,
        audit_days: Some(30),
    };
    let pruned = store.prune(keep, &pruning()).await.expect("pruned");
    assert_eq!(pruned.audit_records, 2);
    let audit = store.audit(None, u32::MAX).await.expect("read");
    let kept: Vec<u64> = audit.iter().map(|record| record.sequence).collect();
    assert_eq!(kept, [5, 4, 3]);
    assert_eq!(
        pruned_on_record(&store, None).await,
        ["portcullis store prune audit up to 2 (2 of them)"]
    );
    assert_eq!(revisions(&store).await.len(), 4);
}

async fn it_takes_back_nothing_that_is_not_named(place: Place) {
    let store = place.open().await;
    append(&store, 3).await;
    let pruned = store
        .prune(Retention::default(), &pruning())
        .await
        .expect("pruned");
    let nothing = Pruned {
        revisions: 0,
        audit_records: 0,
        module_files: Vec::new(),
    };
    assert_eq!(pruned, nothing);
    assert_eq!(pruned_on_record(&store, None).await, [""; 0]);
    assert_eq!(revisions(&store).await.len(), 3);
}

async fn it_takes_back_uploaded_modules_that_no_revision_names(place: Place) {
    let store = place.open().await;
    append(&store, 1).await;
    let module = |letter: &str, since| Module {
        sha256: letter.repeat(64),
        bytes: 4,
        path: PathBuf::from(format!("/modules/{letter}.wasm")),
        since,
    };
    let long_ago = OffsetDateTime::UNIX_EPOCH;
    let old = ["a", "b", "c", "d"].map(|letter| (letter, long_ago));
    // One is uploaded again.
    let again = ("d", OffsetDateTime::now_utc());
    for (letter, at) in old.into_iter().chain([again]) {
        let uploaded = deed("POST /api/v1/modules sha256:x");
        let module = module(letter, at);
        let kept = store.keep_module(&module, b"\0asm", &uploaded);
        kept.await.expect("kept");
    }
    store.put_module(&module("e", long_ago)).await.expect("put");
    let names_b = format!(r#"{{"module":{{"sha256":"{}"}}}}"#, "b".repeat(64));
    let head = store
        .append(Some(RevisionNumber(1)), by("ada", &names_b))
        .await;
    head.expect("appended");
    let accepts_c = store::StoredGeneration {
        module: "c".repeat(64),
        ..accepted("g", 2)
    };
    store.add_accepted(&accepts_c).await.expect("added");
    let keep = Retention {
        revisions: Some(9),
        audit_days: None,
    };
    let pruned = store.prune(keep, &pruning()).await.expect("pruned");
    assert_eq!(pruned.module_files, [PathBuf::from("/modules/a.wasm")]);
    let of_a = format!("portcullis store prune modules sha256:{}", "a".repeat(64));
    assert_eq!(pruned_on_record(&store, Some("modules")).await, [of_a]);
    let left = store.modules().await.expect("read");
    let left: Vec<&str> = left.iter().map(|module| &module.sha256[..1]).collect();
    assert_eq!(left, ["b", "c", "e", "d"]);
    let content = async |letter: &str| store.module_content(&letter.repeat(64)).await;
    assert_eq!(content("a").await.expect("read"), None);
    assert_eq!(content("b").await.expect("read"), Some(b"\0asm".to_vec()));
    assert_eq!(content("e").await.expect("read"), None);
    // A revision that came to name it too late is refused, instead of one whose module is missing.
    for (letter, is_there) in [("a", false), ("d", true)] {
        let named = NewRevision {
            modules: vec![letter.repeat(64)],
            ..by("ada", "{}")
        };
        let head = store
            .head()
            .await
            .expect("read")
            .map(|head| head.summary.number);
        match store.append(head, named).await {
            Ok(_) => assert!(is_there, "{letter}"),
            Err(AppendError::Missing(missing)) => {
                assert_eq!((missing, is_there), (letter.repeat(64), false));
            }
            Err(error) => panic!("{error}"),
        }
    }
    let taken_back = deed("DELETE /api/v1/modules/b");
    let remove = async || {
        let sha256 = "b".repeat(64);
        let removed = store.remove_module(&sha256, &taken_back);
        removed.await.expect("removed")
    };
    assert!(remove().await);
    let newest = store.audit(None, 1).await.expect("read");
    assert_eq!(newest[0].entry, taken_back);
    assert!(!remove().await);
    // What was not there was not taken back either.
    assert_eq!(store.audit(None, 1).await.expect("read"), newest);
    let of_modules = AuditFilter {
        kind: Some("modules".to_owned()),
        ..AuditFilter::default()
    };
    let of_modules = store.find_audit(&of_modules, None, 9).await.expect("read");
    assert_eq!(of_modules.len(), 6);
    assert_eq!(content("b").await.expect("read"), None);
}
