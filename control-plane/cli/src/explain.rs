//! `portcullis explain`: which rule would decide about a message, without sending it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use reqwest::Method;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::answer::{items, text};
use crate::changes::text_of;
use crate::control_plane::{Asked, Body, Request};
use crate::table::{Cell, Table, Tone};

/// The message to explain.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The message that a client would send, such as `{"jsonrpc": "2.0", "id": 1, "method":
    /// "tools/call", "params": {"name": "add", "arguments": {}}}`; `-` is standard input
    #[arg(value_name = "REQUEST.json")]
    file: PathBuf,
    /// The path that it would be sent to
    #[arg(long, default_value = "/mcp")]
    endpoint: String,
    /// The listener that it would be sent to [default: the first of the document]
    #[arg(long)]
    listener: Option<String>,
    #[command(flatten)]
    asked: Asked,
}

/// Asks the control plane, whose policy is the one that Envoys were given, and makes no call.
pub(crate) async fn run(explain: Explain) -> anyhow::Result<ExitCode> {
    let message = text_of(&explain.file)?;
    let message: &RawValue = serde_json::from_str(&message)
        .with_context(|| format!("`{}` is no JSON", explain.file.display()))?;
    let listener = explain.listener.as_ref();
    let listener = listener.map(|name| format!(r#","listener":{}"#, json!(name)));
    // The message as it was written: a reader would take one of two equal keys away.
    let body = format!(
        r#"{{"endpoint":{},"message":{message}{}}}"#,
        json!(explain.endpoint),
        listener.unwrap_or_default()
    );
    let request = Request {
        method: Method::POST,
        ..Request::get("explain")
    };
    let request = request.with(Body::JsonText(body));
    explain.asked.show(request, rows).await
}

/// The decision, who made it, and the rule behind each field of the tool's policy.
fn rows(answer: &Value) -> Table {
    let mut table = Table::default();
    let decision = text(&answer["decision"]);
    let tone = match decision.as_str() {
        "allow" => Tone::Good,
        _ => Tone::Bad,
    };
    table.push([
        "decision".into(),
        Cell::new(decision, tone),
        text(&answer["reason"]).into(),
        text(&answer["sentence"]).into(),
    ]);
    if let Some(meant) = answer["meant"].as_str() {
        table.push(["meant".into(), meant.into()]);
    }
    if let Some(withheld) = answer["withheld"].as_str() {
        table.push(["withheld".into(), withheld.into()]);
    }
    for fault in items(&answer["shadowed"]) {
        let name = Cell::new("in shadow", Tone::Waiting);
        table.push([name, "".into(), "".into(), text(fault).into()]);
    }
    let by = &answer["decided_by"];
    table.push([
        "by".into(),
        text(&by["field"]).into(),
        rule_of(by).into(),
        text(&by["place"]).into(),
    ]);
    for field in items(&answer["fields"]) {
        table.push([
            text(&field["field"]).into(),
            in_words(&field["value"]).into(),
            rule_of(field).into(),
            text(&field["place"]).into(),
            roles_of(field).into(),
        ]);
    }
    if let Some(cluster) = answer["cluster"].as_str() {
        table.push(["goes to".into(), cluster.into()]);
    }
    table
}

fn rule_of(field: &Value) -> String {
    match field["rule"].as_str() {
        Some(rule) => format!("rule `{rule}`"),
        None => "no rule".to_owned(),
    }
}

/// The callers for whom a field holds before the next row of the same field.
fn roles_of(field: &Value) -> String {
    let roles: Vec<String> = items(&field["roles"])
        .filter_map(|role| Some(format!("`{}`", role.as_str()?)))
        .collect();
    if roles.is_empty() {
        String::new()
    } else {
        format!("for {}", roles.join(", "))
    }
}

fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_what_may_have_been_meant_and_what_only_shadow_lets_pass() {
        let answer = json!({"decision": "refuse", "reason": "unknown_tool", "sentence": "no such",
            "meant": "did you mean `add`?", "withheld": "by a rule",
            "shadowed": ["/a: expected a number"],
            "decided_by": {"field": "catalogue", "rule": null}});
        let expected = [
            "decision   refuse     unknown_tool  no such",
            "meant      did you mean `add`?",
            "withheld   by a rule",
            "in shadow                           /a: expected a number",
            "by         catalogue  no rule",
        ];
        assert_eq!(rows(&answer).text(false), expected.join("\n"));
    }

    #[test]
    fn it_tells_the_decision_its_rule_and_the_rule_of_each_field() {
        let answer = json!({"decision": "refuse", "reason": "forbidden", "sentence": "not open",
            "decided_by": {"field": "allow", "rule": "closed", "place": "/tools/0/allow"},
            "fields": [
                {"field": "allow", "value": ["*"], "rule": "ours", "place": "/tools/1/allow",
                 "roles": ["analyst"]},
                {"field": "allow", "value": [], "rule": "closed", "place": "/tools/0/allow"},
                {"field": "validate", "value": "enforce", "rule": null,
                 "place": "/defaults/validate"}]});
        let expected = [
            "decision  refuse   forbidden      not open",
            "by        allow    rule `closed`  /tools/0/allow",
            "allow     [\"*\"]    rule `ours`    /tools/1/allow      for `analyst`",
            "allow     []       rule `closed`  /tools/0/allow",
            "validate  enforce  no rule        /defaults/validate",
        ];
        assert_eq!(rows(&answer).text(false), expected.join("\n"));
    }
}
