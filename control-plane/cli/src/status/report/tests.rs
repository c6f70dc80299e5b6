//! The words of a report for Envoys, servers and tools.

use super::*;
use serde_json::json;

fn report() -> Report {
    Report::new(
        &json!({"revision": 3, "newest_revision": 4, "generation": "abc"}),
        &json!({"rollouts": [{"id": "4-bad", "revision": 4, "state": "taken_back", "of": 1,
            "reason": "Envoy `two`, listener `second`: cannot bind it", "ended_at": "T3"}]}),
        &json!({"nodes": [
            {"id": "one", "standing": "in_force", "connected": true, "streams": 1,
             "since": "2026-11-21T19:09:58.035921828Z",
             "generation": {"desired": "abc", "in_force": "abc"}, "resources": []},
            {"id": "two", "standing": "rejected", "connected": true, "since": "T2", "streams": 2,
             "generation": {"desired": "abc", "in_force": "old"},
             "resources": [{"type": "listener", "name": "second",
                 "state": {"rejected": {"message": "cannot bind\nit"}}},
                 {"type": "route", "name": "mcp", "state": "unknown", "since": "T8"},
                 {"type": "cluster", "name": "data", "state": "sent", "since": "T7"},
                 {"type": "cluster", "name": "next", "state": "pending", "since": "T1"},
                 {"type": "cluster", "name": "math", "state": "acked", "since": "T2"}],
             "rejected": {"revision": 4, "generation": "bad", "at": "T3"}},
            {"id": "three", "standing": "gone", "connected": false, "since": "T4",
             "generation": {"desired": "abc", "in_force": "abc"}, "resources": []},
        ]}),
        &json!({"servers": [
            {"name": "data",
             "status": {"state": "up", "since": "T5", "catalogue": {"tools": 9},
                "endpoints": [{"url": "http://a/mcp", "state": "up", "since": "T5"},
                    {"url": "http://b/mcp", "state": "down", "since": "T6", "reason": "refused"}],
                "reviews": [
                    {"tool": "same", "state": "unreviewed", "in_force": true, "since": "T7"},
                    {"tool": "more", "state": "unreviewed", "in_force": false, "since": "T7"},
                    {"tool": "less", "state": "rejected", "in_force": true, "since": "T7"}]}},
            {"name": "math",
             "status": {"state": "down", "since": "T6", "reason": "it cannot be reached",
                 "catalogue": {"tools": 2}}},
            {"name": "new", "status": {"state": "unknown"}},
        ]}),
        &json!({
            "tools": [
                {"server": "data", "tool": "same", "listener": "mcp", "state": "offered"},
                {"server": "math", "tool": "same", "listener": "mcp", "state": "withheld",
                 "reason": "`data` has it"},
                {"server": "math", "tool": "same", "listener": "two", "state": "withheld",
                 "reason": "`data` has it"},
            ],
            "warnings": [
                {"path": "/tools/0", "rule": "slow", "reason": "nobody lists it", "near": []},
                {"path": "/secrets/old", "reason": "nothing names it", "near": []}],
        }),
        &json!({"secrets": [
            {"name": "own", "status": {"state": "given", "since": "T9"}},
            {"name": "key", "status": {"state": "missing", "reason": "there is no file `/key`"}},
        ]}),
    )
}

#[test]
fn it_gives_each_envoy_and_each_server_a_line() {
    let expected = [
        "revision  3      in force at 1 of 2 connected Envoys",
        "revision  4      taken back                           Envoy `two`, listener `second`: \
         cannot bind it",
        "envoy     one    in force                             connected since \
         2026-11-21T19:09:58Z",
        "envoy     two    rejected                             connected since T2; has not \
         answered 2 resources since T7; rejected listener `second` of revision 4: cannot bind it; \
         2 Envoys share this `node.id`; give each its own",
        "envoy     three  gone                                 since T4",
        "server    data   up                                   9 tools; since T5; \
         `http://b/mcp` is down since T6: refused",
        "server    math   down                                 2 tools, 1 withheld; since T6; it \
         cannot be reached",
        "server    new    unknown                              0 tools",
        "secret    key    missing                              there is no file `/key`",
        "tool      same   withheld                             of `math` on listener `mcp`: \
         `data` has it",
        "tool      same   withheld                             of `math` on listener `two`: \
         `data` has it",
        "tool      same   unreviewed                           of `data`: its definition has \
         changed; `portcullis tools review data same`",
        "tool      more   unreviewed                           of `data`: it is new; `portcullis \
         tools review data more`",
        "rule      slow   warning                              nobody lists it",
        "secret    old    warning                              nothing names it",
    ];
    assert_eq!(report().table().text(false), expected.join("\n"));
}

#[test]
fn it_says_in_force_only_of_what_every_connected_envoy_runs() {
    let version = json!({"revision": 3, "newest_revision": 3, "generation": "abc"});
    let envoy = |connected: bool, in_force: &str| {
        json!({"id": "one", "connected": connected, "since": "T1", "resources": [],
            "generation": {"desired": "abc", "in_force": in_force}})
    };
    for (envoys, expected) in [
        (vec![envoy(true, "abc"), envoy(false, "old")], "in force"),
        (
            vec![envoy(true, "abc"), envoy(true, "old")],
            "in force at 1 of 2 connected Envoys",
        ),
        (
            vec![envoy(true, "old")],
            "in force at 0 of 1 connected Envoys",
        ),
        (vec![envoy(false, "abc")], "waits for an Envoy"),
        (vec![], "waits for an Envoy"),
    ] {
        let nodes = json!({"nodes": envoys});
        let nothing = &json!({});
        let report = Report::new(&version, nothing, &nodes, nothing, nothing, nothing);
        let text = report.table().text(false);
        let first = text.lines().next().unwrap();
        let words: Vec<&str> = first.split_whitespace().collect();
        assert_eq!(words.join(" "), format!("revision 3 {expected}"));
    }
}

#[test]
fn it_says_how_far_a_rollout_is_and_why_the_newest_revision_is_not_in_force() {
    let nothing = json!({});
    let check = |newest: u64, rollouts: Value, expected: &[&str]| {
        let version = json!({"revision": 3, "newest_revision": newest, "generation": "abc"});
        let rollouts = json!({"rollouts": rollouts});
        let report = Report::new(&version, &rollouts, &nothing, &nothing, &nothing, &nothing);
        let text = report.table().text(false);
        let lines = text.lines().filter(|line| line.starts_with("revision"));
        let lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    };
    let soaking = json!({"id": "3-abc", "revision": 3, "state": "soaking", "wave": 1, "of": 2,
        "soak_until": "2026-11-22T10:00:00.5Z", "gate": "", "reason": ""});
    let revision = "revision 3 waits for an Envoy";
    let rollout = format!(
        "{revision} rollout `3-abc`: soaking, wave 1 of 2; watched until 2026-11-22T10:00:00Z"
    );
    check(3, json!([soaking]), &[&rollout]);
    let behind = "revision 4 waiting behind the rollout `3-abc`: `portcullis rollout show`";
    check(4, json!([soaking]), &[&rollout, behind]);
    let mut at_once = json!({"id": "3-abc", "revision": 3, "state": "accepted", "wave": 1, "of": 1,
        "ended_at": "T1", "reason": ""});
    check(3, json!([at_once]), &[revision]);
    let ended = |state: &str, reason: &str| {
        json!({"id": "4-bad", "revision": 4, "state": state, "of": 2, "wave": 1,
            "ended_at": "T2", "reason": reason})
    };
    let rejected = "revision 4 taken back Envoy `one`: no";
    check(
        4,
        json!([ended("taken_back", "Envoy `one`: no"), at_once]),
        &[revision, rejected],
    );
    let aborted = "revision 4 aborted `portcullis audit` says what became of it";
    check(
        4,
        json!([ended("aborted", ""), at_once]),
        &[revision, aborted],
    );
    let kept = json!({"id": "3-bad", "revision": 3, "state": "kept", "of": 2, "wave": 1,
        "ended_at": "T2", "reason": "Envoy `one`: no"});
    let decide = "going back may allow more, so Envoys that run it keep it until you decide: \
        write another change, or `portcullis rollback --allow-loosening`";
    let stuck = format!("revision 3 kept Envoy `one`: no; {decide}");
    check(3, json!([kept, at_once]), &[revision, &stuck]);
    // What was rolled out of it since is what counts.
    check(3, json!([at_once, kept]), &[revision]);
    // Another change had its turn before, and was rejected.
    at_once["revision"] = json!(2);
    let dropped = "revision 4 not in force `portcullis audit` says what became of it";
    check(4, json!([at_once]), &[revision, dropped]);
}

#[test]
fn it_counts_one_thing_as_one() {
    let node = |count: u64, others: Value| {
        json!({"connected": true, "crashes": {"generation": "0123456789", "count": count},
            "resources": others})
    };
    let sent = json!({"type": "route", "name": "mcp", "state": "sent", "since": "T1"});
    let one = notes(&node(1, json!([sent])));
    assert_eq!(one[0], "has not answered 1 resource since T1");
    assert!(one[1].ends_with(" 1 time"), "{one:?}");
    let two = notes(&node(2, json!([sent, sent])));
    assert_eq!(two[0], "has not answered 2 resources since T1");
    assert!(two[1].ends_with(" 2 times"), "{two:?}");
}

#[test]
fn it_gives_programs_the_same_as_json() {
    let json = serde_json::to_value(report()).unwrap();
    assert_eq!(json["envoys"][0]["in_force"], true);
    assert_eq!(json["envoys"][1]["in_force"], false);
    assert_eq!(json["envoys"][0].get("silent_since"), None);
    assert_eq!(json["envoys"][1]["silent_since"], "T7");
    assert_eq!(json["servers"][1]["state"], "down");
    assert_eq!(
        json["servers"][0]["endpoints_down"][0]["url"],
        "http://b/mcp"
    );
    assert_eq!(json["reviews"][1]["tool"], "more");
    assert_eq!(json["secrets"][0]["name"], "key");
    assert_eq!(json["withheld"][0]["server"], "math");
    assert_eq!(json["warnings"][0]["name"], "slow");
    assert_eq!(json["warnings"][1]["kind"], "secret");
    assert_eq!(json["newest"]["state"], "taken_back");
}
