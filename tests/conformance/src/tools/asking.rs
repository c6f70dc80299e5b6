//! The tools that ask their client for something before they answer.

use mcp_server::call::Call;
use mcp_server::tools::{Inputs, Output, ToolFailure};
use serde_json::{Value, json};

use super::{NoArguments, said, suite_tools};
use crate::questions::{accepted, form, inputs, roots, sampling};

/// Makes tools, each from its name and from what it says, or asks for.
macro_rules! asking_tools {
    ($($tool:ident $name:literal => $step:expr;)*) => {
        suite_tools! {
            ["A tool of the conformance suites.", NoArguments]
            $($tool $name {} => |call, _| {
                let step: fn(&Call) -> Result<String, Inputs> = $step;
                asked(step(&call))
            };)*
        }
    };
}

async fn asked(step: Result<String, Inputs>) -> Result<Output, ToolFailure> {
    step.map(|text| said(&text, Vec::new())).map_err(|inputs| {
        ToolFailure::new("unanswered", "the client answers no question").with_inputs(inputs)
    })
}

asking_tools! {
    Greeted "test_input_required_result_elicitation" => |call| {
        match accepted(call, "user_name", "name").and_then(Value::as_str) {
            Some(name) => Ok(format!("Hello, {name}!")),
            None => Err(inputs([form("user_name", "What is your name?", "name", "string")], None)),
        }
    };
    Sampled "test_input_required_result_sampling" => |call| {
        match call.answers.get("capital_question") {
            Some(answer) => Ok(answer["content"]["text"].to_string()),
            None => {
                let question = sampling("capital_question", "What is the capital of France?");
                Err(inputs([question], None))
            }
        }
    };
    Rooted "test_input_required_result_list_roots" => |call| {
        match call.answers.get("client_roots") {
            Some(answer) => Ok(answer["roots"].to_string()),
            None => Err(inputs([roots("client_roots")], None)),
        }
    };
    Sealed "test_input_required_result_request_state" => sealed;
    Tampered "test_input_required_result_tampered_state" => sealed;
    Several "test_input_required_result_multiple_inputs" => |call| {
        let mut names = ["user_name", "greeting", "client_roots"].iter();
        let all_answered = names.all(|name| call.answers.get(name).is_some());
        if all_answered && call.answers.state().is_some() {
            return Ok("all answered".to_owned());
        }
        Err(inputs([
            form("user_name", "What is your name?", "name", "string"),
            sampling("greeting", "Generate a greeting"),
            roots("client_roots"),
        ], Some(json!("several"))))
    };
    Rounds "test_input_required_result_multi_round" => |call| {
        let second = form("step2", "Step 2: What is your favorite color?", "color", "string");
        let first = form("step1", "Step 1: What is your name?", "name", "string");
        match call.answers.state().and_then(Value::as_u64) {
            Some(2) if accepted(call, "step2", "color").is_some() => Ok("done".to_owned()),
            Some(2) => Err(inputs([second], Some(json!(2)))),
            Some(1) if accepted(call, "step1", "name").is_some() => {
                Err(inputs([second], Some(json!(2))))
            }
            _ => Err(inputs([first], Some(json!(1)))),
        }
    };
    Capable "test_input_required_result_capabilities" => |_| Err(inputs([
        form("user_name", "What is your name?", "name", "string"),
        sampling("greeting", "Generate a greeting"),
    ], None));
    Missing "test_missing_capability" => |_| Err(Inputs {
        are_required: true,
        ..inputs([sampling("greeting", "Generate a greeting")], None)
    });
}

/// Asks for an OK, and wants its state back with it.
fn sealed(call: &Call) -> Result<String, Inputs> {
    let is_ours = call.answers.state() == Some(&json!("sealed"));
    match accepted(call, "confirm", "ok") {
        Some(_) if is_ours => Ok("state-ok".to_owned()),
        _ => Err(inputs(
            [form("confirm", "Please confirm", "ok", "boolean")],
            Some(json!("sealed")),
        )),
    }
}
