//! The kinds of thing that a message is about.

/// The kinds of item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ItemKind {
    /// A tool, by its name.
    #[default]
    Tool,
    /// A prompt, by its name.
    Prompt,
    /// A resource, by its URI.
    Resource,
    /// A message that is about none of these, by its method.
    Method,
}

impl ItemKind {
    /// The kinds whose items no list names.
    pub const UNLISTED: [Self; 3] = [Self::Prompt, Self::Resource, Self::Method];

    /// The patterns of a match that are there, each with its kind and the name of its field.
    pub fn patterns<'a>(
        tool: Option<&'a str>,
        prompt: Option<&'a str>,
        uri: Option<&'a str>,
        method: Option<&'a str>,
    ) -> impl Iterator<Item = (Self, &'static str, &'a str)> {
        let fields = [
            (Self::Tool, "tool", tool),
            (Self::Prompt, "prompt", prompt),
            (Self::Resource, "uri", uri),
            (Self::Method, "method", method),
        ];
        let given = fields.into_iter();
        given.filter_map(|(kind, field, pattern)| Some((kind, field, pattern?)))
    }

    /// The word for one of the kind.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Method => "method",
        }
    }

    /// The kind of item that messages of a method are about. What `completion/complete` is about,
    /// its `ref` says ([`Self::of_reference`]): by the method alone it is a [`Self::Method`].
    #[must_use]
    pub fn of_method(method: &[u8]) -> Self {
        match method {
            b"tools/call" => Self::Tool,
            b"prompts/get" => Self::Prompt,
            b"resources/read" | b"resources/subscribe" | b"resources/unsubscribe" => Self::Resource,
            _ => Self::Method,
        }
    }

    /// The kind of item that a reference of this type names.
    #[must_use]
    pub fn of_reference(kind: &[u8]) -> Option<Self> {
        match kind {
            b"ref/prompt" => Some(Self::Prompt),
            b"ref/resource" => Some(Self::Resource),
            _ => None,
        }
    }
}
