//! Configurations whose tools travel in lists beside them.

use policy_engine::SchemaCache;
use policy_engine::wire::{FilterConfig, NamedList, travel};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use step_count::taken_by;

use crate::gateway::{Gateway, Sent, call, configuration};

/// The same configuration with each server's tools in a list.
fn travelling(written_out: &Value) -> Vec<u8> {
    let mut config: FilterConfig = serde_json::from_value(written_out.clone()).unwrap();
    let schemas = std::mem::take(&mut config.schemas);
    for (name, server) in &mut config.servers {
        let tools = std::mem::take(&mut server.tools);
        let tools = tools.iter().map(|(tool, listed)| {
            let hash = listed.input_schema.as_deref();
            (tool.as_str(), hash.map(|hash| (hash, schemas[hash].get())))
        });
        let list = SchemaCache::new().tool_list(name, tools).unwrap();
        server.list = Some(NamedList::from(list));
    }
    config.version = 2;
    travel::encode(&config).unwrap()
}

#[test]
fn it_reads_no_list_again_for_a_changed_rule_and_is_known_by_its_json() {
    let mut gateway = Gateway::without_configuration();
    let (first, steps) = taken_by(|| {
        let first = travelling(&configuration());
        gateway.configure_by(&first).unwrap();
        first
    });
    assert!(steps > 0);
    let mut changed = configuration();
    changed["rules"][2]["timeout_ms"] = json!(7_000);
    let second = travelling(&changed);
    let (configured, steps) = taken_by(|| gateway.configure_by(&second));
    assert_eq!((configured, steps), (Ok(()), 0));
    let number = |bytes: &[u8]| {
        let digest = Sha256::digest(travel::json_of(bytes));
        let digits: [u8; 6] = digest[..6].try_into().unwrap();
        digits
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    assert_ne!(number(&first), number(&second));
    assert_eq!(
        gateway.counter("portcullis_configuration.listener.mcp"),
        number(&second)
    );
    // What a call needs is worked out then: the new rule holds.
    let outcome = gateway.send(&Sent::post(call("slow", "{}")));
    assert_eq!(outcome.header("x-envoy-upstream-rq-timeout-ms"), ["7000"]);
}

#[test]
fn it_answers_calls_of_a_tool_that_it_cannot_check() {
    let mut odd = configuration();
    odd["schemas"]["weather"] = json!({"properties": {"city": {"pattern": "^O"}}});
    let mut gateway = Gateway::without_configuration();
    gateway.configure_by(&travelling(&odd)).unwrap();
    let outcome = gateway.send(&Sent::post(call("forecast", r#"{"city":"Oslo"}"#)));
    let answer = outcome.answer();
    assert!(answer.sentence().contains("cannot check the arguments"));
    let reason = "server.weather.tool.forecast.reason.uncheckable";
    assert_eq!(gateway.counter(&format!("portcullis_refusals.{reason}")), 1);
    // The others are not touched by that.
    let outcome = gateway.send(&Sent::post(call("add", "{}")));
    assert_eq!(outcome.cluster(), "math-cluster");
}
