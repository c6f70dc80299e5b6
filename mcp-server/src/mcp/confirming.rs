//! The asking of a client's user whether a call is meant.

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, ElicitRequest, ElicitRequestParams, InputRequest, InputRequests,
    InputRequiredResult,
};
use rmcp::service::{RequestContext, RoleServer};

use super::confirmation::{self, Asked, CONFIRM};
use super::server::McpServer;
use crate::call::Call;
use crate::tools::{Ask, ToolFailure};

/// A user who has not answered by then is not there.
const PATIENCE: Duration = Duration::from_secs(300);

impl McpServer {
    /// Asks the user whether the call that failed is meant, where its failure has a question, its
    /// client can ask, and no answer has come yet.
    pub(super) async fn ask_whether_meant(
        &self,
        failure: ToolFailure,
        mut request: CallToolRequestParams,
        call: &Call,
        context: &RequestContext<RoleServer>,
    ) -> Asked {
        let can_ask = call.client.elicitation && request.input_responses.is_none();
        let question = match failure.ask.as_deref() {
            Some(Ask::Confirmation(question)) if can_ask => question.clone(),
            _ => return Asked::Failed(failure),
        };
        let params = ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: question,
            requested_schema: confirmation::schema(),
        };
        if call.revision.is_stateless() {
            let ask = InputRequest::Elicitation(ElicitRequest::new(params));
            let asked = InputRequests::from([(CONFIRM.to_owned(), ask)]);
            return Asked::ByClient(InputRequiredResult::from_input_requests(asked));
        }
        let peer = &context.peer;
        let asking = peer.create_elicitation_with_timeout(params, Some(PATIENCE));
        match call.unless_cancelled(asking).await {
            Ok(Ok(answer)) if confirmation::says_yes(&answer) => {
                confirmation::confirm(&mut request);
                Asked::Confirmed(request)
            }
            Ok(Ok(_)) => Asked::Failed(failure),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a client did not ask its user");
                Asked::Failed(failure)
            }
            Err(cancelled) => Asked::Failed(cancelled.into()),
        }
    }
}
