//! The tools that have something to say to their client's log.

use std::time::Duration;

use mcp_server::call::{Call, Severity};
use mcp_server::tools::{Output, Registry, ToolFailure};

use super::{NoArguments, said, suite_tools};

/// Every tool of this kind, behind those that are there.
pub fn add_to(tools: Registry) -> Registry {
    tools.with::<Modern>().with::<InSession>()
}

/// The time between two messages, so that a client could tell them apart.
const BETWEEN: Duration = Duration::from_millis(20);

suite_tools! {
    ["A tool of the conformance suites that logs.", NoArguments, LOGS]
    Modern "test_logging_tool" {} => log;
    InSession "test_tool_with_logging" {} => log;
}

async fn log(call: Call, _arguments: NoArguments) -> Result<Output, ToolFailure> {
    for message in ["begins", "works", "ends"] {
        let message = format!("the tool {message}");
        call.log.log(Severity::Info, message).await;
        call.unless_cancelled(tokio::time::sleep(BETWEEN)).await?;
    }
    Ok(said("logged", Vec::new()))
}
