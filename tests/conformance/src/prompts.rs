//! The prompts that the suites get.

use mcp_server::call::Call;
use mcp_server::known_names::NameKind;
use mcp_server::prompts::{Argument, Arguments, Guide, Prompt, PromptRegistry, Surroundings};
use rmcp::model::{ContentBlock, ResourceContents};

use serde_json::Value;

use crate::questions::{accepted, form, inputs};
use crate::samples::PNG;

/// Every prompt, in the order of the list that clients see.
pub fn all() -> PromptRegistry {
    PromptRegistry::default()
        .with::<Simple>()
        .with::<WithArguments>()
        .with::<WithResource>()
        .with::<WithImage>()
        .with::<Asking>()
}

const fn argument(name: &'static str) -> Argument {
    Argument {
        name,
        description: "An argument of the conformance suites",
        names: NameKind::Free,
    }
}

/// Makes prompts, each from its name, its arguments and its guide.
macro_rules! prompts {
    ($($prompt:ident $name:literal $arguments:expr => $write:expr;)*) => {$(
        #[doc = concat!("The prompt `", $name, "`.")]
        struct $prompt;

        impl Prompt for $prompt {
            const NAME: &'static str = $name;
            const TITLE: &'static str = $name;
            const DESCRIPTION: &'static str = "A prompt of the conformance suites.";
            const ARGUMENTS: &'static [Argument] = $arguments;

            async fn write(surroundings: &Surroundings<'_>, arguments: &Arguments) -> Guide {
                let write: fn(&Call, &Arguments) -> Guide = $write;
                write(surroundings.call, arguments)
            }
        }
    )*};
}

fn guide(text: impl Into<String>, attached: Option<ContentBlock>) -> Guide {
    let mut guide = Guide::default();
    guide.advise(text);
    attached.into_iter().for_each(|block| guide.attach(block));
    guide
}

prompts! {
    Simple "test_simple_prompt" &[] =>
        |_, _| guide("This is a simple prompt for testing.", None);
    WithArguments "test_prompt_with_arguments" &[argument("arg1"), argument("arg2")] =>
        |_, arguments| {
            let [first, second] = ["arg1", "arg2"].map(|name| arguments.get(name).unwrap_or(""));
            guide(format!("Prompt with arguments: arg1='{first}', arg2='{second}'"), None)
        };
    WithResource "test_prompt_with_embedded_resource" &[argument("resourceUri")] =>
        |_, arguments| {
            let uri = arguments.get("resourceUri").unwrap_or("test://example-resource");
            let text = ResourceContents::text("Embedded resource content for testing.", uri);
            let block = ContentBlock::resource(text.with_mime_type("text/plain"));
            guide("Please process the embedded resource.", Some(block))
        };
    WithImage "test_prompt_with_image" &[] =>
        |_, _| guide("Please analyze the image.", Some(ContentBlock::image(PNG, "image/png")));
    Asking "test_input_required_result_prompt" &[] =>
        |call, _| {
            let context = accepted(call, "user_context", "context").and_then(Value::as_str);
            let mut guide = guide(format!("Context: {}", context.unwrap_or("none")), None);
            if context.is_none() {
                let message = "What context should the prompt use?";
                guide.ask(inputs([form("user_context", message, "context", "string")], None));
            }
            guide
        };
}
