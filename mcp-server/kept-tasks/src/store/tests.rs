//! Tests of the store: who finds a task, when, and how many there may be.

use std::time::Duration;

use fair_shares::Claimant;
use serde_json::json;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::TaskOutcome;

/// Longer than any test.
const PATIENCE: Duration = Duration::from_secs(600);

fn store(folder: &TempDir, most: usize, quota: u64, ttl: Duration) -> Arc<TaskStore> {
    Arc::new(TaskStore::new(TaskStoreSettings {
        folder: folder.path().join("tasks"),
        ttl,
        most,
        quota,
    }))
}

fn usual(folder: &TempDir) -> Arc<TaskStore> {
    store(folder, 8, 1 << 20, Duration::from_secs(3600))
}

fn begun(store: &Arc<TaskStore>, owner: Option<&str>) -> TaskPlace {
    try_begin(store, owner).expect("there is a place")
}

fn try_begin(store: &Arc<TaskStore>, owner: Option<&str>) -> Result<TaskPlace, NotBegun> {
    try_begin_with(store, owner, 0)
}

fn try_begin_with(
    store: &Arc<TaskStore>,
    owner: Option<&str>,
    request_bytes: u64,
) -> Result<TaskPlace, NotBegun> {
    let claimant = Claimant::of(owner, None, true);
    try_begin_for(store, owner, claimant, request_bytes)
}

fn try_begin_for(
    store: &Arc<TaskStore>,
    owner: Option<&str>,
    claimant: Claimant,
    request_bytes: u64,
) -> Result<TaskPlace, NotBegun> {
    store.begin(Beginning {
        owner: owner.map(ToOwned::to_owned),
        claimant,
        tool: "work".to_owned(),
        changes: true,
        request_bytes,
        cancel: CancellationToken::new(),
    })
}

fn answer(structured: usize) -> TaskOutcome {
    let result = json!({"content": [{"type": "text", "text": "line\nline"}]});
    let Value::Object(result) = result else {
        unreachable!("it is an object")
    };
    TaskOutcome::Completed {
        result,
        structured: Some(vec![b'\n'; structured].into()),
    }
}

fn question() -> rmcp::model::InputRequest {
    serde_json::from_value(json!({"method": "roots/list"})).expect("a request")
}

#[test]
fn it_gives_a_task_to_its_owner_alone_while_it_runs_and_after_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = usual(&folder);
    let place = begun(&store, Some("ada"));
    let id = place.id();
    let check = |is_over: bool| {
        let view = store.look(&id, Some("ada")).expect("her own");
        assert_eq!(matches!(view.state, TaskState::Over(_)), is_over);
        for other in [None, Some("bob")] {
            assert!(store.look(&id, other).is_err());
            assert!(store.cancel(&id, other).is_err());
            assert!(store.answer(&id, other, []).is_err());
        }
        for spelling in [
            id.to_uppercase(),
            format!("{id} "),
            String::new(),
            "../x".to_owned(),
        ] {
            assert!(store.look(&spelling, Some("ada")).is_err(), "{spelling}");
        }
    };
    check(false);
    place.end(answer(9)).expect("there is room");
    check(true);
    let view = store.look(&id, Some("ada")).expect("it is kept");
    let TaskState::Over(outcome) = view.state else {
        panic!("it is over");
    };
    assert_eq!(outcome, answer(9));
}

#[test]
fn it_finds_after_a_restart_what_had_ended_and_says_what_was_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let before = usual(&folder);
    let (ended, stopped) = (begun(&before, None), begun(&before, None));
    let ids = [ended.id(), stopped.id()];
    ended.end(answer(0)).expect("there is room");
    let after = usual(&folder);
    // The other process has not ended yet.
    let view = after.look(&ids[1], None).expect("it is known");
    assert!(matches!(view.state, TaskState::Working(None)));
    drop((stopped, before));
    // Somebody else looks at the same time.
    let looked_at = File::open(after.folder.path(ids[1].parse().expect("an id")));
    let looked_at = looked_at.expect("its file");
    looked_at.lock_shared().expect("nobody runs it");
    let states = ids.map(|id| after.look(&id, None).expect("it is known").state);
    assert!(matches!(states[0], TaskState::Over(_)));
    let TaskState::Lost { tool, changes } = &states[1] else {
        panic!("{states:?}");
    };
    assert_eq!((tool.as_str(), *changes), ("work", true));
}

#[test]
fn it_keeps_no_more_tasks_than_it_may_and_takes_back_those_that_have_expired() {
    let folder = tempfile::tempdir().expect("a folder");
    let brief = store(&folder, 2, 1 << 20, Duration::ZERO);
    let (first, second) = (begun(&brief, None), begun(&brief, Some("bob")));
    let refused = try_begin(&brief, None).expect_err("there are two");
    assert!(matches!(refused, NotBegun::TooMany { most: 2 }));
    // Its time is over, but whoever runs it has not ended it.
    brief.sweep().expect("a disk");
    assert!(try_begin(&brief, None).is_err());
    let ended = first.id();
    first.end(answer(1)).expect("there is room");
    drop(second);
    let third = begun(&brief, Some("bob"));
    // What has ended is kept for a while, so that its caller hears of it.
    assert!(brief.look(&ended, None).is_ok());
    assert!(try_begin(&brief, None).is_err());
    drop(third);
}

#[test]
fn it_removes_what_has_expired_beside_what_cannot_be_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let brief = store(&folder, 8, 1 << 20, Duration::ZERO);
    for number in 0..4 {
        drop(begun(&brief, None));
        let strange = folder.path().join(format!("tasks/{number}.task"));
        std::fs::create_dir(strange).expect("a folder");
    }
    brief.sweep().expect_err("folders are no tasks");
    let left = brief.folder.files().expect("a folder");
    assert!(
        left.len() == 4 && left.iter().all(|path| path.is_dir()),
        "{left:?}"
    );
    let account = Claimant::Unknown.to_string();
    assert!(brief.used().have_place(&account, 1));
}

#[test]
fn it_takes_no_answer_that_is_over_the_quota_but_says_so_in_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = store(&folder, 8, 20_000, Duration::from_secs(60));
    let place = begun(&small, None);
    let (second, third) = (begun(&small, Some("bob")), begun(&small, Some("eve")));
    let id = place.id();
    let refused = place.end(answer(10_001)).expect_err("half is for one");
    assert!(matches!(refused, NotKept::QuotaUsed { most: 20_000 }));
    place.end(answer(9_000)).expect("it fits");
    second.end(answer(5_000)).expect("half of what is left");
    assert!(third.end(answer(9_000)).is_err());
    third.end(answer(100)).expect("a short end always fits");
    assert!(small.look(&id, None).is_ok());
}

#[test]
fn it_leaves_half_of_what_is_free_to_others_however_much_one_owner_takes() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || store(&folder, 64, 100_000, Duration::from_secs(60));
    let before = open();
    let fill = |store: &Arc<TaskStore>, owner| {
        let take = |_: &u8| match try_begin(store, Some(owner)) {
            Ok(place) => place.end(answer(9_000)).is_ok(),
            Err(_) => false,
        };
        (0..64).take_while(take).count()
    };
    assert_eq!(fill(&before, "mallory"), 5);
    assert_eq!(fill(&before, "bob"), 2);
    // A server that begins anew knows whose the tasks are.
    let after = open();
    after.sweep().expect("a disk");
    assert_eq!(fill(&after, "mallory"), 0);
    let refused = try_begin(&after, Some("mallory")).expect_err("what it may have is in use");
    assert!(matches!(refused, NotBegun::QuotaUsed { most: 100_000 }));
    assert_eq!(fill(&after, "eve"), 1);
}

#[test]
fn it_leaves_half_of_the_free_places_to_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder, 8, 1 << 20, Duration::from_secs(60));
    let mut places = Vec::new();
    for (owner, most) in [(Some("mallory"), 4), (Some("bob"), 2), (None, 1)] {
        let begun: Vec<_> = (0..8)
            .map_while(|_| try_begin(&store, owner).ok())
            .collect();
        assert_eq!(begun.len(), most, "{owner:?}");
        places.extend(begun);
    }
}

#[test]
fn it_counts_the_tasks_of_callers_without_a_name_by_their_addresses() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || store(&folder, 8, 1 << 20, Duration::from_secs(60));
    let fill = |store: &Arc<TaskStore>, host: u8| {
        let claimant = Claimant::of(None, Some([127, 0, 0, host].into()), false);
        let begin = || try_begin_for(store, None, claimant.clone(), 0).ok();
        let ended = std::iter::from_fn(begin).map(|place| place.end(answer(0)));
        ended.filter(Result::is_ok).count()
    };
    let before = open();
    assert_eq!((fill(&before, 1), fill(&before, 2)), (4, 2));
    // A server that begins anew knows it from the files.
    let after = open();
    after.sweep().expect("a disk");
    assert_eq!((fill(&after, 1), fill(&after, 3)), (0, 1));
}

#[tokio::test]
async fn it_waits_for_an_answer_to_every_question_and_leaves_what_it_has_not_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = usual(&folder);
    let place = begun(&store, None);
    let id = place.id();
    let questions = ["a", "b"].map(|name| (name.to_owned(), question()));
    let asked = tokio::spawn(async move { (place.ask(questions.into(), PATIENCE).await, place) });
    let open = async || {
        for _ in 0..10_000 {
            if let TaskState::Asking(open) = store.look(&id, None).expect("it runs").state {
                return open.into_keys().collect::<Vec<_>>();
            }
            tokio::task::yield_now().await;
        }
        panic!("it does not ask");
    };
    assert_eq!(open().await, ["a", "b"]);
    let said = |name: &str, value: u8| [(name.to_owned(), json!(value))];
    store.answer(&id, None, said("c", 0)).expect("it runs");
    store.answer(&id, None, said("a", 1)).expect("it runs");
    store.answer(&id, None, said("a", 2)).expect("it runs");
    assert_eq!(open().await, ["b"]);
    store.answer(&id, None, said("b", 3)).expect("it runs");
    let (answers, place) = asked.await.expect("it ends");
    let expected = [("a".to_owned(), json!(1)), ("b".to_owned(), json!(3))];
    assert_eq!(answers, Ok(expected.into()));
    store.cancel(&id, None).expect("it runs");
    let stopped = place
        .ask([("c".to_owned(), question())].into(), PATIENCE)
        .await;
    assert_eq!(stopped, Err(NotAnswered::Stopped));
}

#[test]
fn it_counts_the_requests_of_tasks_until_they_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = usual(&folder);
    let begin = |bytes| try_begin_with(&store, Some("ada"), bytes);
    let first = begin(400_000).expect("there is room");
    for _ in 0..2 {
        let refused = begin(200_000).expect_err("the half is full");
        assert!(matches!(refused, NotBegun::QuotaUsed { .. }), "{refused}");
        try_begin_with(&store, Some("bob"), 200_000).expect("others have room");
        store.sweep().expect("a disk");
    }
    first.end(answer(10)).expect("a disk");
    drop(begin(450_000).expect("the first has ended"));
    begin(450_000).expect("the second was given up");
}

#[test]
fn it_ends_no_count_of_a_request_while_a_sweep_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = usual(&folder);
    let place = try_begin_with(&store, None, 1000).expect("there is room");
    let sweeping = store.counting.write();
    std::thread::scope(|scope| {
        let (begin, begun) = std::sync::mpsc::channel();
        let dropping = scope.spawn(move || {
            begin.send(()).expect("the test waits");
            drop(place);
        });
        begun.recv().expect("it begins");
        for _ in 0..1000 {
            std::thread::yield_now();
            assert!(!dropping.is_finished(), "it has to wait");
        }
        drop(sweeping);
    });
    assert!(store.running().is_empty());
}

#[tokio::test]
async fn it_waits_for_answers_no_longer_than_it_may() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = begun(&usual(&folder), None);
    let questions = [("a".to_owned(), question())];
    let late = place.ask(questions.into(), Duration::ZERO).await;
    assert_eq!(late, Err(NotAnswered::Late));
}
