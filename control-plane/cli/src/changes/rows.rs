//! The outcome of a change, and the difference that it makes, as rows: the kind of thing, its name,
//! its state, and what there is to say.

use serde_json::Value;

use crate::answer::{Subject, items, place, text, words};
use crate::table::{Cell, Table, Tone};

/// The outcome of a change, or what it would do.
pub(crate) fn outcome(answer: &Value) -> Table {
    let mut table = Table::default();
    if let Some(outcome) = answer["outcome"].as_str() {
        let revision = answer["revision"].to_string();
        table.push([
            "revision".into(),
            revision.into(),
            judged(outcome),
            "".into(),
        ]);
    }
    for fault in items(&answer["errors"]) {
        let name = Cell::new("error", Tone::Bad);
        table.push([name, place(fault).into(), words(&fault["reason"]).into()]);
    }
    for envoy in items(&answer["envoys"]) {
        let messages: Vec<String> = items(&envoy["messages"]).map(text).collect();
        table.push([
            "envoy".into(),
            text(&envoy["id"]).into(),
            judged(&text(&envoy["state"])),
            messages.join("; ").into(),
        ]);
    }
    if answer["valid"] == true {
        push_changes(&mut table, answer);
    }
    if answer["loosens"] == true {
        let name = Cell::new("loosens", Tone::Waiting);
        table.push([
            name,
            "".into(),
            "calls may pass that are refused now".into(),
        ]);
    }
    for warning in items(&answer["warnings"]) {
        let Subject { kind, name } = Subject::of(warning);
        table.push([
            kind.into(),
            name.into(),
            Cell::new("warning", Tone::Waiting),
            words(&warning["reason"]).into(),
        ]);
    }
    for withheld in items(&answer["withheld"]) {
        table.push([
            "tool".into(),
            text(&withheld["tool"]).into(),
            Cell::new("withheld", Tone::Waiting),
            format!(
                "of `{}`: {}",
                text(&withheld["server"]),
                words(&withheld["reason"])
            )
            .into(),
        ]);
    }
    if let Some(reason) = answer["unjudged"].as_str() {
        table.push([
            "preflight".into(),
            "".into(),
            Cell::new("not judged", Tone::Waiting),
            reason.into(),
        ]);
    }
    for secret in items(&answer["unusable_secrets"]) {
        table.push([
            "secret".into(),
            text(&secret["name"]).into(),
            Cell::new(text(&secret["state"]), Tone::Waiting),
            words(&secret["reason"]).into(),
        ]);
    }
    for server in items(&answer["unlisted"]) {
        table.push([
            "server".into(),
            text(&server["name"]).into(),
            Cell::new("unlisted", Tone::Waiting),
            words(&server["reason"]).into(),
        ]);
    }
    table
}

/// The resources that differ, and the fields that do.
pub(crate) fn changes(answer: &Value) -> Table {
    let mut table = Table::default();
    push_changes(&mut table, answer);
    table
}

fn push_changes(table: &mut Table, answer: &Value) {
    if items(&answer["changes"]).next().is_none() {
        table.push(["nothing differs".into()]);
    }
    for change in items(&answer["changes"]) {
        let word = text(&change["change"]);
        let tone = match word.as_str() {
            "added" => Tone::Good,
            "removed" => Tone::Bad,
            _ => Tone::Waiting,
        };
        let kind = text(&change["kind"]);
        table.push([
            Cell::new(word, tone),
            kind.into(),
            text(&change["name"]).into(),
        ]);
        for field in items(&change["fields"]) {
            let values = format!("{} → {}", shown(&field["before"]), shown(&field["after"]));
            table.push(["".into(), place(field).into(), values.into()]);
        }
    }
}

/// An outcome, or the answer of an Envoy, in the colour of what it means for an operator.
pub(crate) fn judged(word: &str) -> Cell {
    let tone = match word {
        "accepted" | "unchanged" | "acked" | "in_force" => Tone::Good,
        "rejected" | "dropped" | "aborted" | "taken_back" | "kept" | "gone" | "broken" => Tone::Bad,
        _ => Tone::Waiting,
    };
    Cell::new(word.replace('_', " "), tone)
}

/// A value on one line; nothing where there is none.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_gives_each_change_and_each_field_a_line() {
        let answer = json!({"valid": true, "changes": [
            {"kind": "roles", "name": "r", "change": "added"},
            {"kind": "defaults", "change": "changed",
             "fields": [{"path": "/access", "before": "allow", "after": "deny"}]},
        ], "loosens": true, "warnings": [
            {"path": "/tools/0", "rule": "a", "reason": "`GET /api/v1/tools` has no such tool"},
            {"path": "/secrets/s", "reason": "nothing names it"}]});
        let expected = [
            "added    roles     r",
            "changed  defaults",
            "         /access   \"allow\" → \"deny\"",
            "loosens            calls may pass that are refused now",
            "rule     a         warning  `portcullis tools list` has no such tool",
            "secret   s         warning  nothing names it",
        ];
        assert_eq!(outcome(&answer).text(false), expected.join("\n"));
        assert_eq!(
            changes(&json!({"changes": []})).text(false),
            "nothing differs"
        );
    }

    #[test]
    fn it_says_why_no_envoy_has_judged_a_change_beforehand() {
        let answer = json!({"outcome": "accepted", "revision": 2, "unjudged": "nobody is there"});
        let expected = [
            "revision   2  accepted",
            "preflight     not judged  nobody is there",
        ];
        assert_eq!(outcome(&answer).text(false), expected.join("\n"));
    }

    #[test]
    fn it_gives_each_fault_and_each_envoy_a_line() {
        let refused = json!({"valid": false, "errors": [
            {"path": "", "reason": "no object"},
            {"path": "/a", "line": 7, "reason": "no number"}]});
        let expected = [
            "error  /            no object",
            "error  /a (line 7)  no number",
        ];
        assert_eq!(outcome(&refused).text(false), expected.join("\n"));
        let judged = json!({"revision": 3, "outcome": "accepted", "envoys": [
            {"id": "one", "state": "acked"},
            {"id": "two", "state": "rejected", "messages": ["no\nport"]}]});
        let expected = [
            "revision  3    accepted",
            "envoy     one  acked",
            "envoy     two  rejected  no port",
        ];
        assert_eq!(outcome(&judged).text(false), expected.join("\n"));
    }
}
