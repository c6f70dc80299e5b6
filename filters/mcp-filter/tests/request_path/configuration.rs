//! Configurations that the filter takes or refuses, and the statistics that it counts.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::gateway::{Gateway, Sent, call, configuration};

#[test]
fn it_refuses_configurations_that_it_cannot_use_and_names_every_error() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut changed = configuration();
        change(&mut changed);
        Gateway::without_configuration()
            .configure(&changed)
            .unwrap_err()
    };
    let error = refused(&|config| config["filters"] = json!([]));
    assert!(error.contains("filters"), "{error}");
    let error = refused(&|config| {
        config["version"] = json!(9);
        config["endpoints"][0]["forward"] = json!("nobody");
    });
    assert!(
        error.contains("/version") && error.contains("nobody"),
        "{error}"
    );
    let error = refused(&|config| config["schemas"]["weather"] = json!({"frobnicate": 1}));
    assert!(error.contains("frobnicate"), "{error}");
}

/// The number that the filter reports: the first twelve hexadecimal digits of the SHA-256 of what
/// it was given.
fn hash_of(configuration: &Value) -> u64 {
    let digest = Sha256::digest(configuration.to_string());
    let [a, b, c, d, e, f, ..]: [u8; 32] = digest.into();
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

#[test]
fn it_keeps_the_last_good_configuration_when_it_refuses_one() {
    let mut gateway = Gateway::new();
    assert!(gateway.configure(&json!({})).is_err());
    assert_eq!(
        gateway.send(&Sent::post(call("add", "{}"))).cluster(),
        "math-cluster"
    );
    assert_eq!(
        gateway.counter("portcullis_configuration.listener.mcp"),
        hash_of(&configuration())
    );
}

#[test]
fn it_defines_each_metric_once_however_often_it_is_configured() {
    let mut gateway = Gateway::new();
    gateway.send(&Sent::post(call("drop", "{}")));
    let before = gateway.process.metric_count();
    let mut last = configuration();
    for max_depth in 8..20 {
        let mut configuration = configuration();
        configuration["max_depth"] = json!(max_depth);
        last = configuration.clone();
        gateway.configure(&configuration).unwrap();
        gateway.send(&Sent::post(call("drop", "{}")));
    }
    assert_eq!(gateway.process.metric_count(), before);
    assert_eq!(
        gateway.counter("portcullis_configuration.listener.mcp"),
        hash_of(&last)
    );
    assert_eq!(
        gateway.counter("portcullis_refusals.server.none.tool.none.reason.unknown_tool"),
        13
    );
}

#[test]
fn it_defines_a_tools_metrics_when_the_tool_is_called() {
    let gateway = Gateway::new();
    assert_eq!(gateway.process.metric_count(), 1, "the revision's alone");
    gateway.send(&Sent::post(call("add", "{}")));
    assert_eq!(gateway.process.metric_count(), 3);
}

#[test]
fn it_counts_tools_together_once_it_has_defined_many_metrics() {
    let mut gateway = Gateway::new();
    let others = "portcullis_calls.server.none.tool.others";
    for round in 0..10 {
        let mut configuration = configuration();
        let names: Vec<String> = (0..1_000).map(|tool| format!("t{round}-{tool}")).collect();
        let tools = names.iter().map(|name| (name.clone(), json!({})));
        configuration["servers"]["math"]["tools"] = tools.collect();
        gateway.configure(&configuration).unwrap();
        for name in &names {
            gateway.send(&Sent::post(call(name, "{}")));
        }
    }
    assert!(gateway.process.metric_count() < 16_400);
    assert_eq!(
        gateway.counter("portcullis_calls.server.math.tool.t0-0"),
        1,
        "what was defined goes on"
    );
    assert!(gateway.counter(others) > 1_000);
}

#[test]
fn it_counts_what_it_answers_by_reason() {
    let gateway = Gateway::new();
    gateway.send(&Sent::post("[]"));
    gateway.send(&Sent::bare("PUT"));
    gateway.send(&Sent::post("{}").replacing(":authority", "evil"));
    gateway.send(&Sent::post(call("add", "{}")));
    for reason in ["unreadable", "method_not_allowed", "host"] {
        assert_eq!(
            gateway.counter(&format!(
                "portcullis_refusals.server.none.tool.none.reason.{reason}"
            )),
            1,
            "{reason}"
        );
    }
    assert_eq!(gateway.counter("portcullis_calls.server.math.tool.add"), 1);
    assert_eq!(
        gateway.counter("portcullis_refusals.server.math.tool.add.reason.limited"),
        0
    );
}
