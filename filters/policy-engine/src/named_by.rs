//! Where a message names the item that a rule may be about, where that is no tool: the filter and
//! whoever else decides about a message read it by this alone.

use crate::item_kind::ItemKind;

/// The method whose `params.ref` says what it is about, which may be a template of URIs.
pub(crate) const COMPLETE: &str = "completion/complete";

/// The part of a message that names the item that a rule may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// The name in `params.name`.
    Name,
    /// The URI in `params.uri`.
    Uri,
    /// The object in `params.ref`.
    Reference,
    /// The method itself, in `method`.
    Method,
}

/// The content of a place in a message where a text may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Said<T> {
    /// It has no such member.
    #[default]
    Nothing,
    /// The text of a string.
    Text(T),
    /// A value of another type.
    Other,
}

/// The content of all places where a message may name an item.
#[derive(Clone, Copy, Debug, Default)]
pub struct SaidNames<T> {
    /// The content of `params.name`.
    pub name: Said<T>,
    /// The content of `params.uri`.
    pub uri: Said<T>,
    /// `params.ref`; none where that is no object.
    pub reference: Option<SaidReference<T>>,
    /// The content of `method`.
    pub method: Said<T>,
}

/// The content of `params.ref`.
#[derive(Clone, Copy, Debug)]
pub struct SaidReference<T> {
    /// The kind of item that its `type` names ([`ItemKind::of_reference`]).
    pub kind: Option<ItemKind>,
    /// The member `name` in it.
    pub name: Said<T>,
    /// The member `uri` in it.
    pub uri: Said<T>,
}

impl NamedBy {
    /// The part of the messages of a method; none for calls of tools.
    #[must_use]
    pub fn of_method(method: &[u8]) -> Option<Self> {
        Some(match ItemKind::of_method(method) {
            ItemKind::Tool => return None,
            ItemKind::Prompt => Self::Name,
            ItemKind::Resource => Self::Uri,
            ItemKind::Method if method == COMPLETE.as_bytes() => Self::Reference,
            ItemKind::Method => Self::Method,
        })
    }

    /// The kinds of item that it may name.
    #[must_use]
    pub fn kinds(self) -> &'static [ItemKind] {
        match self {
            Self::Name => &[ItemKind::Prompt],
            Self::Uri => &[ItemKind::Resource],
            Self::Reference => &[ItemKind::Prompt, ItemKind::Resource],
            Self::Method => &[ItemKind::Method],
        }
    }

    /// The kind of the item, and its name; the method where that is the name.
    ///
    /// # Errors
    /// What the message lacks, in words for its caller.
    pub fn find<T>(self, said: SaidNames<T>) -> Result<(ItemKind, T), &'static str> {
        let (kind, name, lacks) = match self {
            Self::Name => (ItemKind::Prompt, said.name, "a string in `params.name`"),
            Self::Uri => (ItemKind::Resource, said.uri, "a string in `params.uri`"),
            Self::Method => (ItemKind::Method, said.method, "a `method`"),
            Self::Reference => {
                let lacks = "an object in `params.ref` of the type `ref/prompt` with a `name`, or \
                             `ref/resource` with a `uri`";
                let reference = said.reference.ok_or(lacks)?;
                // With both, servers might take it for the one or the other.
                match (reference.kind, reference.name, reference.uri) {
                    (Some(kind @ ItemKind::Prompt), name, Said::Nothing) => (kind, name, lacks),
                    (Some(kind @ ItemKind::Resource), Said::Nothing, uri) => (kind, uri, lacks),
                    _ => return Err(lacks),
                }
            }
        };
        match name {
            Said::Text(name) => Ok((kind, name)),
            Said::Nothing | Said::Other => Err(lacks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Said::{Nothing, Other, Text};

    #[test]
    fn it_finds_what_a_message_is_about_where_its_method_says_so() {
        let said = |name, uri, reference| SaidNames {
            name,
            uri,
            reference,
            method: Text("m"),
        };
        let check = |method: &str, said: SaidNames<&'static str>, expected| {
            let by = NamedBy::of_method(method.as_bytes()).unwrap();
            assert_eq!(by.find(said).ok(), expected, "{method} {said:?}");
        };
        let (prompt, resource) = (Some(ItemKind::Prompt), Some(ItemKind::Resource));
        let both = said(Text("n"), Text("u"), None);
        check("prompts/get", both, Some((ItemKind::Prompt, "n")));
        for method in [
            "resources/read",
            "resources/subscribe",
            "resources/unsubscribe",
        ] {
            check(method, both, Some((ItemKind::Resource, "u")));
            check(method, said(Text("n"), Nothing, None), None);
            check(method, said(Nothing, Other, None), None);
        }
        check("prompts/get", said(Nothing, Text("u"), None), None);
        check("prompts/get", said(Other, Nothing, None), None);
        check("tools/list", both, Some((ItemKind::Method, "m")));
        for (kind, name, uri, expected) in [
            (prompt, Text("n"), Nothing, Some((ItemKind::Prompt, "n"))),
            (
                resource,
                Nothing,
                Text("u"),
                Some((ItemKind::Resource, "u")),
            ),
            // Not everyone would take these for the same.
            (prompt, Text("n"), Text("u"), None),
            (resource, Text("n"), Text("u"), None),
            (prompt, Text("n"), Other, None),
            (resource, Other, Text("u"), None),
            (prompt, Nothing, Text("u"), None),
            (resource, Text("n"), Nothing, None),
            (prompt, Other, Nothing, None),
            (None, Text("n"), Nothing, None),
        ] {
            let reference = Some(SaidReference { kind, name, uri });
            let named = said(Text("n"), Text("u"), reference);
            check("completion/complete", named, expected);
        }
        check("completion/complete", both, None);
        assert_eq!(NamedBy::of_method(b"tools/call"), None);
    }
}
