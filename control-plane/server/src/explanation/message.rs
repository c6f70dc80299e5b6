//! A message, as far as a decision about it needs it.

use policy_engine::{ItemKind, Said, SaidNames, SaidReference};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A JSON-RPC message, as far as a decision about it needs it.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    pub(super) method: String,
    #[serde(default, borrow, deserialize_with = "present")]
    pub(super) id: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) params: Params<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Params<'a> {
    /// None where it is absent.
    #[serde(default, deserialize_with = "some")]
    name: Option<Value>,
    #[serde(default, deserialize_with = "some")]
    uri: Option<Value>,
    /// The prompt or resource that `completion/complete` completes something of.
    #[serde(rename = "ref")]
    reference: Option<Value>,
    #[serde(default, borrow, deserialize_with = "present")]
    pub(super) arguments: Option<&'a RawValue>,
}

/// `null` is a value, and not its absence.
fn present<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(source).map(Some)
}

/// As [`present`], with its value.
fn some<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(source).map(Some)
}

fn said(value: Option<&Value>) -> Said<&str> {
    match value {
        None => Said::Nothing,
        Some(Value::String(text)) => Said::Text(text),
        Some(_) => Said::Other,
    }
}

impl Message<'_> {
    /// The name of the tool that it calls, where it calls one.
    pub(super) fn tool(&self) -> Option<&str> {
        self.params.name.as_ref().and_then(Value::as_str)
    }

    /// All that it says where it may name an item.
    pub(super) fn names(&self) -> SaidNames<&str> {
        let reference = self.params.reference.as_ref().and_then(Value::as_object);
        SaidNames {
            name: said(self.params.name.as_ref()),
            uri: said(self.params.uri.as_ref()),
            reference: reference.map(|reference| SaidReference {
                kind: match said(reference.get("type")) {
                    Said::Text(kind) => ItemKind::of_reference(kind.as_bytes()),
                    Said::Nothing | Said::Other => None,
                },
                name: said(reference.get("name")),
                uri: said(reference.get("uri")),
            }),
            method: Said::Text(&self.method),
        }
    }
}
