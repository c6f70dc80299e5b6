//! The tools whose calls become tasks where their client can follow one.

use std::time::Duration;

use mcp_server::call::Call;
use mcp_server::tools::{Inputs, Output, Registry, ToolFailure};
use serde::Deserialize;
use serde_json::Value;

use super::{said, suite_tools};
use crate::questions::{accepted, form, inputs, roots};

/// Longer than the server waits before a call becomes a task.
const LONG: Duration = Duration::from_millis(3_000);

/// Every tool of this kind, behind those that are there.
pub fn add_to(tools: Registry) -> Registry {
    tools
        .with::<Greet>()
        .with::<SlowCompute>()
        .with::<FailingJob>()
        .with::<ProtocolErrorJob>()
        .with::<ConfirmDelete>()
        .with::<MultiInput>()
        .with::<AskingBefore>()
}

/// The arguments of all of them, each of which some tool has.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Arguments {
    name: String,
    seconds: f64,
    label: String,
    filename: String,
}

suite_tools! {
    ["A tool of the conformance suites that takes long.", Arguments]
    Greet "greet" {"name": {"type": "string"}} => greet;
    SlowCompute "slow_compute"
        {"seconds": {"type": "number"}, "label": {"type": "string"}} => compute_slowly;
    FailingJob "failing_job" {} => fail_late;
    ProtocolErrorJob "protocol_error_job" {} => need_what_no_client_has;
    ConfirmDelete "confirm_delete" {"filename": {"type": "string"}} => confirm_in_task;
    MultiInput "multi_input" {} => ask_twice_in_task;
    AskingBefore "test_tool_with_task" {} => ask_before_task;
}

async fn sleep(call: &Call, time: Duration) -> Result<(), ToolFailure> {
    Ok(call.unless_cancelled(tokio::time::sleep(time)).await?)
}

fn unanswered(inputs: Inputs) -> ToolFailure {
    ToolFailure::new("unanswered", "the client answers no question").with_inputs(inputs)
}

async fn greet(_call: Call, arguments: Arguments) -> Result<Output, ToolFailure> {
    Ok(said(&format!("Hello, {}!", arguments.name), Vec::new()))
}

async fn compute_slowly(call: Call, arguments: Arguments) -> Result<Output, ToolFailure> {
    sleep(&call, Duration::from_secs_f64(arguments.seconds)).await?;
    Ok(said(&format!("computed {}", arguments.label), Vec::new()))
}

async fn fail_late(call: Call, _arguments: Arguments) -> Result<Output, ToolFailure> {
    if !call.client.tasks {
        return Err(ToolFailure::needs_task());
    }
    sleep(&call, LONG).await?;
    Err(ToolFailure::new("intended", "the job fails on purpose"))
}

async fn need_what_no_client_has(call: Call, _arguments: Arguments) -> Result<Output, ToolFailure> {
    sleep(&call, LONG).await?;
    Err(unanswered(Inputs {
        are_required: true,
        ..inputs([roots("client_roots")], None)
    }))
}

async fn confirm_in_task(call: Call, arguments: Arguments) -> Result<Output, ToolFailure> {
    if accepted(&call, "confirm", "confirm").is_some() {
        return Ok(said(&format!("deleted {}", arguments.filename), Vec::new()));
    }
    sleep(&call, LONG).await?;
    let question = form("confirm", "Delete the file?", "confirm", "boolean");
    Err(unanswered(inputs([question], None)))
}

async fn ask_twice_in_task(call: Call, _arguments: Arguments) -> Result<Output, ToolFailure> {
    let [first, second] = ["first", "second"].map(|name| accepted(&call, name, "name"));
    if let (Some(first), Some(second)) = (first, second) {
        return Ok(said(&format!("{first} and {second}"), Vec::new()));
    }
    sleep(&call, LONG).await?;
    let questions = ["first", "second"].map(|name| form(name, "Who?", "name", "string"));
    Err(unanswered(inputs(questions, None)))
}

async fn ask_before_task(call: Call, _arguments: Arguments) -> Result<Output, ToolFailure> {
    let Some(name) = accepted(&call, "user_name", "name").and_then(Value::as_str) else {
        let question = form("user_name", "What is your name?", "name", "string");
        return Err(unanswered(inputs([question], None)));
    };
    sleep(&call, LONG).await?;
    Ok(said(&format!("Hello, {name}!"), Vec::new()))
}
