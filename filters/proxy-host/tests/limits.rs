//! Limits in the shared data of a process, with other workers in between.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use policy_engine::slots::HashKey;
use policy_engine::wire::FilterConfig;
use policy_engine::{
    Arguments, Decision, PendingLimits, Policy, Principal, Refusal, SchemaCache, UnixNanos, compile,
};
use proxy_host::fake::FakeProcess;
use proxy_host::limits::{NoRandomness, Settled, settle, shared_hash_key};
use proxy_host::{Conflict, SharedData, Stored, Version};

const KEY: HashKey = HashKey([9; 16]);
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

fn pending(policy: &Policy) -> PendingLimits<'_> {
    let endpoint = policy.endpoint(b"/mcp").unwrap();
    let tool = policy.tool(endpoint, b"t").unwrap();
    match policy.decide(tool, &Principal::Anonymous, Arguments::NotRead) {
        Decision::Limit(pending) => pending,
        other => panic!("{other:?}"),
    }
}

fn passes(data: &impl SharedData, policy: &Policy, now: UnixNanos) -> bool {
    match settle(data, &KEY, &pending(policy), now) {
        Settled::Passed(permit) => {
            assert_eq!(permit.cluster(), "s");
            true
        }
        Settled::Refused(refusal) => {
            assert!(matches!(refusal, Refusal::Limited { .. }));
            false
        }
        Settled::Unavailable => panic!("unavailable"),
    }
}

fn later(by: Duration) -> UnixNanos {
    UnixNanos(START.0 + u64::try_from(by.as_nanos()).unwrap())
}

/// The doings of another worker.
type Interruption<'a> = Box<dyn Fn(&FakeProcess) + 'a>;

/// Shared data of which another worker makes use before some of our writes.
struct Busy<'a> {
    data: FakeProcess,
    /// The doing of the other worker before the write of this number, from zero.
    interruptions: RefCell<BTreeMap<usize, Interruption<'a>>>,
    writes: RefCell<usize>,
}

impl<'a> Busy<'a> {
    fn new(
        data: &FakeProcess,
        interruptions: impl IntoIterator<Item = (usize, Interruption<'a>)>,
    ) -> Self {
        let interruptions = RefCell::new(interruptions.into_iter().collect());
        Self {
            data: data.clone(),
            interruptions,
            writes: RefCell::new(0),
        }
    }
}

impl SharedData for Busy<'_> {
    fn read(&self, key: &str) -> Stored {
        SharedData::read(&self.data, key)
    }

    fn compare_and_set(&self, key: &str, bytes: &[u8], version: Version) -> Result<(), Conflict> {
        let number = self.writes.replace_with(|writes| *writes + 1);
        if let Some(interrupt) = self.interruptions.borrow_mut().remove(&number) {
            interrupt(&self.data);
        }
        self.data.compare_and_set(key, bytes, version)
    }
}

#[test]
fn it_admits_what_the_tightest_limit_admits() {
    let data = FakeProcess::new();
    let policy = policy(&[("wide", 10), ("narrow", 3), ("middle", 5)]);
    let admitted = (0..20).filter(|_| passes(&data, &policy, START)).count();
    assert_eq!(admitted, 3);
    assert!(passes(&data, &policy, later(Duration::from_secs(20))));
    assert!(!passes(&data, &policy, later(Duration::from_secs(20))));
}

#[test]
fn it_lets_a_changed_rate_take_hold_at_once_and_names_a_wait_that_is_true() {
    let data = FakeProcess::new();
    let (one, sixty, two) = (
        policy(&[("a", 1)]),
        policy(&[("a", 60)]),
        policy(&[("a", 2)]),
    );
    let passed = |policy: &Policy, now| (0..100).filter(|_| passes(&data, policy, now)).count();
    assert_eq!(passed(&one, START), 1);
    assert_eq!(passed(&sixty, START), 59, "one call is owed");
    // Lowered: what was used counts, up to the new burst, and no longer than that takes.
    let seconds = |seconds| later(Duration::from_secs(seconds));
    let settled = settle(&data, &KEY, &pending(&two), seconds(1));
    let Settled::Refused(refusal) = settled else {
        panic!("{settled:?}");
    };
    assert_eq!(refusal.retry_after_seconds(), Some(30));
    assert_eq!(passed(&two, seconds(30)), 0);
    assert_eq!(passed(&two, seconds(31)), 1);
    // Another worker writes between the look and the restatement: then the next refusal says it.
    let take = |data: &FakeProcess| assert!(passes(data, &sixty, seconds(32)));
    let busy = Busy::new(&data, [(0, Box::new(take) as Interruption<'_>)]);
    assert!(!passes(&busy, &one, seconds(32)));
    assert_eq!(passed(&one, seconds(33)), 0);
    assert_eq!(passed(&one, seconds(93)), 1);
}

#[test]
fn it_takes_from_no_bucket_when_one_of_them_refuses() {
    let data = FakeProcess::new();
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
    let data = FakeProcess::new();
    let one = policy(&[("a", 2)]);
    let take = |data: &FakeProcess| assert!(passes(data, &one, START));
    let busy = Busy::new(&data, [(0, Box::new(take) as Interruption<'_>)]);
    assert!(passes(&busy, &one, START));
    assert!(!passes(&data, &one, START));
}

#[test]
fn it_refuses_when_another_worker_took_the_last_call() {
    let data = FakeProcess::new();
    let one = policy(&[("a", 1)]);
    let take = |data: &FakeProcess| assert!(passes(data, &one, START));
    let busy = Busy::new(&data, [(0, Box::new(take) as Interruption<'_>)]);
    assert!(!passes(&busy, &one, START));
}

#[test]
fn it_gives_back_what_it_took_when_a_later_bucket_turns_out_to_be_full() {
    let data = FakeProcess::new();
    let both = policy(&[("first", 5), ("second", 1)]);
    let (first, second) = (policy(&[("first", 5)]), policy(&[("second", 1)]));
    // The other worker empties the second bucket after we have written the first.
    let take = |data: &FakeProcess| assert!(passes(data, &second, START));
    let busy = Busy::new(&data, [(1, Box::new(take) as Interruption<'_>)]);
    assert!(!passes(&busy, &both, START));
    assert_eq!((0..10).filter(|_| passes(&data, &first, START)).count(), 5);
}

#[test]
fn it_gives_back_even_when_others_use_the_bucket_meanwhile() {
    let data = FakeProcess::new();
    let both = policy(&[("first", 5), ("second", 1)]);
    let (first, second) = (policy(&[("first", 5)]), policy(&[("second", 1)]));
    let take_second = |data: &FakeProcess| assert!(passes(data, &second, START));
    let take_first = |data: &FakeProcess| assert!(passes(data, &first, START));
    // Writes: the first bucket; the second, which fails; the first again, to give back, which fails
    // once.
    let interruptions: [(usize, Interruption<'_>); 2] =
        [(1, Box::new(take_second)), (2, Box::new(take_first))];
    let busy = Busy::new(&data, interruptions);
    assert!(!passes(&busy, &both, START));
    assert_eq!((0..10).filter(|_| passes(&data, &first, START)).count(), 4);
}

#[test]
fn it_lets_nothing_pass_that_it_cannot_count() {
    let data = FakeProcess::new();
    data.lose_races(u32::MAX);
    let policy = policy(&[("a", 100)]);
    assert!(matches!(
        settle(&data, &KEY, &pending(&policy), START),
        Settled::Unavailable
    ));
}

#[test]
fn it_lets_nothing_pass_by_state_that_no_filter_wrote() {
    let data = FakeProcess::new();
    let policy = policy(&[("a", 100)]);
    assert!(passes(&data, &policy, START));
    let key = data.shared_keys().pop().unwrap();
    let version = SharedData::read(&data, &key).version;
    data.compare_and_set(&key, b"garbage", version).unwrap();
    assert!(matches!(
        settle(&data, &KEY, &pending(&policy), START),
        Settled::Unavailable
    ));
}

#[test]
fn it_keeps_to_a_bounded_number_of_keys() {
    let data = FakeProcess::new();
    let names: Vec<String> = (0..40).map(|number| format!("limit {number}")).collect();
    let limits: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 5)).collect();
    let policy = policy(&limits);
    for _ in 0..100 {
        let _ = passes(&data, &policy, START);
    }
    assert!(data.shared_keys().len() <= 40);
    assert!(
        data.shared_keys()
            .iter()
            .all(|key| key.starts_with("portcullis.limits.2."))
    );
}

#[test]
fn it_admits_exactly_when_all_buckets_share_one_slot() {
    /// Every slot is the same one.
    struct OneSlot(FakeProcess);
    impl SharedData for OneSlot {
        fn read(&self, _: &str) -> Stored {
            SharedData::read(&self.0, "slot")
        }
        fn compare_and_set(&self, _: &str, bytes: &[u8], version: Version) -> Result<(), Conflict> {
            self.0.compare_and_set("slot", bytes, version)
        }
    }
    // Two slots that are one: the second write finds the first, and is decided anew.
    let data = OneSlot(FakeProcess::new());
    let policy = policy(&[("a", 3), ("b", 7)]);
    assert_eq!((0..20).filter(|_| passes(&data, &policy, START)).count(), 3);
}

#[test]
fn it_agrees_on_one_key_in_all_workers() {
    let data = FakeProcess::new();
    let random = |byte: u8| {
        move |key: &mut [u8; 16]| {
            key.fill(byte);
            Ok(())
        }
    };
    let none = |_: &mut [u8; 16]| Err(NoRandomness);
    assert_eq!(shared_hash_key(&data, none).err(), Some(NoRandomness));
    assert_eq!(shared_hash_key(&data, random(1)).unwrap().0, [1; 16]);
    assert_eq!(shared_hash_key(&data, random(2)).unwrap().0, [1; 16]);
    assert_eq!(shared_hash_key(&data, none).unwrap().0, [1; 16]);

    // A worker that loses the race takes the winner's.
    let data = FakeProcess::new();
    let win = |data: &FakeProcess| assert_eq!(shared_hash_key(data, random(3)).unwrap().0, [3; 16]);
    let busy = Busy::new(&data, [(0, Box::new(win) as Interruption<'_>)]);
    assert_eq!(shared_hash_key(&busy, random(4)).unwrap().0, [3; 16]);
}
