//! Limits on how often a tool is called.

use std::time::Duration;

use serde_json::json;

use crate::gateway::{Gateway, Sent, call, configuration, modern_call};

fn modern_weather() -> Sent {
    let body = modern_call("get_weather", r#"{"city":"x"}"#);
    Sent::modern("tools/call", Some("get_weather"), body)
}

fn weather() -> Sent {
    Sent::post(call("get_weather", r#"{"city":"x"}"#))
}

#[test]
fn it_limits_and_says_when_to_come_back_and_lets_in_again() {
    let gateway = Gateway::new();
    assert_eq!(gateway.send(&weather()).cluster(), "weather-cluster");
    gateway.process.advance(Duration::from_millis(2500));
    assert_eq!(gateway.send(&weather()).cluster(), "weather-cluster");
    let answer = gateway.send(&weather()).answer();
    assert_eq!(answer.tool_error(), (200, json!(41)));
    assert_eq!(answer.header("retry-after"), Some("28"));
    assert!(
        answer
            .sentence()
            .contains("limited to 2 calls per 1 minute; try again in 28 s"),
        "{}",
        answer.sentence()
    );
    let answer = gateway.send(&modern_weather()).answer();
    assert_eq!(answer.error(), (429, 42900, json!("a")));
    // Thirty seconds after the first, rounded up.
    assert_eq!(answer.header("retry-after"), Some("28"));
    assert_eq!(
        answer.json["error"]["data"],
        json!({"retryAfterSeconds": 28, "rule": "few", "limit": "each"})
    );
    assert!(
        answer
            .sentence()
            .contains("limited to 2 calls per 1 minute; try again in 28 s"),
        "{}",
        answer.sentence()
    );
    // Other tools are not concerned.
    assert_eq!(
        gateway
            .send(&Sent::post(call("forecast", r#"{"city":"x"}"#)))
            .cluster(),
        "weather-cluster"
    );
    gateway.process.advance(Duration::from_secs(28));
    assert_eq!(gateway.send(&weather()).cluster(), "weather-cluster");
    assert_eq!(gateway.send(&modern_weather()).answer().reply.status, 429);
    assert_eq!(
        gateway.counter("portcullis_refusals.server.weather.tool.get_weather.reason.limited"),
        3
    );
    assert_eq!(
        gateway.counter("portcullis_calls.server.weather.tool.get_weather"),
        6
    );
    assert_eq!(
        gateway.counter("portcullis_decision_ns.server.weather.tool.get_weather"),
        1
    );
}

#[test]
fn it_times_one_decision_in_sixteen_of_each_tool() {
    let gateway = Gateway::new();
    let timed = |tool| gateway.counter(&format!("portcullis_decision_ns.server.{tool}"));
    for call_number in 0..48 {
        for (server, tool) in [("math.tool.add", "add"), ("math.tool.slow", "slow")] {
            assert!(
                gateway
                    .send(&Sent::post(call(tool, "{}")))
                    .reply()
                    .is_none()
            );
            assert_eq!(timed(server), call_number / 16 + 1, "{call_number}");
        }
    }
    assert_eq!(gateway.counter("portcullis_calls.server.math.tool.add"), 48);
}

#[test]
fn it_counts_no_call_that_it_refuses() {
    let gateway = Gateway::new();
    for _ in 0..5 {
        assert_eq!(
            gateway
                .send(&Sent::post(call("get_weather", "{}")))
                .answer()
                .reply
                .status,
            200
        );
    }
    assert_eq!(gateway.send(&modern_weather()).cluster(), "weather-cluster");
    assert_eq!(gateway.send(&weather()).cluster(), "weather-cluster");
    assert_eq!(
        gateway.send(&modern_weather()).answer().error(),
        (429, 42900, json!("a"))
    );
}

#[test]
fn it_keeps_limits_through_a_change_of_the_configuration() {
    let mut gateway = Gateway::new();
    gateway.send(&weather());
    gateway.send(&weather());
    let mut configuration = configuration();
    configuration["rules"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({"name": "other", "match": {"tool": "add"}}));
    gateway.configure(&configuration).unwrap();
    assert_eq!(gateway.send(&modern_weather()).answer().reply.status, 429);
}

#[test]
fn it_lets_a_changed_limit_take_hold_at_once() {
    let with_limit = |requests: u32, window_ms: u32| {
        let mut configuration = configuration();
        let limit = &mut configuration["rules"][0]["limits"][0];
        limit["requests"] = json!(requests);
        limit["window_ms"] = json!(window_ms);
        configuration
    };
    let mut without_rule = configuration();
    without_rule["rules"].as_array_mut().unwrap().remove(0);
    // The rule is replaced, or deleted and put again: seen to refuse for the old minute.
    for between in [None, Some(without_rule)] {
        let mut gateway = Gateway::with(&with_limit(1, 60_000));
        assert_eq!(gateway.send(&weather()).cluster(), "weather-cluster");
        assert_eq!(gateway.send(&modern_weather()).answer().reply.status, 429);
        if let Some(between) = between {
            gateway.configure(&between).unwrap();
        }
        gateway.configure(&with_limit(1000, 1000)).unwrap();
        for _ in 0..999 {
            assert_eq!(gateway.send(&weather()).cluster(), "weather-cluster");
        }
        // Lowered again: a full burst is owed, and the wait that is named is true.
        gateway.configure(&with_limit(2, 60_000)).unwrap();
        let answer = gateway.send(&weather()).answer();
        assert_eq!(answer.header("retry-after"), Some("30"));
        gateway.process.advance(Duration::from_secs(29));
        assert_eq!(gateway.send(&modern_weather()).answer().reply.status, 429);
        gateway.process.advance(Duration::from_secs(1));
        assert_eq!(gateway.send(&weather()).cluster(), "weather-cluster");
    }
}

#[test]
fn it_is_not_thrown_by_other_workers() {
    let gateway = Gateway::new();
    gateway.process.lose_races(5);
    assert_eq!(gateway.send(&weather()).cluster(), "weather-cluster");
    assert_eq!(gateway.send(&weather()).cluster(), "weather-cluster");
    assert_eq!(gateway.send(&modern_weather()).answer().reply.status, 429);
}

#[test]
fn it_refuses_when_the_state_cannot_be_written() {
    let gateway = Gateway::new();
    gateway.process.lose_races(u32::MAX);
    let answer = gateway.send(&weather()).answer();
    assert_eq!(answer.tool_error(), (200, json!(41)));
    assert_eq!(answer.header("retry-after"), Some("1"));
    let answer = gateway.send(&modern_weather()).answer();
    assert_eq!(answer.error(), (503, 50300, json!("a")));
    assert_eq!(answer.header("retry-after"), Some("1"));
}
