//! The lists of the registered servers: asked for, kept byte for byte, and judged.

use gateway_document::{CatalogueTool, SchemaText, Server, ServerName};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use store::{Catalogue, RawTool};
use time::OffsetDateTime;

mod client;
mod json_schema;
mod listing;
mod sse;

pub use client::{CatalogueClient, ListError, Listing};

/// A server's list as it is kept, and what a policy makes of it.
#[derive(Debug, Clone)]
pub struct KnownList {
    /// The list as it is kept.
    pub stored: Catalogue,
    /// The tools, each with the flaw that keeps it from being offered.
    pub tools: Vec<CatalogueTool>,
}

impl KnownList {
    /// Judges each tool of a list.
    #[must_use]
    pub fn new(stored: Catalogue) -> Self {
        let tools = stored
            .tools
            .iter()
            .map(|tool| judge(tool, listed_since(&stored, &tool.name)))
            .collect();
        Self { stored, tools }
    }

    /// Judges what a server just listed, after what it listed before.
    #[must_use]
    pub fn observed(server: &ServerName, listing: Listing, previous: Option<&Self>) -> Self {
        let now = OffsetDateTime::now_utc();
        let list = Catalogue::new(server.to_string(), listing.protocol, now, listing.tools)
            .from_endpoint(listing.endpoint);
        Self::new(match previous {
            Some(previous) => list.following(&previous.stored),
            None => list,
        })
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

fn listed_since(list: &Catalogue, tool: &str) -> u64 {
    let since = list.since.get(tool).unwrap_or(&list.seen_at);
    u64::try_from(since.unix_timestamp_nanos() / 1_000).unwrap_or_default()
}

/// The part of a tool's definition that a policy depends on (MCP 2026-07-28, server/tools).
#[derive(Deserialize)]
struct Definition {
    #[serde(rename = "inputSchema")]
    input_schema: Option<Box<RawValue>>,
}

fn judge(tool: &RawTool, listed_since: u64) -> CatalogueTool {
    let name = tool.name.clone();
    let (input_schema, flaw) = match serde_json::from_str::<Definition>(&tool.json) {
        Err(error) => (
            None,
            Some(format!(
                "its definition cannot be read ({error}); have its server correct it"
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
        flaw,
        listed_since,
    }
}

/// The reason why a text is not a JSON Schema of the draft that it names.
fn invalid_schema(text: &RawValue) -> Option<String> {
    let schema: Value = match serde_json::from_str(text.get()) {
        Ok(schema) => schema,
        Err(error) => {
            return Some(format!(
                "its input schema cannot be read ({error}); have its server correct it"
            ));
        }
    };
    let json_schema::Fault { pointer, expected } = json_schema::fault(&schema)?;
    Some(format!(
        "its input schema is not a JSON Schema, at `{pointer}`: expected {expected}; have its \
         server correct it"
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
        judge(&tool, 0).flaw
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
}
