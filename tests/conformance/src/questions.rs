//! The questions that fixtures ask, and how their answers are read.

use mcp_server::call::Call;
use mcp_server::tools::Inputs;
use rmcp::model::InputRequest;
use serde_json::{Value, json};

/// One question under a name.
pub type Question = (&'static str, Value);

/// A form with one required field.
pub fn form(name: &'static str, message: &str, field: &str, kind: &str) -> Question {
    let properties = json!({field: {"type": kind}});
    form_of(name, message, &properties, &[field])
}

/// A form with these fields, some of them required.
pub fn form_of(
    name: &'static str,
    message: &str,
    properties: &Value,
    required: &[&str],
) -> Question {
    let schema = json!({"type": "object", "properties": properties, "required": required});
    let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
    (
        name,
        json!({"method": "elicitation/create", "params": params}),
    )
}

/// A question to the client's model.
pub fn sampling(name: &'static str, text: &str) -> Question {
    let messages = json!([{"role": "user", "content": {"type": "text", "text": text}}]);
    let params = json!({"messages": messages, "maxTokens": 100});
    (
        name,
        json!({"method": "sampling/createMessage", "params": params}),
    )
}

/// The question for the client's roots.
pub fn roots(name: &'static str) -> Question {
    (name, json!({"method": "roots/list", "params": {}}))
}

/// All of them together, with what is to come back.
pub fn inputs<const N: usize>(questions: [Question; N], state: Option<Value>) -> Inputs {
    let requests = questions.map(|(name, question)| {
        let question = serde_json::from_value::<InputRequest>(question);
        (name.to_owned(), question.expect("a question of MCP"))
    });
    Inputs {
        requests: requests.into(),
        state,
        are_required: false,
    }
}

/// The field of a form that the user has accepted.
pub fn accepted<'a>(call: &'a Call, name: &str, field: &str) -> Option<&'a Value> {
    let answer = call.answers.get(name)?;
    (answer["action"] == "accept").then(|| answer["content"].get(field))?
}
