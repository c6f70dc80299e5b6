//! Compiled schemas have a ceiling together, and a call its check: memory and work, counted.

use allocation_counter::measure;
use json_reader::{Input, Scanner};
use policy_engine::wire::{FilterConfig, NamedList, travel};
use policy_engine::{
    Arguments, CheckProgress, Decision, MAX_DEPTH, Policy, Principal, SchemaCache, compile,
};
use serde_json::json;
use step_count::taken_by;

/// The room of a cache, and what compiling the largest schema takes besides while it lasts.
const ROOM: i64 = 64 << 20;
const COMPILING: u64 = 10 << 20;

/// More of the largest schemas than have room together, each of which takes two megabytes.
const TOO_MANY: usize = 40;

/// A policy whose server lists these tools, each with its schema.
fn policy(tools: &[(String, String)]) -> Policy {
    let config = json!({
        "version": 2, "listener": "mcp", "allowed_hosts": ["*"], "allowed_origins": ["*"],
        "max_body_bytes": 1_048_576, "max_depth": 64,
        "endpoints": [{"path": "/mcp", "servers": ["data"], "forward": "data"}],
        "servers": {"data": {"cluster": "data", "path": "/mcp"}},
        "defaults": {"access": "allow", "validate": "enforce"},
    });
    let mut config: FilterConfig = serde_json::from_value(config).unwrap();
    let listed = tools.iter();
    let listed = listed.map(|(name, schema)| (name.as_str(), Some((name.as_str(), &**schema))));
    let list = SchemaCache::new().tool_list("list", listed).unwrap();
    config.servers.get_mut("data").unwrap().list = Some(NamedList::from(list));
    let mut known = SchemaCache::new();
    let config = travel::decode(&travel::encode(&config).unwrap(), &mut known).unwrap();
    compile(&config, &mut known).unwrap()
}

/// Tools with the largest schemas, no two alike: each wants a text at `a`.
fn large(count: usize) -> Vec<(String, String)> {
    let tools = (0..count).map(|tool| {
        let names: String = (1..9_990)
            .map(|number| format!(",\"{tool} {number}\":{{}}"))
            .collect();
        let schema = format!(r#"{{"properties":{{"a":{{"type":"string"}}{names}}}}}"#);
        (format!("tool {tool:03}"), schema)
    });
    tools.collect()
}

/// Whether a call passes.
fn passes(policy: &Policy, tool: &str, arguments: &[u8]) -> bool {
    let id = policy.find_tool("data", tool).unwrap();
    let decision = policy.decide(id, &Principal::Anonymous, Arguments::Raw(arguments));
    matches!(decision, Decision::Allow(_))
}

fn is_checked(policy: &Policy, tool: &str) -> bool {
    passes(policy, tool, br#"{"a":"x"}"#) && !passes(policy, tool, br#"{"a":1}"#)
}

#[test]
fn it_keeps_what_was_compiled_for_calls_under_a_ceiling_and_checks_every_call() {
    let tools = large(TOO_MANY);
    let policy = policy(&tools);
    let taken = measure(|| {
        // The first ones again, which have been forgotten.
        for (tool, _) in tools.iter().chain(&tools[..3]) {
            assert!(is_checked(&policy, tool));
        }
    });
    assert!(taken.bytes_current < ROOM, "{} bytes", taken.bytes_current);
    let most = ROOM.unsigned_abs() + COMPILING;
    assert!(taken.bytes_max < most, "{} bytes", taken.bytes_max);
    assert!(taken.bytes_current > ROOM / 4, "{}", taken.bytes_current);
}

#[test]
fn it_keeps_nothing_compiled_for_calls_that_wait_for_bytes() {
    let tools = large(TOO_MANY);
    let policy = policy(&tools);
    let mut waiting = Vec::new();
    let taken = measure(|| {
        for (tool, _) in &tools {
            let id = policy.find_tool("data", tool).unwrap();
            let mut check = policy.begin_check(id, &Principal::Anonymous).unwrap();
            let mut scanner = Scanner::new(MAX_DEPTH as usize);
            let progress = check.read_on(&mut scanner, Input::new(br#"{"a":"#, 0));
            assert_eq!(progress, CheckProgress::Partial);
            waiting.push((id, check, scanner));
        }
    });
    assert!(taken.bytes_current < ROOM, "{} bytes", taken.bytes_current);
    // The first ones had theirs forgotten; each is checked all the same.
    let arguments = br#"{"a":1}"#;
    let mut declined = 0;
    for (_, check, scanner) in waiting.iter_mut().rev() {
        let progress = check.read_on(scanner, Input::new(arguments, 0));
        declined += usize::from(progress == CheckProgress::Declined);
    }
    assert!((1..TOO_MANY).contains(&declined), "{declined}");
    for (id, check, _) in waiting {
        let arguments = Arguments::Raw(arguments);
        let decision =
            policy.decide_checked(&id.into(), &Principal::Anonymous, arguments, Some(check));
        assert!(matches!(decision, Decision::Refuse(_)), "{decision:?}");
    }
}

#[test]
fn it_compiles_nothing_again_for_whoever_alternates_between_tools_of_half_the_room() {
    let tools = large(6);
    let policy = policy(&tools);
    let call = |(tool, _): &(String, String)| assert!(is_checked(&policy, tool));
    tools.iter().for_each(call);
    let (_, steps) = taken_by(|| (0..100).for_each(|round| call(&tools[round % tools.len()])));
    assert!(steps < 100 * 1_000, "{steps} steps");
}

#[test]
fn it_compiles_for_each_call_what_it_has_forgotten_and_no_more_than_twice() {
    let tools = large(16);
    let policy = policy(&tools);
    let bytes = |tool: &str| {
        let found = tools.iter().find(|(name, _)| name == tool);
        found.unwrap().1.len() as u64
    };
    let (first, _) = &tools[0];
    let id = policy.find_tool("data", first).unwrap();
    let (_, steps) = taken_by(|| {
        let mut check = policy.begin_check(id, &Principal::Anonymous).unwrap();
        let mut scanner = Scanner::new(MAX_DEPTH as usize);
        for (tool, _) in &tools[1..] {
            // Others are called between its pieces.
            let (_, others) = taken_by(|| assert!(passes(&policy, tool, b"{}")));
            assert!(others >= bytes(tool), "{others} steps");
            // That nothing is wanted of the arguments any more is known without looking.
            let (_, steps) = taken_by(|| policy.needs_arguments(id, &Principal::Anonymous));
            assert_eq!(steps, 0);
            let (_, steps) = taken_by(|| check.read_on(&mut scanner, Input::new(b"{", 0)));
            assert!(steps < 100, "{steps} steps");
        }
        let arguments = Arguments::Raw(b"{}");
        let (_, steps) = taken_by(|| {
            policy.decide_checked(&id.into(), &Principal::Anonymous, arguments, Some(check))
        });
        assert!(steps < 2 * bytes(first), "{steps} steps");
    });
    let others: u64 = tools[1..].iter().map(|(tool, _)| bytes(tool)).sum();
    assert!(steps > others, "{steps} steps");
}
