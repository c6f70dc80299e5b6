//! The settlement of limits in a store that other workers use, too.

#[path = "in_memory/store.rs"]
mod store;

use std::time::Duration;

use policy_engine::settlement::{Settled, Settlement, SettlementStep, Stored, Unavailable};
use policy_engine::slots::{HashKey, SLOT_COUNT, SlotVersion};
use policy_engine::wire::FilterConfig;
use policy_engine::{
    Arguments, Decision, PendingLimits, Policy, Principal, Refusal, SchemaCache, UnixNanos, compile,
};
use store::Store;

const START: UnixNanos = UnixNanos(1_790_000_000_000_000_000);

/// A policy whose tool `t` is watched by these limits, each `(id, calls per minute)`.
fn policy(limits: &[(&str, u64)]) -> Policy {
    let limits: Vec<String> = limits
        .iter()
        .map(|(id, requests)| {
            format!(r#"{{"id":"{id}","per":["tool"],"requests":{requests},"window_ms":60000}}"#)
        })
        .collect();
    let config: FilterConfig = serde_json::from_str(&format!(
        r#"{{"version":1,"listener":"l","allowed_hosts":["*"],"allowed_origins":[],
        "max_body_bytes":1024,"max_depth":8,
        "endpoints":[{{"path":"/mcp","servers":["s"],"forward":"s"}}],
        "servers":{{"s":{{"cluster":"s","path":"/mcp","tools":{{"t":{{}}}}}}}},
        "defaults":{{"access":"allow","validate":"off"}},
        "rules":[{{"name":"r","limits":[{}]}}]}}"#,
        limits.join(",")
    ))
    .unwrap();
    compile(&config, &mut SchemaCache::new()).unwrap()
}

fn pending(policy: &Policy) -> PendingLimits {
    let endpoint = policy.endpoint(b"/mcp").unwrap();
    let tool = policy.tool(endpoint, b"t").unwrap();
    match policy.decide(tool, &Principal::Anonymous, Arguments::NotRead) {
        Decision::Limit(pending) => pending,
        other => panic!("{other:?}"),
    }
}

fn passes(data: &Store<'_>, policy: &Policy, now: UnixNanos) -> bool {
    match data.settle(policy, pending(policy), now) {
        Settled::Passed(plan) => {
            assert_eq!(policy.cluster(plan.target()), "s");
            true
        }
        Settled::Refused(refusal) => {
            assert!(matches!(refusal, Refusal::Limited { .. }));
            false
        }
        Settled::Unavailable(why) => panic!("{why}"),
    }
}

fn later(by: Duration) -> UnixNanos {
    UnixNanos(START.0 + u64::try_from(by.as_nanos()).unwrap())
}

/// Lets another worker count a call by a policy before the write of this number, from now on.
fn interrupt<'a>(data: &Store<'a>, write: usize, policy: &'a Policy, now: UnixNanos) {
    let take = move |data: &Store<'_>| assert!(passes(data, policy, now));
    let write = data.writes.get() + write;
    data.interruptions
        .borrow_mut()
        .insert(write, Box::new(take));
}

#[test]
fn it_admits_what_the_tightest_limit_admits() {
    let data = Store::default();
    let policy = policy(&[("wide", 10), ("narrow", 3), ("middle", 5)]);
    let admitted = (0..20).filter(|_| passes(&data, &policy, START)).count();
    assert_eq!(admitted, 3);
    assert!(passes(&data, &policy, later(Duration::from_secs(20))));
    assert!(!passes(&data, &policy, later(Duration::from_secs(20))));
}

#[test]
fn it_lets_a_changed_rate_take_hold_at_once_and_names_a_wait_that_is_true() {
    let (one, sixty, two) = (
        policy(&[("a", 1)]),
        policy(&[("a", 60)]),
        policy(&[("a", 2)]),
    );
    let data = Store::default();
    let passed = |policy: &Policy, now| (0..100).filter(|_| passes(&data, policy, now)).count();
    assert_eq!(passed(&one, START), 1);
    assert_eq!(passed(&sixty, START), 59, "one call is owed");
    // Lowered: what was used counts, up to the new burst, and no longer than that takes.
    let seconds = |seconds| later(Duration::from_secs(seconds));
    let settled = data.settle(&two, pending(&two), seconds(1));
    let Settled::Refused(refusal) = settled else {
        panic!("{settled:?}");
    };
    assert_eq!(refusal.retry_after_seconds(), Some(30));
    assert_eq!(passed(&two, seconds(30)), 0);
    assert_eq!(passed(&two, seconds(31)), 1);
    // Another worker writes between the look and the restatement: then the next refusal says it.
    interrupt(&data, 0, &sixty, seconds(32));
    assert!(!passes(&data, &one, seconds(32)));
    assert_eq!(passed(&one, seconds(33)), 0);
    assert_eq!(passed(&one, seconds(93)), 1);
}

#[test]
fn it_takes_from_no_bucket_when_one_of_them_refuses() {
    let data = Store::default();
    let both = policy(&[("narrow", 1), ("wide", 5)]);
    let wide_only = policy(&[("wide", 5)]);
    for _ in 0..10 {
        let _ = passes(&data, &both, START);
    }
    // One call of ten was counted in the wide bucket: four are left.
    assert_eq!(
        (0..10).filter(|_| passes(&data, &wide_only, START)).count(),
        4
    );
}

#[test]
fn it_counts_a_call_of_another_worker_that_came_between() {
    let one = policy(&[("a", 2)]);
    let data = Store::default();
    interrupt(&data, 0, &one, START);
    assert!(passes(&data, &one, START));
    assert!(!passes(&data, &one, START));
}

#[test]
fn it_refuses_when_another_worker_took_the_last_call() {
    let one = policy(&[("a", 1)]);
    let data = Store::default();
    interrupt(&data, 0, &one, START);
    assert!(!passes(&data, &one, START));
}

#[test]
fn it_gives_back_what_it_took_when_a_later_bucket_turns_out_to_be_full() {
    let both = policy(&[("first", 5), ("second", 1)]);
    let (first, second) = (policy(&[("first", 5)]), policy(&[("second", 1)]));
    let data = Store::default();
    // The other worker empties the second bucket after we have written the first.
    interrupt(&data, 1, &second, START);
    assert!(!passes(&data, &both, START));
    assert_eq!((0..10).filter(|_| passes(&data, &first, START)).count(), 5);
}

#[test]
fn it_gives_back_even_when_others_use_the_bucket_meanwhile() {
    let both = policy(&[("first", 5), ("second", 1)]);
    let (first, second) = (policy(&[("first", 5)]), policy(&[("second", 1)]));
    let data = Store::default();
    // Writes: the first bucket; the other worker's in the second, which makes ours there fail; the
    // first again, to give back, which fails once.
    interrupt(&data, 1, &second, START);
    interrupt(&data, 3, &first, START);
    assert!(!passes(&data, &both, START));
    assert_eq!((0..10).filter(|_| passes(&data, &first, START)).count(), 4);
}

#[test]
fn it_lets_nothing_pass_that_it_cannot_count() {
    let data = Store::default();
    data.lost_races.set(u32::MAX);
    let policy = policy(&[("a", 100)]);
    assert!(matches!(
        data.settle(&policy, pending(&policy), START),
        Settled::Unavailable(Unavailable::Contended(_))
    ));
}

#[test]
fn it_lets_nothing_pass_by_state_that_no_filter_wrote() {
    let data = Store::default();
    let policy = policy(&[("a", 100)]);
    assert!(passes(&data, &policy, START));
    for (bytes, _) in data.slots.borrow_mut().values_mut() {
        *bytes = b"garbage".to_vec();
    }
    assert!(matches!(
        data.settle(&policy, pending(&policy), START),
        Settled::Unavailable(Unavailable::Unreadable(..))
    ));
}

#[test]
fn it_keeps_to_a_bounded_number_of_keys() {
    let data = Store::default();
    let slots = usize::from(SLOT_COUNT);
    let names: Vec<String> = (0..3 * slots).map(|number| format!("{number}")).collect();
    let limits: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 5)).collect();
    assert!(passes(&data, &policy(&limits), START));
    let keys = data.slots.borrow().len();
    assert!(keys <= slots, "{keys}");
    // Three identities for each slot: of a good hash, some nineteen slots of twenty have one.
    assert!(keys > slots * 9 / 10, "{keys}");
}

/// Calls a tool with two limits, and lets `trouble` happen when the first has been counted and the
/// second is about to be. Gives the outcome, and how many calls are left of the first's five.
fn trouble_between<'a>(trouble: impl Fn(&Store<'a>) + 'a) -> (Settled, usize) {
    let both = policy(&[("first", 5), ("second", 1)]);
    let (first, data) = (policy(&[("first", 5)]), Store::default());
    data.interruptions.borrow_mut().insert(1, Box::new(trouble));
    let settled = data.settle(&both, pending(&both), START);
    data.lost_races.set(0);
    let left = (0..10).filter(|_| passes(&data, &first, START)).count();
    (settled, left)
}

/// As many writes as a settlement tries in one slot.
const ATTEMPTS: u32 = 64;

#[test]
fn it_gives_back_what_it_took_when_a_later_bucket_cannot_be_counted() {
    let (settled, left) = trouble_between(|data| data.lost_races.set(ATTEMPTS));
    assert!(matches!(
        settled,
        Settled::Unavailable(Unavailable::Contended(_))
    ));
    assert_eq!(left, 5);
    // One loss fewer, and it passes.
    let (settled, left) = trouble_between(|data| data.lost_races.set(ATTEMPTS - 1));
    assert!(matches!(settled, Settled::Passed(_)));
    assert_eq!(left, 4);
}

#[test]
fn it_gives_back_what_it_took_when_a_later_bucket_cannot_be_read() {
    let second = policy(&[("second", 1)]);
    let (settled, left) = trouble_between(|data| {
        let before: Vec<u16> = data.slots.borrow().keys().copied().collect();
        assert!(passes(data, &second, START));
        for (slot, (bytes, _)) in data.slots.borrow_mut().iter_mut() {
            if !before.contains(slot) {
                *bytes = b"garbage".to_vec();
            }
        }
    });
    assert!(matches!(
        settled,
        Settled::Unavailable(Unavailable::Unreadable(..))
    ));
    assert_eq!(left, 5);
}

#[test]
fn it_gives_up_giving_back_where_others_are_always_faster_and_stays_strict() {
    let both = policy(&[("first", 5), ("second", 1)]);
    let (first, second) = (policy(&[("first", 5)]), policy(&[("second", 1)]));
    for (lost, left) in [(ATTEMPTS - 1, 5), (ATTEMPTS, 4)] {
        let data = Store::default();
        interrupt(&data, 1, &second, START);
        // Behind the first's, the other worker's in the second and our own there: to give back.
        let lose = move |data: &Store<'_>| data.lost_races.set(lost);
        data.interruptions.borrow_mut().insert(3, Box::new(lose));
        assert!(!passes(&data, &both, START));
        assert_eq!(data.lost_races.get(), 0);
        let found = (0..10).filter(|_| passes(&data, &first, START)).count();
        assert_eq!(found, left, "{lost} lost");
    }
}

#[test]
fn it_lets_nothing_pass_by_an_answer_that_it_did_not_ask_for() {
    let one = policy(&[("a", 5)]);
    let begin = || {
        let mut settlement = Settlement::new(&one, pending(&one), &HashKey([42; 16]), START);
        let step = settlement.begin(&one);
        assert!(matches!(step, SettlementStep::Read(_)));
        settlement
    };
    let is_refused = |step| matches!(step, SettlementStep::Settled(Settled::Refused(_)));
    let mut written = begin();
    assert!(is_refused(written.on_written(Stored::Yes)));
    let mut read_twice = begin();
    let step = read_twice.on_read(&one, b"", SlotVersion(0));
    assert!(matches!(step, SettlementStep::Write { .. }));
    assert!(is_refused(read_twice.on_read(&one, b"", SlotVersion(0))));
    // It is over, and stays so.
    assert!(is_refused(read_twice.on_written(Stored::Yes)));
}

#[test]
fn it_admits_exactly_when_all_buckets_share_one_slot() {
    // Two slots that are one: the second write finds the first, and is decided anew.
    let data = Store {
        is_one_slot: true,
        ..Store::default()
    };
    let policy = policy(&[("a", 3), ("b", 7)]);
    assert_eq!((0..20).filter(|_| passes(&data, &policy, START)).count(), 3);
}
