//! `portcullis tools policy`: the policy of one tool, and the rule that is its own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::list::rate_in_words;
use crate::answer::{items, text};
use crate::changes::{make, text_of};
use crate::control_plane::{Body, DocumentChange, Request, segment};
use crate::table::Table;

/// The tool, and what its own rule becomes.
#[derive(Debug, Args)]
pub(crate) struct Policy {
    /// The name that clients call it by
    tool: String,
    #[command(flatten)]
    rule: RuleChange,
    #[command(flatten)]
    change: DocumentChange,
}

/// The change of the tool's own rule; none where no flag is given.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct RuleChange {
    /// Make this the tool's own rule, ahead of all others: a rule in YAML or JSON without `name`
    /// and `match`, such as `{limits: [{per: [tool], requests: 2, window: 1m}]}`
    #[arg(long, value_name = "RULE")]
    set: Option<String>,
    /// The same from a file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    set_from: Option<PathBuf>,
    /// Close the tool: nobody may call it
    #[arg(long)]
    close: bool,
    /// Take the tool's own rule out; what other rules and the defaults say remains
    #[arg(long)]
    remove: bool,
}

/// Shows the policy of the tool, or changes it.
pub(super) async fn run(policy: Policy) -> anyhow::Result<ExitCode> {
    let resource = format!("tools/{}/policy", segment(&policy.tool));
    let RuleChange {
        set,
        set_from,
        close,
        remove,
    } = &policy.rule;
    let (method, body) = match (set, set_from) {
        (Some(rule), _) => (Method::PUT, Some(Body::Written(rule.clone()))),
        (None, Some(file)) => (Method::PUT, Some(Body::Written(text_of(file)?))),
        (None, None) if *close => (Method::PUT, Some(Body::Json(json!({"allow": []})))),
        (None, None) if *remove => (Method::DELETE, None),
        (None, None) => {
            return policy
                .change
                .asked()
                .show(Request::get(resource), fields)
                .await;
        }
    };
    let request = policy.change.request(method, &resource);
    make(policy.change.asked(), Request { body, ..request }).await
}

/// A line for each field of the policy, with the rule behind it.
fn fields(answer: &Value) -> Table {
    let mut table = Table::under(&["FIELD", "VALUE", "RULE"]);
    let policy = &answer["policy"];
    if policy.is_null() {
        let reason = text(&answer["withheld"]);
        table.push([
            "allow".into(),
            format!("withheld: {reason}").into(),
            "".into(),
        ]);
        return table;
    }
    for field in ["allow", "validate", "constraints", "timeout_ms", "cluster"] {
        // Those that hold for some callers only, and are asked first.
        for candidate in items(&policy[field]["candidates"]) {
            let Field { value, rule } = Field::of(candidate);
            let roles: Vec<String> = items(&candidate["roles"]).map(text).collect();
            let value = format!("{value}, for {}", roles.join(", "));
            table.push([field.into(), value.into(), rule.into()]);
        }
        let Field { value, rule } = Field::of(&policy[field]);
        table.push([field.into(), value.into(), rule.into()]);
    }
    for limit in items(&policy["limits"]) {
        let per: Vec<String> = items(&limit["per"]).map(text).collect();
        let number = |field: &str| limit[field].as_u64().unwrap_or_default();
        let rate = rate_in_words(number("requests"), number("window_ms"), &per);
        table.push(["limits".into(), rate.into(), text(&limit["rule"]).into()]);
    }
    table
}

/// A value of a policy, and the rule that it comes from.
struct Field {
    value: String,
    rule: String,
}

impl Field {
    fn of(field: &Value) -> Self {
        let value = match &field["value"] {
            Value::Null => "none".to_owned(),
            Value::String(text) => text.clone(),
            Value::Array(roles) if roles.is_empty() => "nobody".to_owned(),
            Value::Array(roles) if roles.iter().any(|role| role == "*") => "everyone".to_owned(),
            Value::Array(roles) => roles.iter().map(text).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        let rule = field["rule"].as_str().unwrap_or("(default)").to_owned();
        Self { value, rule }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_the_rule_behind_each_field() {
        let answer = json!({"policy": {
            "allow": {"value": [], "rule": "tool:add"},
            "validate": {"value": "enforce", "rule": null},
            "constraints": {"value": null, "rule": null},
            "timeout_ms": {"value": 1500, "rule": "slow", "candidates": [
                {"value": 9000, "rule": "ours", "roles": ["a", "b"]}]},
            "cluster": {"value": "math", "rule": null},
            "limits": [{"rule": "tool:add", "id": "each", "per": ["tool"], "requests": 2,
                "window_ms": 60_000, "burst": 2}]}});
        let expected = [
            "FIELD        VALUE             RULE",
            "allow        nobody            tool:add",
            "validate     enforce           (default)",
            "constraints  none              (default)",
            "timeout_ms   9000, for a, b    ours",
            "timeout_ms   1500              slow",
            "cluster      math              (default)",
            "limits       2 in 1m per tool  tool:add",
        ];
        assert_eq!(fields(&answer).text(false), expected.join("\n"));
    }

    #[test]
    fn it_tells_why_a_tool_cannot_be_called_anywhere() {
        let text = fields(&json!({"policy": null, "withheld": "`data` has it"})).text(false);
        assert!(text.ends_with("allow  withheld: `data` has it"), "{text}");
    }
}
