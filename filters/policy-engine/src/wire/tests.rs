//! A configuration is read as it is written, and nothing else.

use super::*;

fn minimal(extra: &str) -> String {
    format!(
        r#"{{"version":1,"listener":"mcp","allowed_hosts":["*"],"allowed_origins":["*"],
        "max_body_bytes":1048576,"max_depth":128,
        "endpoints":[{{"path":"/mcp","servers":["data"],"forward":"data"}}],
        "servers":{{"data":{{"cluster":"data","path":"/mcp","tools":{{"x":{{}}}}}}}},
        "defaults":{{"access":"allow","validate":"enforce"}}{extra}}}"#
    )
}

#[test]
fn it_reads_and_writes_the_same_configuration() {
    let text = minimal(
        r#","roles":{"analyst":{"claims":{"groups":["analysts"]}}},
        "rules":[{"name":"r","match":{"server":"data","tool":"execute_*"},"allow":["analyst"],
          "limits":[{"id":"each","per":["tool","principal"],"requests":60,"window_ms":60000,
            "burst":10}],
          "validate":"enforce","constraints":"00",
          "timeout_ms":30000,"route":{"cluster":"data"}}],
        "schemas":{"00":{"type":"object", "maxLength": 1.50}}"#,
    );
    let read: FilterConfig = serde_json::from_str(&text).unwrap();
    assert_eq!(
        read.schemas["00"].get(),
        r#"{"type":"object", "maxLength": 1.50}"#
    );
    let written = serde_json::to_string(&read).unwrap();
    let again: FilterConfig = serde_json::from_str(&written).unwrap();
    assert_eq!(written, serde_json::to_string(&again).unwrap());
}

#[test]
fn it_refuses_fields_that_it_does_not_know() {
    let refused = serde_json::from_str::<FilterConfig>(&minimal(r#","filters":[]"#));
    assert!(refused.unwrap_err().to_string().contains("`filters`"));
    let refused =
        serde_json::from_str::<FilterConfig>(&minimal(r#","rules":[{"name":"r","when":"true"}]"#));
    assert!(refused.unwrap_err().to_string().contains("`when`"));
}
