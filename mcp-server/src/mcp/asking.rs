//! The asking of a client in a session, in the middle of its call.

use std::collections::BTreeMap;
use std::time::Duration;

use rmcp::model::{CallToolRequestParams, InputRequest, ServerRequest};
use rmcp::service::{Peer, PeerRequestOptions, RoleServer, ServiceError};
use serde_json::Value;

use super::inputs::answerable;
use super::{confirmation, memory};
use crate::call::{Answers, Call};
use crate::tools::{Ask, Inputs, ToolFailure};

/// A user who has not answered by then is not there. It is half of what a task waits, because this
/// call keeps a connection waiting, too.
const PATIENCE: Duration = Duration::from_secs(300);

/// Asks the client what the call that failed needs of it, where its failure says so and its client
/// can answer. The answers go into the call, and a user's yes into its arguments.
///
/// # Errors
/// Nobody was asked, or the user says no: the failure is the answer.
pub(super) async fn ask_client(
    failure: ToolFailure,
    request: &mut CallToolRequestParams,
    call: &mut Call,
    peer: &Peer<RoleServer>,
) -> Result<(), ToolFailure> {
    let inputs = match failure.ask.as_deref() {
        Some(Ask::Confirmation(question)) => confirmation::inputs(question.clone()),
        Some(Ask::Inputs(inputs)) => inputs.clone(),
        Some(Ask::Task) | None => return Err(failure),
    };
    let Ok(Some(Inputs {
        requests, state, ..
    })) = answerable(inputs, call.client)
    else {
        return Err(failure);
    };
    let mut answers = BTreeMap::new();
    for (name, question) in requests {
        match call.unless_cancelled(ask(question, peer)).await? {
            Ok(answer) => answers.insert(name, answer),
            Err(error) => {
                tracing::debug!(%error, "a client did not answer a question");
                return Err(failure);
            }
        };
    }
    if matches!(failure.ask.as_deref(), Some(Ask::Confirmation(_))) {
        let is_meant = confirmation::take_answer(request, &answers);
        return match is_meant {
            true => Ok(()),
            false => Err(confirmation::declined(&failure)),
        };
    }
    if memory::check_answers(&answers).is_err() {
        return Err(failure);
    }
    call.answers = Answers::new(Some(answers), state);
    Ok(())
}

async fn ask(question: InputRequest, peer: &Peer<RoleServer>) -> Result<Value, ServiceError> {
    let question = match question {
        InputRequest::CreateMessage(question) => ServerRequest::CreateMessageRequest(question),
        InputRequest::Elicitation(question) => ServerRequest::ElicitRequest(question),
        InputRequest::ListRoots(question) => ServerRequest::ListRootsRequest(question),
        _ => return Err(ServiceError::UnexpectedResponse),
    };
    let options = PeerRequestOptions::with_timeout(PATIENCE);
    let asking = peer.send_request_with_option(question, options).await?;
    let answer = asking.await_response().await?;
    serde_json::to_value(answer).map_err(|_| ServiceError::UnexpectedResponse)
}
