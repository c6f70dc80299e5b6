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

fn said(text: &str, content: Vec<ContentBlock>) -> Output {
    Output {
        content,
        ..Output::new(&json!({"said": text}), text)
    }
}

/// Makes tools of one kind: what describes all of them, the type of their arguments and the
/// abilities that they announce, and then each by its name, the properties of its arguments and its
/// work.
macro_rules! suite_tools {
    ($kind:tt $($tool:ident $name:literal $properties:tt => $work:expr;)*) => {$(
        $crate::tools::suite_tool! { $kind $tool $name $properties $work }
    )*};
}
use suite_tools;

/// Makes one tool of [`suite_tools`].
macro_rules! suite_tool {
    (
        [$description:literal, $arguments:ty $(, $ability:ident)*]
        $tool:ident $name:literal $properties:tt $work:expr
    ) => {
        #[doc = concat!("The tool `", $name, "` of the suites.")]
        pub struct $tool;

        impl mcp_server::tools::Tool for $tool {
            const NAME: &'static str = $name;
            const TITLE: &'static str = $name;
            const DESCRIPTION: &'static str = $description;
            const EFFECT: mcp_server::tools::Effect = mcp_server::tools::Effect::Reads;
            $(const $ability: bool = true;)*
            type Arguments = $arguments;

            fn input_schema() -> serde_json::Value {
                let properties = serde_json::json!($properties);
                serde_json::json!({"type": "object", "properties": properties,
                    "additionalProperties": false})
            }

            fn output_schema() -> serde_json::Value {
                $crate::tools::schema_of_said()
            }

            async fn run(
                _services: &mcp_server::services::Services,
                call: &mcp_server::call::Call,
                arguments: $arguments,
            ) -> Result<mcp_server::tools::Output, mcp_server::tools::ToolFailure> {
                let work: fn(mcp_server::call::Call, $arguments) -> _ = $work;
                work(call.clone(), arguments).await
            }
        }
    };
}
use suite_tool;

fn schema_of_said() -> Value {
    json!({"properties": {"said": {"type": "string"}}})
}

async fn fine(text: &str, content: Vec<ContentBlock>) -> Result<Output, ToolFailure> {
    Ok(said(text, content))
}

fn resource(uri: &str, mime_type: &str, text: &str) -> ContentBlock {
    ContentBlock::resource(ResourceContents::text(text, uri).with_mime_type(mime_type))
}

suite_tools! {
    ["A tool of the conformance suites.", NoArguments]
    SimpleText "test_simple_text" {} =>
        |_, _| fine("This is a simple text response for testing.", Vec::new());
    Image "test_image_content" {} => |_, _| fine("", vec![ContentBlock::image(PNG, "image/png")]);
    Audio "test_audio_content" {} => |_, _| fine("", vec![ContentBlock::audio(WAV, "audio/wav")]);
    EmbeddedResource "test_embedded_resource" {} => |_, _| fine("", vec![resource(
        "test://embedded-resource", "text/plain", "This is an embedded resource content.")]);
    MultipleContent "test_multiple_content_types" {} =>
        |_, _| fine("Multiple content types test:", vec![
            ContentBlock::image(PNG, "image/png"),
            resource("test://mixed-content-resource", "application/json",
                r#"{"test":"data","value":123}"#),
        ]);
    Failing "test_error_handling" {} => |_, _| std::future::ready(Err(ToolFailure::new(
        "intended", "This tool intentionally returns an error for testing")));
    AskingNothing "test_streaming_elicitation" {} => |_, _| fine("It asks nothing.", Vec::new());
    Reporting "test_tool_with_progress" {} => report;
}

async fn report(call: Call, _arguments: NoArguments) -> Result<Output, ToolFailure> {
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
