//! `portcullis tools policy`: the policy of one tool, and the rule that is its own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::list::rate_in_words;
use crate::answer::{items, text, words};
use crate::changes::rows::judged;
use crate::changes::{make, text_of};
use crate::control_plane::{Body, DocumentChange, Request, segment};
use crate::table::{Cell, Table};

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

/// A line for each field of the policy, with the rule behind it. Where Envoys do not all go by it
/// yet, a line for each field of the one before that differs, too.
fn fields(answer: &Value) -> Table {
    let latest = lines(&answer["policy"], &words(&answer["withheld"]));
    let standing = text(&answer["standing"]);
    if ["", IN_FORCE].contains(&standing.as_str()) {
        let mut table = Table::under(&["FIELD", "VALUE", "RULE"]);
        for line in latest {
            table.push(line.map(Cell::from));
        }
        return table;
    }
    let mut policies = Vec::new();
    for word in [IN_FORCE, "in_part"] {
        if let Some(before) = answer.get(word) {
            let reason = "its server did not list it";
            policies.push((word, &before["revision"], lines(&before["policy"], reason)));
        }
    }
    policies.push((standing.as_str(), &answer["revision"], latest));
    let mut table = Table::under(&["FIELD", "VALUE", "RULE", "STANDING"]);
    for (index, (_, _, lines)) in policies.iter().enumerate() {
        let (earlier, later) = policies.split_at(index);
        for line in lines {
            // Each stands where the newest policy has it, by the oldest that has it.
            if later
                .iter()
                .skip(1)
                .any(|(_, _, lines)| lines.contains(line))
            {
                continue;
            }
            let mut since = earlier.iter().chain([&policies[index]]);
            let since = since.find(|(_, _, lines)| lines.contains(line));
            let Some((word, revision, _)) = since else {
                continue;
            };
            let [field, value, rule] = line.each_ref().map(Cell::from);
            let standing = judged(word).with(format_args!(" (revision {revision})"));
            table.push([field, value, rule, standing]);
        }
    }
    table
}

/// The standing of a policy that all Envoys go by.
const IN_FORCE: &str = "in_force";

/// Each field of a policy, its value, and the rule behind it; where there is no policy, the reason.
fn lines(policy: &Value, reason: &str) -> Vec<[String; 3]> {
    if policy.is_null() {
        return vec![[
            "allow".to_owned(),
            format!("withheld: {reason}"),
            String::new(),
        ]];
    }
    let mut lines = Vec::new();
    for field in ["allow", "validate", "constraints", "timeout_ms", "cluster"] {
        // Those that hold for some callers only, and are asked first.
        for candidate in items(&policy[field]["candidates"]) {
            let Field { value, rule } = Field::of(candidate);
            let roles: Vec<String> = items(&candidate["roles"]).map(text).collect();
            let value = format!("{value}, for {}", roles.join(", "));
            lines.push([field.to_owned(), value, rule]);
        }
        let Field { value, rule } = Field::of(&policy[field]);
        lines.push([field.to_owned(), value, rule]);
    }
    for limit in items(&policy["limits"]) {
        let per: Vec<String> = items(&limit["per"]).map(text).collect();
        let number = |field: &str| limit[field].as_u64().unwrap_or_default();
        let rate = rate_in_words(number("requests"), number("window_ms"), &per);
        lines.push(["limits".to_owned(), rate, text(&limit["rule"])]);
    }
    lines
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
    fn it_tells_the_policy_in_force_from_the_one_that_waits() {
        let policy = |allow: Value, timeout: Value| {
            json!({"allow": {"value": allow, "rule": "r"}, "validate": {"value": "enforce"},
                "constraints": {"value": null}, "timeout_ms": {"value": timeout},
                "cluster": {"value": "math"}, "limits": []})
        };
        let mut answer = json!({"revision": 9, "standing": "waiting",
            "policy": policy(json!([]), json!(1500)),
            "in_force": {"revision": 7, "policy": policy(json!(["*"]), json!(1500))}});
        let expected = [
            "FIELD        VALUE     RULE       STANDING",
            "allow        everyone  r          in force (revision 7)",
            "allow        nobody    r          waiting (revision 9)",
            "validate     enforce   (default)  in force (revision 7)",
            "constraints  none      (default)  in force (revision 7)",
            "timeout_ms   1500      (default)  in force (revision 7)",
            "cluster      math      (default)  in force (revision 7)",
        ];
        assert_eq!(fields(&answer).text(false), expected.join("\n"));
        // Another one is between the two.
        answer["in_part"] = json!({"revision": 8, "policy": policy(json!([]), json!(7))});
        let expected = [
            "FIELD        VALUE     RULE       STANDING",
            "allow        everyone  r          in force (revision 7)",
            "timeout_ms   7         (default)  in part (revision 8)",
            "allow        nobody    r          in part (revision 8)",
            "validate     enforce   (default)  in force (revision 7)",
            "constraints  none      (default)  in force (revision 7)",
            "timeout_ms   1500      (default)  in force (revision 7)",
            "cluster      math      (default)  in force (revision 7)",
        ];
        assert_eq!(fields(&answer).text(false), expected.join("\n"));
        answer.as_object_mut().unwrap().remove("in_part");
        // The server of the tool is new.
        answer["in_force"]["policy"] = Value::Null;
        answer["standing"] = json!("in_part");
        let text = fields(&answer).text(false);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[1].starts_with("allow        withheld: its server did"),
            "{text}"
        );
        assert!(lines[2].ends_with("in part (revision 9)"), "{text}");
        // No Envoy has accepted anything.
        answer.as_object_mut().unwrap().remove("in_force");
        let text = fields(&answer).text(false);
        assert_eq!(text.matches("in part (revision 9)").count(), 5, "{text}");
        answer["standing"] = json!("in_force");
        assert!(
            fields(&answer)
                .text(false)
                .starts_with("FIELD        VALUE    RULE\n")
        );
    }

    #[test]
    fn it_tells_why_a_tool_cannot_be_called_anywhere() {
        let text = fields(&json!({"policy": null, "withheld": "`data` has it"})).text(false);
        assert!(text.ends_with("allow  withheld: `data` has it"), "{text}");
    }
}
