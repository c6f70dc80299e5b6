//! The lists of tools that MCP servers answered, as they are kept.

use std::{collections::BTreeMap, fmt};

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// The tools that one MCP server answered when it was asked for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// The server's name in the gateway document.
    pub server: String,
    /// The revision of MCP that was spoken: `2026-07-28`, say.
    pub protocol: String,
    /// When the list was last seen to be so, to the microsecond.
    pub seen_at: OffsetDateTime,
    /// The hash of `tools`.
    pub hash: ListHash,
    /// The tools in the server's order.
    pub tools: Vec<RawTool>,
    /// The URL of the endpoint that answered; empty where that is not known.
    pub endpoint: String,
    /// The time since when the server has listed each tool without a break, by the tool's name.
    pub since: BTreeMap<String, OffsetDateTime>,
    /// The words of the server about itself as JSON; empty where it said nothing.
    pub about: String,
    /// Definitions of a pinned server's tools besides those of `tools`.
    pub reviews: Vec<DefinitionReview>,
}

/// The list of a server's tools that a stored generation was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationList {
    /// The hash of the list, which stays in the store as long as it is named here.
    pub hash: ListHash,
    /// The URL of the endpoint that answered; empty where that is not known.
    pub endpoint: String,
    /// The revision of MCP that was spoken; empty where that is not known.
    pub protocol: String,
    /// The words of the server about itself as JSON; empty where it said nothing.
    pub about: String,
}

/// A definition of a pinned server's tool that is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionReview {
    /// The definition, with the name of its tool.
    pub tool: RawTool,
    /// The decision about it, or that there is none.
    pub state: ReviewState,
    /// The one who decided about it; empty while nobody has.
    pub author: String,
    /// Why, in the author's words; possibly empty.
    pub reason: String,
    /// When it was seen first, or decided about.
    pub at: OffsetDateTime,
}

/// The decision about a definition that is not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReviewState {
    /// It was approved, and its server does not list it any more.
    Approved,
    /// Somebody has rejected it.
    Rejected,
    /// Nobody has approved or rejected it yet.
    Unreviewed,
}

impl ReviewState {
    /// The word for it in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreviewed => "unreviewed",
            Self::Rejected => "rejected",
            Self::Approved => "approved",
        }
    }

    pub(crate) fn stored(word: &str) -> Option<Self> {
        let all = [Self::Unreviewed, Self::Rejected, Self::Approved];
        all.into_iter().find(|state| state.as_str() == word)
    }
}

impl Catalogue {
    /// Puts a list together and hashes it; every tool in it is new.
    pub fn new(
        server: String,
        protocol: String,
        seen_at: OffsetDateTime,
        tools: Vec<RawTool>,
    ) -> Self {
        Self {
            server,
            protocol,
            seen_at,
            hash: ListHash::of(&tools),
            endpoint: String::new(),
            about: String::new(),
            reviews: Vec::new(),
            since: tools
                .iter()
                .map(|tool| (tool.name.clone(), seen_at))
                .collect(),
            tools,
        }
    }

    /// Notes which endpoint answered.
    #[must_use]
    pub fn from_endpoint(self, endpoint: String) -> Self {
        Self { endpoint, ..self }
    }

    /// Notes what the server said of itself.
    #[must_use]
    pub fn about(self, about: String) -> Self {
        Self { about, ..self }
    }

    /// The parts of it that a stored generation keeps.
    #[must_use]
    pub fn to_generation_list(&self) -> GenerationList {
        GenerationList {
            hash: self.hash.clone(),
            endpoint: self.endpoint.clone(),
            protocol: self.protocol.clone(),
            about: self.about.clone(),
        }
    }

    /// Makes this the list that follows `previous`: a tool that was there is not new.
    #[must_use]
    pub fn following(mut self, previous: &Self) -> Self {
        for (name, since) in &mut self.since {
            if let Some(earlier) = previous.since.get(name) {
                *since = *earlier;
            }
        }
        self
    }
}

/// One tool as its server described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTool {
    /// The server's own name for it.
    pub name: String,
    /// Its definition, byte for byte.
    pub json: String,
}

/// The SHA-256 of a list of tools, in hexadecimal: of each definition's length (8 bytes, big
/// endian) and bytes, in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListHash(String);

impl ListHash {
    /// Hashes a list by its definitions' bytes and their order.
    pub fn of(tools: &[RawTool]) -> Self {
        let mut hasher = Sha256::new();
        for tool in tools {
            hasher.update((tool.json.len() as u64).to_be_bytes());
            hasher.update(&tool.json);
        }
        Self(hex::encode(hasher.finalize()))
    }

    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The hash as hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ListHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_hashes_a_list_by_where_definitions_end_and_by_their_order() {
        let hash = |definitions: &[&str]| {
            let tools: Vec<_> = definitions
                .iter()
                .map(|json| RawTool {
                    name: String::new(),
                    json: (*json).to_owned(),
                })
                .collect();
            ListHash::of(&tools)
        };
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&["a", "b"]), hash(&["b", "a"]));
        assert_eq!(hash(&["a", "b"]), hash(&["a", "b"]));
    }
}
