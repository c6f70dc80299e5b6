//! Retention: what an operator takes back, and what stays in any case.

use store::{ConfigStore, Pruned, Retention, RevisionNumber, StoredRollout};

use crate::places::Place;
use crate::rollouts::rollout;
use crate::samples::{accepted, append, revisions};

on_each_database!(
    it_keeps_the_newest_revisions_and_those_that_are_needed,
    it_takes_back_audit_records_of_a_certain_age,
    it_takes_back_nothing_that_is_not_named,
);

async fn it_keeps_the_newest_revisions_and_those_that_are_needed(place: Place) {
    let store = place.open().await;
    append(&store, 9).await;
    store.add_accepted(&accepted("g", 4)).await.expect("added");
    let keep = |revisions| Retention {
        revisions: Some(revisions),
        audit_days: None,
    };
    let pruned = store.prune(keep(7)).await.expect("pruned");
    assert_eq!(pruned.revisions, 2);
    assert_eq!(revisions(&store).await, [9, 8, 7, 6, 5, 4, 3]);
    store.prune(keep(2)).await.expect("pruned");
    assert_eq!(revisions(&store).await, [9, 8, 7, 6, 5, 4]);
    store.remove_accepted("g").await.expect("removed");
    let shown = StoredRollout {
        revision: RevisionNumber(7),
        ..rollout("r", 0)
    };
    store.put_rollout(&shown).await.expect("put");
    store.prune(keep(0)).await.expect("pruned");
    assert_eq!(revisions(&store).await, [9, 7]);
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
    let pruned = store.prune(keep).await.expect("pruned");
    assert_eq!(pruned.audit_records, 2);
    let audit = store.audit(None, u32::MAX).await.expect("read");
    let kept: Vec<u64> = audit.iter().map(|record| record.sequence).collect();
    assert_eq!(kept, [4, 3]);
    assert_eq!(revisions(&store).await.len(), 4);
}

async fn it_takes_back_nothing_that_is_not_named(place: Place) {
    let store = place.open().await;
    append(&store, 3).await;
    let pruned = store.prune(Retention::default()).await.expect("pruned");
    let nothing = Pruned {
        revisions: 0,
        audit_records: 0,
    };
    assert_eq!(pruned, nothing);
    assert_eq!(revisions(&store).await.len(), 3);
}
