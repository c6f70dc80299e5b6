//! The difference between two documents, or between what Envoys get of them: which resources are
//! new, gone, changed or moved, and where in them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::sections::{KINDS, Shape, escaped};

/// The fate of one resource between two documents.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ResourceChange {
    /// The kind of the resource: a section of the document, or a type of Envoy's.
    pub kind: String,
    /// The name of the resource; missing where the section is one resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The kind of change.
    pub change: ChangeOfResource,
    /// Each field that differs, where the resource is there before and after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// The whole resource as it was, where it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// The whole resource as it is, where it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}

/// The ways in which a resource can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeOfResource {
    /// It was not there before.
    Added,
    /// It is no longer there.
    Removed,
    /// It differs in the fields that are named.
    Changed,
    /// It stands at another place among those that were there before; what it says is the same.
    Moved,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FieldChange {
    /// JSON Pointer into the resource.
    pub path: String,
    /// The value as it was; missing where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    pub before: Option<Value>,
    /// The value as it is; missing where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    pub after: Option<Value>,
}

/// The resources that differ between two documents, kind by kind.
#[must_use]
pub fn between_documents(before: &Value, after: &Value) -> Vec<ResourceChange> {
    let mut changes = Vec::new();
    for kind in KINDS {
        match kind.shape {
            // Its owner has it.
            Shape::FieldOf(_) => {}
            Shape::Whole => {
                let fields = fields_between(
                    before.get(kind.section).unwrap_or(&Value::Null),
                    after.get(kind.section).unwrap_or(&Value::Null),
                );
                if !fields.is_empty() {
                    changes.push(ResourceChange {
                        kind: kind.name.to_owned(),
                        name: None,
                        change: ChangeOfResource::Changed,
                        fields,
                        before: None,
                        after: None,
                    });
                }
            }
            Shape::Map => {
                changes.extend(between(kind.name, &kind.all(before), &kind.all(after)));
            }
            Shape::List => {
                let (before, after) = (kind.all(before), kind.all(after));
                changes.extend(between(kind.name, &before, &after));
                changes.extend(moved(kind.name, &before, &after));
            }
        }
    }
    changes
}

/// The resources of one kind that differ, those of before first.
#[must_use]
pub fn between(
    kind: &str,
    before: &[(String, Value)],
    after: &[(String, Value)],
) -> Vec<ResourceChange> {
    let old: BTreeMap<&str, &Value> = by_name(before);
    let new: BTreeMap<&str, &Value> = by_name(after);
    let of = |name: &str, change, fields, before: Option<&Value>, after: Option<&Value>| {
        ResourceChange {
            kind: kind.to_owned(),
            name: Some(name.to_owned()),
            change,
            fields,
            before: before.cloned(),
            after: after.cloned(),
        }
    };
    let kept = before.iter().filter_map(|(name, was)| {
        let Some(is) = new.get(name.as_str()) else {
            let change = ChangeOfResource::Removed;
            return Some(of(name, change, Vec::new(), Some(was), None));
        };
        let fields = fields_between(was, is);
        let change = ChangeOfResource::Changed;
        (!fields.is_empty()).then(|| of(name, change, fields, None, None))
    });
    let added = after
        .iter()
        .filter(|(name, _)| !old.contains_key(name.as_str()))
        .map(|(name, is)| of(name, ChangeOfResource::Added, Vec::new(), None, Some(is)));
    kept.chain(added).collect()
}

/// The fields in which two values differ; the value itself is the field ``.
#[must_use]
pub fn fields_between(before: &Value, after: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare("", Some(before), Some(after), &mut found);
    found
}

fn by_name(resources: &[(String, Value)]) -> BTreeMap<&str, &Value> {
    let named = resources.iter();
    named.map(|(name, value)| (name.as_str(), value)).collect()
}

/// The resources of a list that stand at another place among those that both lists have. Where
/// others were added or removed around it, a resource has not moved.
fn moved(kind: &str, before: &[(String, Value)], after: &[(String, Value)]) -> Vec<ResourceChange> {
    let (old, new) = (by_name(before), by_name(after));
    let order = |names: &[(String, Value)], others: &BTreeMap<&str, &Value>| -> Vec<String> {
        let names = names.iter().map(|(name, _)| name);
        names
            .filter(|name| others.contains_key(name.as_str()))
            .cloned()
            .collect()
    };
    let (was, is) = (order(before, &new), order(after, &old));
    was.iter()
        .zip(&is)
        .filter(|(was, is)| was != is)
        .map(|(_, name)| ResourceChange {
            kind: kind.to_owned(),
            name: Some(name.clone()),
            change: ChangeOfResource::Moved,
            fields: Vec::new(),
            before: None,
            after: None,
        })
        .collect()
}

fn compare(
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    found: &mut Vec<FieldChange>,
) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(was)), Some(Value::Object(is))) => {
            let added = is.keys().filter(|key| !was.contains_key(*key));
            for key in was.keys().chain(added) {
                let path = format!("{path}/{}", escaped(key));
                compare(&path, was.get(key), is.get(key), found);
            }
        }
        // Of lists of one length the items correspond; otherwise the whole lists are shown.
        (Some(Value::Array(was)), Some(Value::Array(is))) if was.len() == is.len() => {
            for (index, (was, is)) in was.iter().zip(is).enumerate() {
                compare(&format!("{path}/{index}"), Some(was), Some(is), found);
            }
        }
        (Some(Value::String(was)), Some(Value::String(is))) => match (object(was), object(is)) {
            // Envoy carries the filter's configuration as a text.
            (Some(was), Some(is)) => compare(path, Some(&was), Some(&is), found),
            _ => found.push(field(path, before, after)),
        },
        _ => found.push(field(path, before, after)),
    }
}

fn field(path: &str, before: Option<&Value>, after: Option<&Value>) -> FieldChange {
    FieldChange {
        path: path.to_owned(),
        before: before.cloned(),
        after: after.cloned(),
    }
}

fn object(text: &str) -> Option<Value> {
    let fields: Map<String, Value> = serde_json::from_str(text).ok()?;
    Some(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_tells_what_was_added_removed_changed_and_moved() {
        let before = json!({
            "servers": {"data": {"url": "a"}, "old": {"url": "b"}},
            "tools": [{"name": "a", "allow": ["x"]}, {"name": "b"}, {"name": "c"}],
            "defaults": {"access": "allow"},
        });
        let after = json!({
            "servers": {"data": {"url": "z"}, "new": {"url": "b"}},
            "tools": [{"name": "n"}, {"name": "a", "allow": ["y"]}, {"name": "c"}, {"name": "b"}],
            "defaults": {"access": "deny"},
        });
        let changes = between_documents(&before, &after);
        let brief: Vec<_> = changes
            .iter()
            .map(|change| {
                let paths: Vec<&str> = change.fields.iter().map(|f| f.path.as_str()).collect();
                let name = change.name.as_deref().unwrap_or_default();
                (change.kind.as_str(), name, change.change, paths)
            })
            .collect();
        use ChangeOfResource::{Added, Changed, Moved, Removed};
        assert_eq!(
            brief,
            [
                ("servers", "data", Changed, vec!["/url"]),
                ("servers", "old", Removed, vec![]),
                ("servers", "new", Added, vec![]),
                ("rules", "a", Changed, vec!["/allow/0"]),
                ("rules", "n", Added, vec![]),
                ("rules", "c", Moved, vec![]),
                ("rules", "b", Moved, vec![]),
                ("defaults", "", Changed, vec!["/access"]),
            ]
        );
        assert_eq!(
            changes[7].fields[0],
            FieldChange {
                path: "/access".to_owned(),
                before: Some(json!("allow")),
                after: Some(json!("deny")),
            }
        );
        assert_eq!(between_documents(&before, &before), []);
    }

    #[test]
    fn it_looks_into_texts_that_are_objects() {
        let text = |timeout: u32| json!({"value": json!({"a/b": timeout}).to_string()});
        let fields = fields_between(&text(1), &text(2));
        assert_eq!(fields[0].path, "/value/a~1b");
        assert_eq!(fields.len(), 1);
        // A list that grew is shown as a whole.
        let fields = fields_between(&json!({"l": [1]}), &json!({"l": [1, 2]}));
        assert_eq!(fields[0].path, "/l");
    }
}
