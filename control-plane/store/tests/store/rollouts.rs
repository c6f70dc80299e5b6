//! Rollouts, as far as a restart must know of them.

use store::{ConfigStore, RevisionNumber, StoredRollout, StoredWave, UsualCounts};
use time::{Duration, OffsetDateTime};

use crate::places::Place;
use crate::samples::append;

on_each_database!(
    it_has_the_waves_and_their_envoys_again_when_it_is_opened_again,
    it_keeps_those_that_go_on_and_a_hundred_that_have_ended,
);

fn began(second: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_000_000 + second).expect("a time")
}

pub fn rollout(id: &str, second: i64) -> StoredRollout {
    let wave = |reach: &str, soak_ms, nodes: &[&str]| StoredWave {
        reach: reach.to_owned(),
        soak_ms,
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
    };
    StoredRollout {
        id: id.to_owned(),
        revision: RevisionNumber(1),
        generation: "abc".to_owned(),
        wave: 1,
        state: "soaking".to_owned(),
        is_paused: false,
        reason: String::new(),
        began_at: began(second),
        ended_at: None,
        waves: vec![
            wave("canary", 60_000, &["a", "b"]),
            wave("25%", 0, &["c"]),
            wave("100%", 0, &[]),
        ],
        usual: vec![UsualCounts {
            node: "a".to_owned(),
            requests: 100,
            failures: 3,
            refusals: 2,
        }],
    }
}

async fn it_has_the_waves_and_their_envoys_again_when_it_is_opened_again(place: Place) {
    let store = place.open().await;
    append(&store, 1).await;
    assert_eq!(store.rollouts().await.expect("read"), []);
    let mut first = rollout("1-abc", 0);
    store.put_rollout(&first).await.expect("stored");
    first.waves[2].nodes = vec!["d".to_owned()];
    first.wave = 2;
    first.is_paused = true;
    store.put_rollout(&first).await.expect("stored");
    let second = rollout("1-def", 1);
    store.put_rollout(&second).await.expect("stored");
    store.close().await;
    let store = place.open().await;
    assert_eq!(store.rollouts().await.expect("read"), [second, first]);
}

async fn it_keeps_those_that_go_on_and_a_hundred_that_have_ended(place: Place) {
    let store = place.open().await;
    append(&store, 1).await;
    let going_on = rollout("going-on", 0);
    store.put_rollout(&going_on).await.expect("stored");
    for second in 1..=102 {
        let ended = StoredRollout {
            state: "accepted".to_owned(),
            reason: "why".to_owned(),
            ended_at: Some(began(second) + Duration::seconds(1)),
            ..rollout(&format!("{second:03}"), second)
        };
        store.put_rollout(&ended).await.expect("stored");
    }
    let rollouts = store.rollouts().await.expect("read");
    let ids: Vec<&str> = rollouts.iter().map(|rollout| &*rollout.id).collect();
    assert_eq!(ids.len(), 101);
    assert_eq!((ids[0], ids[1], ids[100]), ("going-on", "102", "003"));
    assert_eq!(rollouts[0], going_on);
}
