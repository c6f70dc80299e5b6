//! The tools that have something to say to their client's log.

use std::time::Duration;

use mcp_server::call::{Call, Severity};
use mcp_server::services::Services;
use mcp_server::tools::{Effect, Output, Registry, Tool, ToolFailure};
use serde_json::{Value, json};

use super::{NoArguments, no_arguments, said};

/// Every tool of this kind, behind those that are there.
pub fn add_to(tools: Registry) -> Registry {
    tools.with::<Modern>().with::<InSession>()
}

/// The time between two messages, so that a client could tell them apart.
const BETWEEN: Duration = Duration::from_millis(20);

/// Makes tools, each from its name.
macro_rules! logging_tools {
    ($($tool:ident $name:literal;)*) => {$(
        #[doc = concat!("The tool `", $name, "` of the suites.")]
        struct $tool;

        impl Tool for $tool {
            const NAME: &'static str = $name;
            const TITLE: &'static str = $name;
            const DESCRIPTION: &'static str = "A tool of the conformance suites that logs.";
            const EFFECT: Effect = Effect::Reads;
            const LOGS: bool = true;
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
                for message in ["begins", "works", "ends"] {
                    call.log.log(Severity::Info, format!("the tool {message}")).await;
                    call.unless_cancelled(tokio::time::sleep(BETWEEN)).await?;
                }
                Ok(said("logged", Vec::new()))
            }
        }
    )*};
}

logging_tools! {
    Modern "test_logging_tool";
    InSession "test_tool_with_logging";
}
