//! The question to a client's user whether a call is meant that cannot be undone.
//!
//! It guards against a model's slip, not against a client: a client may as well say `confirm: true`
//! in the arguments, and one that cannot ask its user has to. So nothing of it is sealed or kept.

use std::collections::BTreeMap;

use rmcp::model::{
    CallToolRequestParams, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationSchema, InputRequest,
};
use serde_json::Value;

use crate::tools::{Inputs, ToolFailure};

/// The argument by which a caller says that a call is meant, and the name of the question.
const CONFIRM: &str = "confirm";

/// Puts the answer of a user whom the client has asked into the arguments, and says whether it was
/// a yes.
pub(super) fn take_answer(
    request: &mut CallToolRequestParams,
    answers: &BTreeMap<String, Value>,
) -> bool {
    let answer = answers.get(CONFIRM).cloned();
    let answer = answer.and_then(|answer| serde_json::from_value(answer).ok());
    let is_meant = answer.is_some_and(|answer| says_yes(&answer));
    if is_meant {
        let arguments = request.arguments.get_or_insert_default();
        arguments.insert(CONFIRM.to_owned(), Value::Bool(true));
    }
    is_meant
}

/// The failure of a call to which the user has said no.
pub(super) fn declined(not_confirmed: &ToolFailure) -> ToolFailure {
    let message = format!(
        "the user was asked and said no, so nothing was done: {}",
        not_confirmed.message
    );
    ToolFailure::new("declined", message)
        .with_hint("do not repeat the call; find out what the user wants in its place")
}

/// Whether the user has accepted the form and said yes in it.
fn says_yes(answer: &ElicitResult) -> bool {
    let said = answer.content.as_ref().map(|content| &content[CONFIRM]);
    answer.action == ElicitationAction::Accept && said == Some(&Value::Bool(true))
}

/// The question as input that a call needs.
pub(super) fn inputs(question: String) -> Inputs {
    let schema = ElicitationSchema::builder().required_bool(CONFIRM).build();
    let form = ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: question,
        requested_schema: schema
            .unwrap_or_else(|error| unreachable!("its one property is required: {error}")),
    };
    let ask = InputRequest::Elicitation(ElicitRequest::new(form));
    Inputs {
        requests: [(CONFIRM.to_owned(), ask)].into(),
        state: None,
        are_required: false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_takes_nothing_but_a_user_s_yes_for_one() {
        for (answer, expected) in [
            (
                json!({"action": "accept", "content": {"confirm": true}}),
                true,
            ),
            (
                json!({"action": "accept", "content": {"confirm": false}}),
                false,
            ),
            (
                json!({"action": "accept", "content": {"confirm": "true"}}),
                false,
            ),
            (json!({"action": "accept"}), false),
            (
                json!({"action": "decline", "content": {"confirm": true}}),
                false,
            ),
            (json!({"action": "cancel"}), false),
            (json!("yes"), false),
        ] {
            let mut request = CallToolRequestParams::new("execute_dml");
            let answers = [(CONFIRM.to_owned(), answer.clone())].into();
            assert_eq!(take_answer(&mut request, &answers), expected, "{answer}");
            let confirmed = request.arguments.and_then(|all| all.get(CONFIRM).cloned());
            assert_eq!(confirmed == Some(json!(true)), expected, "{answer}");
        }
    }
}
