//! Accepted generations, and what Envoys rejected.

use std::collections::BTreeMap;

use store::{
    ConfigStore, Retention, RevisionNumber, StoreError, StoredGeneration, StoredRejection,
    StoredRejectionChange,
};
use time::OffsetDateTime;

use crate::places::Place;
use crate::samples::{accepted, append, by, deed, resource};

on_each_database!(
    it_keeps_the_last_three_accepted_generations_and_no_content_beyond_them,
    it_remembers_each_accepted_revision_also_where_two_are_one_generation,
    it_keeps_one_rejection_of_each_resource_until_it_is_told_that_it_is_over,
    it_accepts_no_generation_of_an_unknown_revision,
    it_forgets_the_oldest_rejections_beyond_fifty_thousand,
    it_keeps_what_an_envoy_says_with_a_nul_in_it,
);

async fn it_keeps_the_last_three_accepted_generations_and_no_content_beyond_them(place: Place) {
    let store = place.open().await;
    store.append(None, by("ada", "1")).await.expect("appended");
    let accepted = |number: u8| StoredGeneration {
        generation: number.to_string(),
        revision: RevisionNumber(1),
        lists: BTreeMap::new(),
        module: String::new(),
        resources: vec![resource("cluster", 1), resource("listener", number)],
    };
    for number in 1..=5 {
        store.add_accepted(&accepted(number)).await.expect("added");
    }
    let newest = [accepted(5), accepted(4), accepted(3)];
    assert_eq!(store.accepted().await.expect("read"), newest);
    // One that is accepted again and again takes the place of none.
    for _ in 0..3 {
        store.add_accepted(&accepted(5)).await.expect("added");
    }
    assert_eq!(store.accepted().await.expect("read"), newest);
    store.remove_accepted("5").await.expect("removed");
    assert_eq!(store.accepted().await.expect("read"), newest[1..]);
    assert_eq!(place.numbers("SELECT count(*) FROM content").await, [3]);
}

async fn it_remembers_each_accepted_revision_also_where_two_are_one_generation(place: Place) {
    let store = place.open().await;
    append(&store, 9).await;
    let before = async |number| {
        let last = store.last_accepted_revision(RevisionNumber(number)).await;
        last.expect("read").map(|revision| revision.0)
    };
    assert_eq!(before(9).await, None);
    // The third was never accepted, and the fourth is the generation of the second again.
    for (generation, revision) in [("a", 1), ("b", 2), ("b", 4), ("c", 5), ("d", 6), ("e", 7)] {
        let accepted = accepted(generation, revision);
        store.add_accepted(&accepted).await.expect("added");
    }
    let last = [9, 7, 6, 5, 4, 3, 2, 1];
    let mut found = Vec::new();
    for number in last {
        found.push(before(number).await);
    }
    let expected = [
        Some(7),
        Some(6),
        Some(5),
        Some(4),
        Some(2),
        Some(2),
        Some(1),
        None,
    ];
    assert_eq!(found, expected);
    // With other lists it is another generation; that one turns out bad, the revision does not.
    let listed_anew = accepted("f", 7);
    store.add_accepted(&listed_anew).await.expect("added");
    store.remove_accepted("f").await.expect("removed");
    assert_eq!(before(9).await, Some(7));
    store.remove_accepted("e").await.expect("removed");
    assert_eq!(before(9).await, Some(6));
    let pruned = Retention {
        revisions: Some(1),
        audit_days: None,
    };
    store.remove_accepted("c").await.expect("removed");
    store
        .prune(pruned, &deed("portcullis store prune"))
        .await
        .expect("pruned");
    assert_eq!((before(9).await, before(6).await), (Some(6), None));
}

async fn it_keeps_one_rejection_of_each_resource_until_it_is_told_that_it_is_over(place: Place) {
    let store = place.open().await;
    let rejection = |name: &str, version: &str| StoredRejection {
        node: "envoy".to_owned(),
        type_url: "listener".to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
        message: String::new(),
        run_on: (version == "2").then(|| "0".to_owned()),
        at: OffsetDateTime::UNIX_EPOCH,
    };
    let rejected = [
        rejection("a", "1"),
        rejection("a", "2"),
        rejection("b", "1"),
    ]
    .map(StoredRejectionChange::Rejected);
    store.change_rejections(&rejected).await.expect("changed");
    let kept = [rejection("a", "2"), rejection("b", "1")];
    assert_eq!(store.rejections().await.expect("read"), kept);
    let ended = StoredRejectionChange::Ended {
        node: "envoy".to_owned(),
        type_url: "listener".to_owned(),
        name: "a".to_owned(),
    };
    store.change_rejections(&[ended]).await.expect("changed");
    assert_eq!(store.rejections().await.expect("read"), kept[1..]);
}

async fn it_accepts_no_generation_of_an_unknown_revision(place: Place) {
    let store = place.open().await;
    let accepted = StoredGeneration {
        generation: "g".to_owned(),
        revision: RevisionNumber(7),
        lists: BTreeMap::new(),
        module: String::new(),
        resources: Vec::new(),
    };
    let refused = store.add_accepted(&accepted).await.expect_err("refused");
    assert!(matches!(refused, StoreError::Database { .. }), "{refused}");
    assert_eq!(store.accepted().await.expect("read"), []);
}

async fn it_forgets_the_oldest_rejections_beyond_fifty_thousand(place: Place) {
    let store = place.open().await;
    let fifty_thousand_and_one = "WITH RECURSIVE n (i) AS \
        (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) \
        INSERT INTO rejection (node, type_url, name, version, message, at) \
        SELECT 'envoy', 'listener', CAST(i AS TEXT), '1', '', i FROM n";
    place
        .execute(fifty_thousand_and_one)
        .await
        .expect("written");
    let last = StoredRejectionChange::Rejected(StoredRejection {
        node: "envoy".to_owned(),
        type_url: "listener".to_owned(),
        name: "last".to_owned(),
        version: "1".to_owned(),
        message: String::new(),
        run_on: None,
        at: OffsetDateTime::now_utc(),
    });
    store.change_rejections(&[last]).await.expect("changed");
    let of = "SELECT count(*) FROM rejection";
    assert_eq!(place.numbers(of).await, [50_000]);
    assert_eq!(place.numbers("SELECT min(at) FROM rejection").await, [2]);
}

async fn it_keeps_what_an_envoy_says_with_a_nul_in_it(place: Place) {
    let store = place.open().await;
    let rejection = |name: &str, message: &str| StoredRejection {
        node: "envoy".to_owned(),
        type_url: "listener".to_owned(),
        name: name.to_owned(),
        version: "1".to_owned(),
        message: message.to_owned(),
        run_on: None,
        at: OffsetDateTime::UNIX_EPOCH,
    };
    let rejected = [rejection("a", "in\0use"), rejection("b", "in use")];
    let changes = rejected.map(StoredRejectionChange::Rejected);
    store.change_rejections(&changes).await.expect("changed");
    let kept = store.rejections().await.expect("read");
    let messages: Vec<&str> = kept.iter().map(|kept| &*kept.message).collect();
    // PostgreSQL cannot hold U+0000, and shows where it was.
    assert!(["in\0use", "in\u{2400}use"].contains(&messages[0]));
    assert_eq!(messages[1], "in use");
}
