//! Configurations and statistics.

use serde_json::json;

use crate::gateway::{Gateway, Sent, call, configuration};

#[test]
fn it_refuses_configurations_that_it_cannot_use_and_names_every_error() {
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut changed = configuration();
        change(&mut changed);
        Gateway::without_configuration()
            .configure(&changed)
            .unwrap_err()
    };
    let error = refused(&|config| config["filters"] = json!([]));
    assert!(error.contains("filters"), "{error}");
    let error = refused(&|config| {
        config["version"] = json!(2);
        config["endpoints"][0]["forward"] = json!("nobody");
    });
    assert!(
        error.contains("/version") && error.contains("nobody"),
        "{error}"
    );
    let error = refused(&|config| config["schemas"]["weather"] = json!({"frobnicate": 1}));
    assert!(error.contains("frobnicate"), "{error}");
}

#[test]
fn it_keeps_the_last_good_configuration_when_it_refuses_one() {
    let mut gateway = Gateway::new();
    assert!(gateway.configure(&json!({})).is_err());
    assert_eq!(
        gateway.send(&Sent::post(call("add", "{}"))).cluster(),
        "math-cluster"
    );
    assert_eq!(gateway.counter("portcullis_revision"), 7);
}

#[test]
fn it_defines_each_metric_once_however_often_it_is_configured() {
    let mut gateway = Gateway::new();
    gateway.send(&Sent::post(call("drop", "{}")));
    let before = gateway.process.metric_count();
    for revision in 8..20 {
        let mut configuration = configuration();
        configuration["revision"] = json!(revision);
        gateway.configure(&configuration).unwrap();
        gateway.send(&Sent::post(call("drop", "{}")));
    }
    assert_eq!(gateway.process.metric_count(), before);
    assert_eq!(gateway.counter("portcullis_revision"), 19);
    assert_eq!(
        gateway.counter("portcullis_refusals.server.none.tool.none.reason.unknown_tool"),
        13
    );
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
