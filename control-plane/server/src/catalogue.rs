//! The lists of the registered servers: asked for, kept byte for byte, and judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gateway_document::{
    CatalogueTool, SchemaText, Server, ServerAbout, ServerCatalogue, ServerName, ToolFlaw,
    WithholdingCause,
};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use store::{Catalogue, DefinitionReview, RawTool, ReviewState};
use time::OffsetDateTime;

mod client;
mod connection;
mod era;
mod json_schema;
mod list_error;
mod listing;
mod pinning;
mod probe;
mod sse;
mod tls;
mod towards;
mod way;

pub use client::{CatalogueClient, Listing};
pub use list_error::ListError;
pub use pinning::ReviewVerdict;
pub(crate) use pinning::{decide, reviewable};

/// How many tools of one name are kept of a list. The second one says that the name is ambiguous,
/// and none of them is offered; more would say nothing new, and are work at each look.
const MOST_OF_A_NAME: usize = 2;

/// A server's list as it is kept, and what a policy makes of it.
#[derive(Debug, Clone)]
pub struct KnownList {
    /// The list as it is kept.
    pub stored: Catalogue,
    /// The tools, each with the flaw that keeps it from being offered.
    pub tools: Arc<ServerCatalogue>,
    /// The words of the server about itself.
    pub about: ServerAbout,
}

impl KnownList {
    /// Judges each tool of a list, and withholds those that nobody has approved.
    #[must_use]
    pub fn new(stored: Catalogue) -> Self {
        let mut tools: Vec<CatalogueTool> = stored
            .tools
            .iter()
            .map(|tool| judge(tool, listed_since(&stored, &tool.name)))
            .collect();
        let mut names: BTreeSet<&str> = stored.tools.iter().map(|tool| &*tool.name).collect();
        for review in &stored.reviews {
            if let Some(flaw) = flaw_of(review)
                && names.insert(&review.tool.name)
            {
                tools.push(CatalogueTool {
                    name: review.tool.name.clone(),
                    input_schema: None,
                    flaw: Some(flaw),
                    listed_since: in_microseconds(review.at),
                });
            }
        }
        Self {
            about: serde_json::from_str(&stored.about).unwrap_or_default(),
            stored,
            tools: Arc::new(tools.into()),
        }
    }

    /// Judges what a server just listed, after what it listed before. Where it is pinned to
    /// `approved`, only what that has is in force.
    #[must_use]
    pub fn observed(
        server: &ServerName,
        listing: Listing,
        previous: Option<&Self>,
        approved: Option<&Self>,
    ) -> Self {
        let now = OffsetDateTime::now_utc();
        let about = serde_json::to_string(&listing.about).unwrap_or_default();
        let tools = few_of_each_name(listing.tools);
        let list = Catalogue::new(server.to_string(), listing.protocol, now, tools)
            .from_endpoint(listing.endpoint)
            .about(about);
        let list = match previous {
            Some(previous) => list.following(&previous.stored),
            None => list,
        };
        Self::new(match approved {
            Some(approved) => pinning::hold_back(list, &approved.stored),
            None => list,
        })
    }

    /// The list of a pinned server that has moved and lists nothing yet: nothing is in force, and
    /// what was approved stays so. It is no list of where the server was before.
    #[must_use]
    pub fn moved(&self, to: &Server) -> Self {
        let stored = &self.stored;
        let (server, protocol) = (stored.server.clone(), stored.protocol.clone());
        let nothing = Catalogue::new(server, protocol, OffsetDateTime::now_utc(), Vec::new());
        let place = to.all_endpoints().next();
        let place = place.map(ToString::to_string).unwrap_or_default();
        let nothing = nothing.about(stored.about.clone()).from_endpoint(place);
        Self::new(pinning::hold_back(nothing, stored))
    }

    /// The tools as the document lets them be offered: none of a server that is not what it
    /// requires.
    #[must_use]
    pub fn offered(&self, server: &Server) -> Arc<ServerCatalogue> {
        let Some(reason) = self.unmet(server) else {
            return Arc::clone(&self.tools);
        };
        let mut tools = self.tools.to_vec();
        for tool in &mut tools {
            tool.flaw.get_or_insert_with(|| ToolFlaw {
                cause: WithholdingCause::Requirements,
                reason: reason.clone(),
            });
        }
        Arc::new(tools.into())
    }

    /// Whether a definition of the tool is in force.
    #[must_use]
    pub fn has_in_force(&self, tool: &str) -> bool {
        self.stored.tools.iter().any(|there| there.name == tool)
    }

    /// Why the server is not what the document requires, where it is not.
    #[must_use]
    pub fn unmet(&self, server: &Server) -> Option<String> {
        server.requires.unmet(&self.stored.protocol, &self.about)
    }

    /// Whether one of the server's endpoints may have answered this list. Where that was not noted,
    /// it is believed.
    #[must_use]
    pub fn may_be_of(&self, server: &Server) -> bool {
        let from = self.stored.endpoint.as_str();
        from.is_empty() || has_endpoint(server, from)
    }
}

/// Whether a server is reached at this URL, among others.
#[must_use]
pub fn has_endpoint(server: &Server, url: &str) -> bool {
    server
        .all_endpoints()
        .any(|endpoint| endpoint.as_str() == url)
}

/// An error with all its causes, in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// How many characters of a server's own words are told.
const MOST_CHARACTERS: usize = 300;

/// A server's own words as they go into logs and answers: they may be of any length, and made to
/// look like lines of ours.
fn shortened(text: &str) -> String {
    shown_text::on_one_line(&shown_text::cut(text, MOST_CHARACTERS))
}

fn few_of_each_name(mut tools: Vec<RawTool>) -> Vec<RawTool> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    tools.retain(|tool| {
        let count = counts.entry(tool.name.clone()).or_default();
        *count += 1;
        *count <= MOST_OF_A_NAME
    });
    tools
}

fn listed_since(list: &Catalogue, tool: &str) -> u64 {
    in_microseconds(*list.since.get(tool).unwrap_or(&list.seen_at))
}

fn in_microseconds(time: OffsetDateTime) -> u64 {
    u64::try_from(time.unix_timestamp_nanos() / 1_000).unwrap_or_default()
}

/// Why a tool is withheld that nobody has approved; nothing where its server does not list it.
fn flaw_of(review: &DefinitionReview) -> Option<ToolFlaw> {
    let reason = match review.state {
        ReviewState::Unreviewed => {
            "its server is pinned, and the tool is new: approve or reject it".to_owned()
        }
        ReviewState::Rejected => format!(
            "its server is pinned, and `{}` rejected the tool; approve it if it is to be offered",
            review.author
        ),
        ReviewState::Approved => return None,
    };
    Some(ToolFlaw {
        cause: WithholdingCause::Unreviewed,
        reason,
    })
}

/// The part of a tool's definition that a policy depends on (MCP 2026-07-28, server/tools).
#[derive(Deserialize)]
struct Definition {
    #[serde(rename = "inputSchema")]
    input_schema: Option<Box<RawValue>>,
}

/// The most bytes of a definition that is looked into. A schema may have 256 KiB, and there is room
/// for as much beside it. Read as JSON, a text may take sixteen times its length and more.
const MOST_DEFINITION_BYTES: usize = 512 << 10;

fn judge(tool: &RawTool, listed_since: u64) -> CatalogueTool {
    let name = tool.name.clone();
    let bytes = tool.json.len();
    if bytes > MOST_DEFINITION_BYTES {
        let reason = format!(
            "its definition has {bytes} bytes, more than the {MOST_DEFINITION_BYTES} that one may \
             have; have its server shorten it"
        );
        return CatalogueTool {
            name,
            input_schema: None,
            flaw: Some(ToolFlaw::definition(reason)),
            listed_since,
        };
    }
    let (input_schema, flaw) = match serde_json::from_str::<Definition>(&tool.json) {
        Err(error) => (
            None,
            Some(format!(
                "its definition cannot be read ({}); have its server correct it",
                shortened(&error.to_string())
            )),
        ),
        Ok(Definition { input_schema: None }) => (
            None,
            Some(
                "it lists no `inputSchema`, which MCP requires; have its server list one"
                    .to_owned(),
            ),
        ),
        Ok(Definition {
            input_schema: Some(text),
        }) => {
            let flaw = invalid_schema(&text);
            (Some(SchemaText::new(text)), flaw)
        }
    };
    CatalogueTool {
        name,
        input_schema,
        flaw: flaw.map(ToolFlaw::definition),
        listed_since,
    }
}

/// The reason why a text is not a JSON Schema of the draft that it names.
fn invalid_schema(text: &RawValue) -> Option<String> {
    let schema: Value = match serde_json::from_str(text.get()) {
        Ok(schema) => schema,
        Err(error) => {
            return Some(format!(
                "its input schema cannot be read ({}); have its server correct it",
                shortened(&error.to_string())
            ));
        }
    };
    let json_schema::Fault { pointer, expected } = json_schema::fault(&schema)?;
    Some(format!(
        "its input schema is not a JSON Schema, at `{}`: expected {expected}; have its server \
         correct it",
        shortened(&pointer)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(json: &str) -> Option<String> {
        let tool = RawTool {
            name: "x".to_owned(),
            json: json.to_owned(),
        };
        judge(&tool, 0).flaw.map(|flaw| flaw.reason)
    }

    #[test]
    fn it_keeps_the_bytes_of_a_schema_and_finds_no_flaw_in_a_sound_one() {
        let tool = RawTool {
            name: "x".to_owned(),
            json: r#"{"name":"x","inputSchema":{ "type" : "object" , "x-vendor": 1.50 }}"#
                .to_owned(),
        };
        let tool = judge(&tool, 0);
        assert_eq!(
            tool.input_schema.unwrap().text().get(),
            r#"{ "type" : "object" , "x-vendor": 1.50 }"#
        );
        assert_eq!(tool.flaw, None);
    }

    #[test]
    fn it_finds_what_could_never_be_checked() {
        assert!(
            flaw(r#"{"name":"x"}"#)
                .unwrap()
                .contains("no `inputSchema`")
        );
        assert!(
            flaw(r#"{"name":"x","inputSchema":{"type":"objekt"}}"#)
                .unwrap()
                .contains("/type")
        );
        assert!(
            flaw(r#"{"name":"x","inputSchema":{},"inputSchema":{}}"#)
                .unwrap()
                .contains("duplicate field")
        );
    }

    #[test]
    fn it_reads_nothing_of_a_definition_that_is_too_long() {
        let numbers = "0,".repeat(MOST_DEFINITION_BYTES / 2);
        let tool = RawTool {
            name: "x".to_owned(),
            json: format!(r#"{{"name":"x","inputSchema":{{"enum":[{numbers}0]}}}}"#),
        };
        let mut judged = None;
        let work = allocation_counter::measure(|| judged = Some(judge(&tool, 0)));
        assert!(work.bytes_total < 1_000, "{work:?}");
        let judged = judged.unwrap();
        assert!(judged.input_schema.is_none());
        let flaw = judged.flaw.unwrap();
        assert_eq!(flaw.cause, WithholdingCause::Definition);
        let told = format!("has {} bytes, more than the 524288", tool.json.len());
        assert!(flaw.reason.contains(&told), "{}", flaw.reason);
    }

    #[test]
    fn it_survives_whatever_a_server_calls_a_schema() {
        let deep = format!(
            "{}{}",
            "{\"items\":".repeat(500),
            "1".to_owned() + &"}".repeat(500)
        );
        for schema in [
            "null",
            "[]",
            "1e999",
            r#""text""#,
            r#"{"$schema":"https://nobody.example/draft-99"}"#,
            r#"{"$schema":7}"#,
            r##"{"$schema":"#"}"##,
            r#"{"$ref":"file:///etc/passwd"}"#,
            r##"{"$id":"::::","$ref":"#/nowhere"}"##,
            r##"{"$defs":{"a":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}"##,
            r#"{"pattern":"(((("}"#,
            deep.as_str(),
        ] {
            // Withheld, or passed on to the engine's own judgement: either is sound, a panic is
            // not.
            let _ = flaw(&format!(r#"{{"name":"x","inputSchema":{schema}}}"#));
        }
    }

    #[test]
    fn it_keeps_of_many_tools_of_a_name_as_many_as_show_that_it_is_ambiguous() {
        let tool = |name: &str, number: u32| RawTool {
            name: name.to_owned(),
            json: format!(r#"{{"name":"{name}","number":{number},"inputSchema":{{}}}}"#),
        };
        let many = (0..1000).map(|number| tool("a", number));
        let listing = Listing {
            about: ServerAbout::default(),
            endpoint: String::new(),
            protocol: "2026-07-28".to_owned(),
            tools: many.chain([tool("b", 0)]).collect(),
        };
        let server = "s".parse().unwrap();
        let list = KnownList::observed(&server, listing, None, None);
        let kept = [tool("a", 0), tool("a", 1), tool("b", 0)];
        assert_eq!(list.stored.tools, kept);
    }
}
