//! The tools that the suites call.

mod asking;
mod in_session;
mod logging;
mod long;

use mcp_server::call::Call;
use mcp_server::services::Services;
use mcp_server::tools::{Effect, Output, Registry, Tool, ToolFailure};
use rmcp::model::{ContentBlock, ResourceContents};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::samples::{PNG, WAV};

/// Every tool, in the order of the list that clients see.
pub fn all() -> Registry {
    let tools = Registry::default()
        .with::<SimpleText>()
        .with::<Image>()
        .with::<Audio>()
        .with::<EmbeddedResource>()
        .with::<MultipleContent>()
        .with::<Failing>()
        .with::<Reporting>()
        .with::<ManyKeywords>()
        .with::<NamedInHeader>()
        .with::<AskingNothing>()
        .with::<asking::Greeted>()
        .with::<asking::Sampled>()
        .with::<asking::Rooted>()
        .with::<asking::Sealed>()
        .with::<asking::Tampered>()
        .with::<asking::Several>()
        .with::<asking::Rounds>()
        .with::<asking::Capable>()
        .with::<asking::Missing>();
    let tools = logging::add_to(long::add_to(tools));
    in_session::add_to(tools)
}

/// No arguments at all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoArguments {}

fn no_arguments() -> Value {
    json!({"type": "object", "properties": {}, "additionalProperties": false})
}

fn said(text: &str, content: Vec<ContentBlock>) -> Output {
    Output {
        content,
        ..Output::new(&json!({"said": text}), text)
    }
}

/// Makes tools without arguments, each from its name and what it answers.
macro_rules! tools_without_arguments {
    ($($tool:ident $name:literal => $answer:expr;)*) => {$(
        #[doc = concat!("The tool `", $name, "` of the suites.")]
        pub struct $tool;

        impl Tool for $tool {
            const NAME: &'static str = $name;
            const TITLE: &'static str = $name;
            const DESCRIPTION: &'static str = "A tool of the conformance suites.";
            const EFFECT: Effect = Effect::Reads;
            type Arguments = NoArguments;

            fn input_schema() -> Value {
                no_arguments()
            }

            fn output_schema() -> Value {
                json!({"properties": {"said": {"type": "string"}}, "required": ["said"]})
            }

            async fn run(
                _services: &Services,
                call: &Call,
                _arguments: NoArguments,
            ) -> Result<Output, ToolFailure> {
                let answer: fn(&Call) -> _ = $answer;
                answer(call).await
            }
        }
    )*};
}
use tools_without_arguments;

async fn fine(text: &str, content: Vec<ContentBlock>) -> Result<Output, ToolFailure> {
    Ok(said(text, content))
}

fn resource(uri: &str, mime_type: &str, text: &str) -> ContentBlock {
    ContentBlock::resource(ResourceContents::text(text, uri).with_mime_type(mime_type))
}

tools_without_arguments! {
    SimpleText "test_simple_text" =>
        |_| fine("This is a simple text response for testing.", Vec::new());
    Image "test_image_content" => |_| fine("", vec![ContentBlock::image(PNG, "image/png")]);
    Audio "test_audio_content" => |_| fine("", vec![ContentBlock::audio(WAV, "audio/wav")]);
    EmbeddedResource "test_embedded_resource" => |_| fine("", vec![resource(
        "test://embedded-resource", "text/plain", "This is an embedded resource content.")]);
    MultipleContent "test_multiple_content_types" => |_| fine("Multiple content types test:", vec![
        ContentBlock::image(PNG, "image/png"),
        resource("test://mixed-content-resource", "application/json",
            r#"{"test":"data","value":123}"#),
    ]);
    Failing "test_error_handling" => |_| std::future::ready(Err(ToolFailure::new(
        "intended", "This tool intentionally returns an error for testing")));
    AskingNothing "test_streaming_elicitation" => |_| fine("It asks nothing.", Vec::new());
    Reporting "test_tool_with_progress" => |call| report(call.clone());
}

async fn report(call: Call) -> Result<Output, ToolFailure> {
    for done in [0.0, 50.0, 100.0] {
        let message = Some(format!("{done} of 100"));
        call.progress.report(done, Some(100.0), message).await;
    }
    Ok(said("done", Vec::new()))
}

/// The tool whose schema has what JSON Schema 2020-12 has beyond its predecessors.
struct ManyKeywords;

#[derive(Debug, Deserialize)]
struct AnyArguments {}

impl Tool for ManyKeywords {
    const NAME: &'static str = "json_schema_2020_12_tool";
    const TITLE: &'static str = "Many keywords";
    const DESCRIPTION: &'static str = "Tool with JSON Schema 2020-12 features";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = AnyArguments;

    fn input_schema() -> Value {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {
                "street": {"type": "string"}, "city": {"type": "string"}}}},
            "properties": {
                "name": {"type": "string"},
                "address": {"$ref": "#/$defs/address"},
                "contactMethod": {"type": "string", "enum": ["phone", "email"]},
                "phone": {"type": "string"},
                "email": {"type": "string"}
            },
            "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
            "if": {"properties": {"contactMethod": {"const": "phone"}},
                "required": ["contactMethod"]},
            "then": {"required": ["phone"]},
            "else": {"required": ["email"]},
            "additionalProperties": false
        })
    }

    fn output_schema() -> Value {
        json!({"properties": {"said": {"type": "string"}}})
    }

    async fn run(
        _services: &Services,
        _call: &Call,
        _arguments: AnyArguments,
    ) -> Result<Output, ToolFailure> {
        fine("fits", Vec::new()).await
    }
}

/// The tool with an argument that clients repeat in a header.
struct NamedInHeader;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Region {
    #[serde(default)]
    region: Option<String>,
}

impl Tool for NamedInHeader {
    const NAME: &'static str = "test_custom_header";
    const TITLE: &'static str = "Named in a header";
    const DESCRIPTION: &'static str = "A tool whose argument stands in a header, too.";
    const EFFECT: Effect = Effect::Reads;
    type Arguments = Region;

    fn input_schema() -> Value {
        json!({"type": "object", "additionalProperties": false,
            "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}})
    }

    fn output_schema() -> Value {
        json!({"properties": {"said": {"type": "string"}}})
    }

    async fn run(
        _services: &Services,
        _call: &Call,
        arguments: Region,
    ) -> Result<Output, ToolFailure> {
        fine(&arguments.region.unwrap_or_default(), Vec::new()).await
    }
}
