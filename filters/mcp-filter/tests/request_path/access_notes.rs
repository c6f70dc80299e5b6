//! The notes that the filter takes of requests for the proxy's access log.

use std::collections::BTreeMap;

use serde_json::json;

use crate::gateway::{Gateway, Sent, call, configuration};

fn noted(gateway: &Gateway, request: &Sent) -> BTreeMap<String, String> {
    let notes = gateway.send(request).notes().into_iter();
    notes
        .filter_map(|(name, value)| match name.strip_prefix("portcullis_")? {
            "call_id" | "request_id" | "modern_id" => None,
            detail => Some((detail.to_owned(), value)),
        })
        .collect()
}

fn gateway(details: &[&str]) -> Gateway {
    let mut configuration = configuration();
    configuration["access_log"] = json!(details);
    let opens = json!({"name": "open", "match": {"tool": "add"}, "allow": ["*"]});
    configuration["rules"].as_array_mut().unwrap().push(opens);
    Gateway::with(&configuration)
}

fn expected(details: &[(&str, &str)]) -> BTreeMap<String, String> {
    let own = |text: &&str| (*text).to_owned();
    details
        .iter()
        .map(|(name, value)| (own(name), own(value)))
        .collect()
}

#[test]
fn it_notes_who_called_what_and_which_rule_decided() {
    let gateway = gateway(&["decision", "principal", "rule", "server", "tool"]);
    let weather = Sent::post(call("get_weather", r#"{"city":"x"}"#));
    let allowed = [
        ("decision", "allowed"),
        ("principal", "anonymous"),
        ("server", "weather"),
        ("tool", "get_weather"),
    ];
    assert_eq!(noted(&gateway, &weather), expected(&allowed));
    assert_eq!(noted(&gateway, &weather), expected(&allowed));
    let opened = [
        ("decision", "allowed"),
        ("principal", "anonymous"),
        ("rule", "open"),
        ("server", "math"),
        ("tool", "add"),
    ];
    let add = Sent::post(call("add", "{}"));
    assert_eq!(noted(&gateway, &add), expected(&opened));
    let limited = [
        ("decision", "limited"),
        ("principal", "anonymous"),
        ("rule", "few"),
        ("server", "weather"),
        ("tool", "get_weather"),
    ];
    assert_eq!(noted(&gateway, &weather), expected(&limited));
    let closed = [
        ("decision", "forbidden"),
        ("principal", "anonymous"),
        ("rule", "closed"),
        ("server", "weather"),
        ("tool", "close"),
    ];
    let close = Sent::post(call("close", "{}"));
    assert_eq!(noted(&gateway, &close), expected(&closed));
    let unknown = [("decision", "unknown_tool"), ("principal", "anonymous")];
    let nobody = Sent::post(call("nobody", "{}"));
    assert_eq!(noted(&gateway, &nobody), expected(&unknown));
    let ping = Sent::post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
    let forwarded = [("decision", "allowed"), ("principal", "anonymous")];
    assert_eq!(noted(&gateway, &ping), expected(&forwarded));
}

#[test]
fn it_notes_what_is_asked_for_and_nothing_else() {
    let weather = Sent::post(call("get_weather", r#"{"city":"x"}"#));
    assert_eq!(noted(&Gateway::new(), &weather), expected(&[]));
    let of_tool = gateway(&["tool"]);
    assert_eq!(
        noted(&of_tool, &weather),
        expected(&[("tool", "get_weather")])
    );
    let of_configuration = noted(&gateway(&["configuration"]), &weather);
    let digits = &of_configuration["configuration"];
    assert_eq!(digits.len(), 12);
    assert!(
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()),
        "{digits}"
    );
}
