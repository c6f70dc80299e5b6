//! A message, as far as a decision about it needs it.

use policy_engine::ItemKind;
use serde::Deserialize;
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
    pub(super) name: Option<String>,
    uri: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<Reference>,
    #[serde(default, borrow, deserialize_with = "present")]
    pub(super) arguments: Option<&'a RawValue>,
}

/// The prompt or resource that `completion/complete` completes something of.
#[derive(Debug, Deserialize)]
struct Reference {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    uri: Option<String>,
}

/// `null` is a value, and not its absence.
fn present<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(source).map(Some)
}

impl Message<'_> {
    /// The kind of item that it is about, and the name of that; the method where nothing has one.
    pub(super) fn item(&self) -> (ItemKind, Option<&str>) {
        let Params {
            name,
            uri,
            reference,
            ..
        } = &self.params;
        let completed = reference
            .as_ref()
            .filter(|_| self.method == "completion/complete");
        if let Some(reference) = completed {
            return match ItemKind::of_reference(reference.kind.as_bytes()) {
                Some(ItemKind::Resource) => (ItemKind::Resource, reference.uri.as_deref()),
                _ => (ItemKind::Prompt, reference.name.as_deref()),
            };
        }
        match ItemKind::of_method(self.method.as_bytes()) {
            ItemKind::Tool | ItemKind::Prompt => (ItemKind::Prompt, name.as_deref()),
            ItemKind::Resource => (ItemKind::Resource, uri.as_deref()),
            ItemKind::Method => (ItemKind::Method, Some(&self.method)),
        }
    }
}
