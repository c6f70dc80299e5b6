//! Rollouts, as far as a restart must know of them.

use store::{
    ConfigStore, Input, KEPT, RevisionNumber, StoredGeneration, StoredRollout, StoredWave,
    UsualCounts, WithheldInput,
};
use time::{Duration, OffsetDateTime};

use crate::places::Place;
use crate::samples::{accepted, append, catalogue, resource};

on_each_database!(
    it_has_the_waves_and_their_envoys_again_when_it_is_opened_again,
    it_keeps_those_that_go_on_and_a_hundred_that_have_ended,
    it_keeps_the_generation_of_a_rollout_and_all_that_it_is_made_from_until_that_ends,
    it_lets_go_of_the_generation_of_a_rollout_that_an_earlier_version_ended,
    it_keeps_the_generation_that_envoys_keep_until_a_later_rollout_is_stored,
    it_knows_what_envoys_keep_until_they_accept_something_or_are_taken_back,
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
        promoted_wave: None,
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
    first.promoted_wave = Some(2);
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

const TABLES: [&str; 3] = ["rollout_generation", "rollout_list", "rollout_content"];

async fn it_keeps_the_generation_of_a_rollout_and_all_that_it_is_made_from_until_that_ends(
    place: Place,
) {
    let store = place.open().await;
    append(&store, 1).await;
    let list = catalogue("data", &[("a", "{}")]);
    store.put_catalogue(&list).await.expect("stored");
    let mut tried = StoredGeneration {
        generation: "abc".to_owned(),
        resources: vec![resource("cluster", 1), resource("listener", 2)],
        ..accepted("abc", 1)
    };
    tried
        .lists
        .insert("data".to_owned(), list.to_generation_list());
    let mut going_on = rollout("1-abc", 0);
    store.put_rollout(&going_on).await.expect("stored");
    assert_eq!(store.generation_of("1-abc").await.expect("read"), None);
    store.keep_generation("1-abc", &tried).await.expect("kept");
    // The bytes that Envoys were given first are those.
    let others = accepted("abc", 1);
    store.keep_generation("1-abc", &others).await.expect("kept");
    // Two days later the server is gone, and others are accepted.
    store.remove_catalogue("data").await.expect("removed");
    let earlier = "UPDATE tool_list SET stored_at = 0";
    place.execute(earlier).await.expect("written");
    for name in ["b", "c", "d", "e"] {
        let other = accepted(name, 1);
        store.add_accepted(&other).await.expect("added");
    }
    store.put_rollout(&going_on).await.expect("stored");
    let kept = store.generation_of("1-abc").await.expect("read");
    assert_eq!(kept, Some(tried));
    let tools = store.tool_list(&list.hash).await.expect("read");
    assert_eq!(tools, Some(list.tools));
    going_on.ended_at = Some(began(1));
    store.put_rollout(&going_on).await.expect("stored");
    assert_eq!(store.generation_of("1-abc").await.expect("read"), None);
    for table in TABLES {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(place.numbers(&count).await, [0], "{table}");
    }
    assert_eq!(place.numbers("SELECT count(*) FROM content").await, [2]);
    assert_eq!(store.tool_list(&list.hash).await.expect("read"), None);
}

async fn it_lets_go_of_the_generation_of_a_rollout_that_an_earlier_version_ended(place: Place) {
    let store = place.open().await;
    append(&store, 1).await;
    let going_on = rollout("1-abc", 0);
    store.put_rollout(&going_on).await.expect("stored");
    let tried = accepted("abc", 1);
    store.keep_generation("1-abc", &tried).await.expect("kept");
    let ended = "UPDATE rollout SET ended_at = 1";
    place.execute(ended).await.expect("written");
    let next = rollout("1-def", 1);
    store.put_rollout(&next).await.expect("stored");
    for table in TABLES.into_iter().chain(["content"]) {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(place.numbers(&count).await, [0], "{table}");
    }
}

async fn it_keeps_the_generation_that_envoys_keep_until_a_later_rollout_is_stored(place: Place) {
    let store = place.open().await;
    append(&store, 1).await;
    let kept = StoredRollout {
        state: KEPT.to_owned(),
        ended_at: Some(began(1)),
        ..rollout("1-abc", 0)
    };
    store.put_rollout(&kept).await.expect("stored");
    let tried = accepted("abc", 1);
    store.keep_generation("1-abc", &tried).await.expect("kept");
    store.put_rollout(&kept).await.expect("stored");
    let read = store.generation_of("1-abc").await.expect("read");
    assert_eq!(read, Some(tried));
    let next = rollout("1-def", 1);
    store.put_rollout(&next).await.expect("stored");
    assert_eq!(store.generation_of("1-abc").await.expect("read"), None);
}

async fn it_knows_what_envoys_keep_until_they_accept_something_or_are_taken_back(place: Place) {
    let store = place.open().await;
    append(&store, 2).await;
    let withheld = |number, is_in_force| WithheldInput {
        input: Input::Revision(RevisionNumber(number)),
        reason: String::new(),
        at: began(0),
        is_in_force,
    };
    let known = async || store.withheld().await.expect("read");
    let taken_back = withheld(2, false);
    let (kept, kept_too) = (withheld(3, true), withheld(4, true));
    for one in [&taken_back, &kept, &kept_too] {
        store.withhold(one).await.expect("withheld");
    }
    assert_eq!(known().await, [taken_back.clone(), kept.clone(), kept_too]);
    let later = withheld(5, false);
    store.withhold(&later).await.expect("withheld");
    assert_eq!(known().await, [taken_back.clone(), later.clone()]);
    store.withhold(&kept).await.expect("withheld");
    let generation = accepted("abc", 1);
    store.add_accepted(&generation).await.expect("added");
    assert_eq!(known().await, [taken_back, later]);
}
