//! The tools that ask their client in the middle of a call, as sessions can.

use mcp_server::call::Call;
use mcp_server::tools::{Output, Registry, ToolFailure};
use serde::Deserialize;
use serde_json::json;

use super::{said, suite_tools};
use crate::questions::{Question, form_of, inputs, sampling};

/// Every tool of this kind, behind those that are there.
pub fn add_to(tools: Registry) -> Registry {
    tools
        .with::<Sampling>()
        .with::<Elicitation>()
        .with::<Defaults>()
        .with::<Enumerations>()
}

/// The name of each tool's one question.
const QUESTION: &str = "question";

/// The arguments of all of them, each of which some tool has.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Arguments {
    prompt: String,
    message: String,
}

/// Makes tools, each from its name, its arguments and its question.
macro_rules! asking_tools {
    ($($tool:ident $name:literal $properties:tt => $question:expr;)*) => {
        suite_tools! {
            ["A tool of the conformance suites that asks.", Arguments, ASKS]
            $($tool $name $properties => |call, arguments| {
                let question: fn(&Arguments) -> Question = $question;
                std::future::ready(ask(&call, question(&arguments)))
            };)*
        }
    };
}

asking_tools! {
    Sampling "test_sampling" {"prompt": {"type": "string"}} =>
        |arguments| sampling(QUESTION, &arguments.prompt);
    Elicitation "test_elicitation" {"message": {"type": "string"}} => |arguments| {
        let text = |title: &str| json!({"type": "string", "description": title});
        let fields = json!({"username": text("User's response"), "email": text("User's email")});
        form_of(QUESTION, &arguments.message, &fields, &["username", "email"])
    };
    Defaults "test_elicitation_sep1034_defaults" {} => |_| form_of(
        QUESTION,
        "Please review and update the form fields with defaults",
        &json!({
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {"type": "string", "enum": ["active", "inactive", "pending"],
                "default": "active"},
            "verified": {"type": "boolean", "default": true},
        }),
        &[],
    );
    Enumerations "test_elicitation_sep1330_enums" {} => |_| {
        let titled = json!([{"const": "value1", "title": "First"},
            {"const": "value2", "title": "Second"}]);
        let untitled = json!(["option1", "option2", "option3"]);
        form_of(
            QUESTION,
            "Please select options from the enum fields",
            &json!({
                "untitledSingle": {"type": "string", "enum": untitled},
                "titledSingle": {"type": "string", "oneOf": titled},
                "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"],
                    "enumNames": ["Option One", "Option Two"]},
                "untitledMulti": {"type": "array", "items": {"type": "string", "enum": untitled}},
                "titledMulti": {"type": "array", "items": {"anyOf": titled}},
            }),
            &[],
        )
    };
}

/// The client's answer to the question, which it is asked first.
fn ask(call: &Call, question: Question) -> Result<Output, ToolFailure> {
    match call.answers.get(QUESTION) {
        Some(answer) => Ok(said(&answer.to_string(), Vec::new())),
        None => {
            let failure = ToolFailure::new("unanswered", "the client answers no question");
            Err(failure.with_inputs(inputs([question], None)))
        }
    }
}
