//! One leader at a time.

use std::time::Duration;

use store::{AppendError, ConfigStore, Leadership, SqlStore, StoreError};

use crate::places::Place;
use crate::samples::{append, by, revisions};

/// Longer than any of these tests.
const LONG: Duration = Duration::from_secs(3600);

on_each_database!(
    it_tells_a_leader_that_has_missed_a_revision_to_start_anew,
    it_lets_another_process_lead_at_once_when_the_leader_stops,
);

async fn leads(store: &SqlStore, name: &str, lease: Duration) -> bool {
    let answer = store.lead(name, lease).await.expect("answered");
    matches!(answer, Leadership::Leader(_))
}

#[tokio::test]
async fn it_refuses_every_write_of_a_leader_once_another_one_leads() {
    let place = Place::postgres().await;
    let (first, second) = (place.open().await, place.open().await);
    assert!(leads(&first, "first", Duration::ZERO).await);
    append(&first, 1).await;
    assert!(leads(&second, "second", LONG).await);

    let head = first
        .head()
        .await
        .expect("read")
        .map(|head| head.summary.number);
    let refused = first
        .append(head, by("ada", "{}"))
        .await
        .expect_err("refused");
    assert!(
        matches!(refused, AppendError::Store(StoreError::Superseded)),
        "{refused}"
    );
    let refused = first.release_withheld().await.expect_err("refused");
    assert!(matches!(refused, StoreError::Superseded), "{refused}");
    let refused = first.lead("first", LONG).await.expect_err("refused");
    assert!(matches!(refused, StoreError::Superseded), "{refused}");
    // What it reads is still true.
    assert_eq!(revisions(&first).await, [1]);
    second
        .append(head, by("grace", "{}"))
        .await
        .expect("appended");
    assert_eq!(revisions(&first).await, [2, 1]);
}

async fn it_tells_a_leader_that_has_missed_a_revision_to_start_anew(place: Place) {
    let (leader, other) = (place.open().await, place.open().await);
    assert!(leads(&leader, "leader", LONG).await);
    append(&other, 1).await;
    let refused = leader
        .append(None, by("ada", "{}"))
        .await
        .expect_err("refused");
    assert!(matches!(refused, AppendError::Conflict { .. }), "{refused}");
    let refused = leader.lead("leader", LONG).await.expect_err("refused");
    assert!(matches!(refused, StoreError::Superseded), "{refused}");
}

async fn it_lets_another_process_lead_at_once_when_the_leader_stops(place: Place) {
    let (first, second) = (place.open().await, place.open().await);
    assert!(leads(&first, "first", LONG).await);
    first.stop_leading().await.expect("stopped");
    assert!(leads(&second, "second", LONG).await);
}

#[tokio::test]
async fn it_lets_one_process_at_a_time_lead_on_a_file_until_that_ends() {
    let place = Place::file();
    let (first, second) = (place.open().await, place.open().await);
    assert!(leads(&first, "first", Duration::ZERO).await);
    append(&first, 1).await;
    for _ in 0..2 {
        let answer = second.lead("second", LONG).await.expect("answered");
        let Leadership::Follower { leader } = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(leader, "first");
        assert!(leads(&first, "first", Duration::ZERO).await);
    }
    // A process that crashes says nothing.
    drop(first);
    assert!(leads(&second, "second", LONG).await);
    assert_eq!(revisions(&second).await, [1]);
}

#[tokio::test]
async fn it_shows_who_leads_to_whoever_asks_meanwhile() {
    let place = Place::postgres().await;
    let (leader, follower) = (place.open().await, place.open().await);
    assert!(leads(&leader, "leader", LONG).await);
    let answer = follower.lead("follower", LONG).await.expect("answered");
    let Leadership::Follower { leader: name } = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(name, "leader");
    // Whoever follows may read, and has no claim that could end.
    append(&leader, 1).await;
    assert_eq!(revisions(&follower).await, [1]);
}

#[tokio::test]
async fn it_keeps_its_token_while_it_renews_and_gives_the_next_leader_a_greater_one() {
    let place = Place::postgres().await;
    let (first, second) = (place.open().await, place.open().await);
    let one = first.lead("first", Duration::ZERO).await.expect("answered");
    // Nobody has come since its lease ended.
    assert_eq!(first.lead("first", Duration::ZERO).await.expect("led"), one);
    let two = second.lead("second", LONG).await.expect("answered");
    let (Leadership::Leader(one), Leadership::Leader(two)) = (&one, &two) else {
        panic!("{one:?}, {two:?}");
    };
    assert!(two > one);
}

#[tokio::test]
async fn it_hears_of_a_revision_and_of_a_leader_that_stops() {
    let place = Place::postgres().await;
    let (leader, follower) = (place.open().await, place.open().await);
    assert!(leads(&leader, "leader", LONG).await);
    let hears = || {
        let follower = follower.clone();
        tokio::spawn(async move { follower.changed().await })
    };
    // The listener has to be there before something is announced: until it is, announce again.
    let heard = hears();
    let mut head = None;
    while !heard.is_finished() {
        let appended = leader
            .append(head, by("ada", "{}"))
            .await
            .expect("appended");
        head = Some(appended.summary.number);
    }
    heard.await.expect("no panic");
    let announced = leader.stop_leading().await;
    announced.expect("stopped");
    hears().await.expect("no panic");
}
