//! The control plane's answers in words, a line for each thing.

use serde_json::Value;

/// A resource as YAML; of the document with its revision, the document, which can be applied.
pub(super) fn yaml(answer: &Value) -> String {
    let shown = answer.get("document").unwrap_or(answer);
    let text = yaml_serde::to_string(shown).unwrap_or_else(|_| answer.to_string());
    text.trim_end().to_owned()
}

/// The outcome of a change, or what it would do.
pub(super) fn outcome(answer: &Value) -> String {
    let mut lines = Vec::new();
    if let Some(outcome) = answer["outcome"].as_str() {
        lines.push(format!("revision  {}  {outcome}", answer["revision"]));
    }
    for fault in items(&answer["errors"]) {
        lines.push(format!(
            "error     {}  {}",
            path(fault),
            text(&fault["reason"])
        ));
    }
    for envoy in items(&answer["envoys"]) {
        lines.push(format!(
            "envoy     {}  {}",
            text(&envoy["id"]),
            text(&envoy["state"])
        ));
    }
    if answer["valid"] == true {
        lines.push(changes(answer));
    }
    for warning in items(&answer["warnings"]) {
        let (rule, reason) = (text(&warning["rule"]), text(&warning["reason"]));
        lines.push(format!("warning   rule `{rule}`: {reason}"));
    }
    for withheld in items(&answer["withheld"]) {
        let (server, tool) = (text(&withheld["server"]), text(&withheld["tool"]));
        let reason = text(&withheld["reason"]);
        lines.push(format!("withheld  `{tool}` of `{server}`: {reason}"));
    }
    for server in items(&answer["unlisted"]) {
        let (name, reason) = (text(&server["name"]), text(&server["reason"]));
        lines.push(format!("unlisted  {name}  {reason}"));
    }
    lines.join("\n")
}

/// The resources that differ, and the fields that do.
pub(super) fn changes(answer: &Value) -> String {
    let mut lines = Vec::new();
    for change in items(&answer["changes"]) {
        let (word, kind) = (text(&change["change"]), text(&change["kind"]));
        let name = change["name"].as_str().unwrap_or_default();
        lines.push(format!("{word:<9} {kind} {name}").trim_end().to_owned());
        for field in items(&change["fields"]) {
            lines.push(format!(
                "          {}  {} → {}",
                path(field),
                shown(&field["before"]),
                shown(&field["after"])
            ));
        }
    }
    if lines.is_empty() {
        return "nothing differs".to_owned();
    }
    lines.join("\n")
}

/// The revisions, a line for each.
pub(super) fn revisions(answer: &Value) -> String {
    let versions = items(&answer["versions"]);
    let lines = versions.map(|version| {
        line(&[
            version["revision"].to_string(),
            text(&version["created_at"]),
            text(&version["author"]),
            text(&version["reason"]),
        ])
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The records of the audit trail, a line for each.
pub(super) fn records(answer: &Value) -> String {
    let lines = items(&answer["records"]).map(|record| {
        let revision = match &record["revision"] {
            Value::Null => String::new(),
            number => format!("revision {number}"),
        };
        line(&[
            text(&record["at"]),
            text(&record["who"]),
            text(&record["origin"]),
            text(&record["what"]),
            revision,
            text(&record["reason"]),
        ])
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn line(parts: &[String]) -> String {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("  ")
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn path(fault: &Value) -> &str {
    let path = fault["path"].as_str();
    path.filter(|path| !path.is_empty()).unwrap_or("/")
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
        ], "warnings": [{"rule": "a", "reason": "nobody lists it"}]});
        let expected = [
            "added     roles r",
            "changed   defaults",
            "          /access  \"allow\" → \"deny\"",
            "warning   rule `a`: nobody lists it",
        ];
        assert_eq!(outcome(&answer), expected.join("\n"));
        assert_eq!(changes(&json!({"changes": []})), "nothing differs");
    }

    #[test]
    fn it_gives_each_fault_each_revision_and_each_record_a_line() {
        let refused = json!({"valid": false, "errors": [{"path": "", "reason": "no object"}]});
        assert_eq!(outcome(&refused), "error     /  no object");
        let versions = json!({"versions": [
            {"revision": 2, "created_at": "T2", "author": "ada", "reason": ""}]});
        assert_eq!(revisions(&versions), "2  T2  ada");
        let trail = json!({"records": [{"at": "T2", "who": "ada", "origin": "127.0.0.1",
            "what": "PUT /api/v1/config", "revision": 2, "reason": "because"}]});
        let expected = "T2  ada  127.0.0.1  PUT /api/v1/config  revision 2  because";
        assert_eq!(records(&trail), expected);
        let judged = json!({"revision": 3, "outcome": "accepted",
            "envoys": [{"id": "one", "state": "acked"}]});
        let expected = "revision  3  accepted\nenvoy     one  acked";
        assert_eq!(outcome(&judged), expected);
    }
}
