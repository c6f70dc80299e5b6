//! CountedCalls from the configuration to the stored slots, in simulated time.

#[path = "in_memory/store.rs"]
mod store;

use std::time::Duration;

use policy_engine::settlement::Settled;
use policy_engine::wire::FilterConfig;
use policy_engine::{
    Arguments, BucketState, Decision, Policy, Principal, Refusal, SchemaCache, UnixNanos, Verdict,
    compile,
};
use serde_json::{Value, json};
use store::Store;

const START: u64 = 1_800_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

fn policy(rules: &Value) -> Policy {
    let config = json!({
        "version": 1, "listener": "mcp", "allowed_hosts": ["*"], "allowed_origins": [],
        "max_body_bytes": 1024, "max_depth": 16,
        "endpoints": [{"path": "/mcp", "servers": ["data", "math"], "forward": "data"}],
        "servers": {
            "data": {"cluster": "alpha", "path": "/mcp", "tools": {"query": {}, "list": {}}},
            "math": {"cluster": "beta", "path": "/mcp", "tools": {"add": {}}},
        },
        "defaults": {"access": "allow", "validate": "enforce"},
        "rules": rules,
    });
    let config: FilterConfig = serde_json::from_str(&config.to_string()).unwrap();
    compile(&config, &mut SchemaCache::new()).unwrap()
}

fn known(subject: &str) -> Principal {
    Principal::Known {
        subject: subject.to_owned(),
        claims: Default::default(),
    }
}

/// Calls that are counted by limits in a store of their own.
#[derive(Default)]
struct CountedCalls(Store<'static>);

impl CountedCalls {
    fn call(
        &mut self,
        policy: &Policy,
        tool: &str,
        principal: &Principal,
        now: u64,
    ) -> Result<(), Refusal> {
        let tool = policy.tool(policy.endpoint(b"/mcp").unwrap(), tool.as_bytes())?;
        match policy.decide(tool, principal, Arguments::NotRead) {
            Decision::Limit(pending) => match self.0.settle(policy, pending, UnixNanos(now)) {
                Settled::Passed(_) => Ok(()),
                Settled::Refused(refusal) => Err(refusal),
                Settled::Unavailable(why) => panic!("{why}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// How many of so many calls at one moment pass.
    fn passed(
        &mut self,
        policy: &Policy,
        tool: &str,
        principal: &Principal,
        now: u64,
        calls: usize,
    ) -> usize {
        (0..calls)
            .filter(|_| self.call(policy, tool, principal, now).is_ok())
            .count()
    }
}

const NOBODY: &Principal = &Principal::Anonymous;

#[test]
fn it_counts_per_tool_principal_and_server() {
    let policy = policy(&json!([
        {"name": "tools", "match": {"tool": "query"},
         "limits": [{"id": "a", "per": ["tool", "principal"], "requests": 3, "window_ms": 60000}]},
        {"name": "rest", "match": {"tool": "*"},
         "limits": [{"id": "a", "per": [], "requests": 100, "window_ms": 60000, "burst": 5}]},
    ]));
    let mut limits = CountedCalls::default();
    assert_eq!(limits.passed(&policy, "query", &known("ada"), START, 10), 3);
    assert_eq!(
        limits.passed(&policy, "query", &known("bob"), START, 10),
        2,
        "two of the server's five are left"
    );
    assert_eq!(
        limits.passed(&policy, "list", NOBODY, START, 10),
        0,
        "and none for its other tool"
    );
    assert_eq!(
        limits.passed(&policy, "add", NOBODY, START, 10),
        5,
        "another server has its own"
    );
}

#[test]
fn it_never_takes_a_caller_for_an_anonymous_one() {
    let policy = policy(&json!([{"name": "r",
            "limits": [{"id": "a", "per": ["principal"], "requests": 1, "window_ms": 60000}]}]));
    let mut limits = CountedCalls::default();
    for principal in [
        Principal::Anonymous,
        known(""),
        known("a"),
        known("anonymous"),
        known("ap"),
    ] {
        assert_eq!(
            limits.passed(&policy, "query", &principal, START, 3),
            1,
            "{principal:?}"
        );
    }
}

#[test]
fn it_writes_nothing_where_one_of_several_limits_refuses() {
    let policy = policy(&json!([{"name": "r", "limits": [
        {"id": "wide", "per": ["tool"], "requests": 10, "window_ms": 60000},
        {"id": "narrow", "per": ["tool"], "requests": 1, "window_ms": 1000},
    ]}]));
    let mut limits = CountedCalls::default();
    assert_eq!(limits.passed(&policy, "query", NOBODY, START, 100), 1);
    // Had the refused calls counted, the wide limit would be used up by now.
    for second in 1..10 {
        assert_eq!(
            limits.passed(&policy, "query", NOBODY, START + second * SECOND, 100),
            1,
            "second {second}"
        );
    }
}

#[test]
fn it_answers_with_the_limit_that_takes_longest() {
    let policy = policy(&json!([
        {"name": "fast", "limits": [{"id": "burst", "per": ["tool"], "requests": 1,
            "window_ms": 1000}]},
        {"name": "slow", "limits": [{"id": "hourly", "per": ["tool"], "requests": 1,
            "window_ms": 3600000}]},
        {"name": "middle", "limits": [{"id": "minutely", "per": ["tool"], "requests": 1,
            "window_ms": 60000}]},
    ]));
    let mut limits = CountedCalls::default();
    assert_eq!(limits.call(&policy, "query", NOBODY, START), Ok(()));
    match limits.call(&policy, "query", NOBODY, START + SECOND / 2) {
        Err(refusal @ Refusal::Limited { .. }) => {
            assert_eq!(
                refusal.sentence(),
                "tool `query` is limited to 1 call per 1 hour; try again in 3600 s"
            );
            let Refusal::Limited {
                rule,
                limit,
                retry_after,
                ..
            } = refusal
            else {
                return;
            };
            assert_eq!((rule.as_str(), limit.as_str()), ("slow", "hourly"));
            assert_eq!(retry_after, Duration::from_millis(3_599_500));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_keeps_counting_when_the_configuration_changes_around_a_limit() {
    let rule = |extra: Value| {
        let mut rules = vec![json!({"name": "kept", "match": {"tool": "query"},
                "limits": [{"id": "a", "per": ["tool"], "requests": 2, "window_ms": 60000}]})];
        rules.insert(0, extra);
        policy(&Value::Array(rules))
    };
    let before = policy(&json!([{"name": "kept", "match": {"tool": "query"},
            "limits": [{"id": "a", "per": ["tool"], "requests": 2, "window_ms": 60000}]}]));
    let after = rule(json!({"name": "new", "timeout_ms": 5,
            "limits": [{"id": "a", "per": ["tool"], "requests": 1000, "window_ms": 60000}]}));
    let mut limits = CountedCalls::default();
    assert_eq!(limits.passed(&before, "query", NOBODY, START, 10), 2);
    assert_eq!(limits.passed(&after, "query", NOBODY, START, 10), 0);
    assert_eq!(
        limits.passed(&after, "query", NOBODY, START + 30 * SECOND, 10),
        1
    );
}

#[test]
fn it_lets_a_changed_rate_take_hold_at_once() {
    let at = |requests: u64| {
        policy(&json!([{"name": "r",
                "limits": [{"id": "a", "per": ["tool"], "requests": requests,
                    "window_ms": 60000}]}]))
    };
    let mut limits = CountedCalls::default();
    assert_eq!(limits.passed(&at(1000), "query", NOBODY, START, 900), 900);
    assert_eq!(
        limits.passed(&at(2), "query", NOBODY, START, 10),
        0,
        "stricter"
    );
    assert_eq!(
        limits.passed(&at(60), "query", NOBODY, START + 2 * SECOND, 100),
        58,
        "looser: of the two calls that were owed most of both is left, each now worth a second"
    );
}

#[test]
fn it_can_take_a_call_back() {
    let policy = policy(&json!([{"name": "r",
            "limits": [{"id": "a", "per": ["tool"], "requests": 2, "window_ms": 60000}]}]));
    let tool = policy
        .tool(policy.endpoint(b"/mcp").unwrap(), b"query")
        .unwrap();
    let Decision::Limit(pending) = policy.decide(tool, NOBODY, Arguments::NotRead) else {
        panic!("no limit")
    };
    let now = UnixNanos(START);
    let Verdict::Allow { writes, .. } = policy.resume(&pending, &[BucketState::Fresh], now) else {
        panic!("refused")
    };
    assert!(
        matches!(policy.resume(&pending, &[], now), Verdict::Refuse { .. }),
        "a state that nobody has read"
    );
    let refunded = policy.refund(&pending, 0, writes[0].time);
    assert_eq!(BucketState::Own(refunded).tat(), Some(now));
    let untouched = policy.refund(&pending, 7, writes[0].time);
    assert_eq!(untouched, writes[0].time, "a bucket that is not there");
}
