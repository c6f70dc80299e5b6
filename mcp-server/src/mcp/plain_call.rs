//! A call of a tool that needs nothing of rmcp: its client asked for no progress, and where it is
//! asked something, the question is in the answer.
//!
//! rmcp makes a service, a channel and three tasks for each request. That is more than half of the
//! time of a short query.

use bytes::Bytes;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientCapabilities, ErrorCode, ErrorData, JsonObject,
    RequestId, ServerResult,
};
use serde::Serialize;

use super::{Incoming, McpServer};
use crate::call::Revision;

/// A call that asks for nothing more than its answer.
#[derive(Debug)]
pub struct PlainCall {
    /// The id of the request.
    pub id: RequestId,
    /// The revision that the client speaks.
    pub revision: Revision,
    /// The abilities of the client, where the revision has each request say them.
    pub capabilities: ClientCapabilities,
    /// The name of the tool.
    pub tool: String,
    /// The arguments, not yet looked at.
    pub arguments: JsonObject,
}

/// The answer to a plain call.
#[derive(Debug)]
pub struct PlainAnswer {
    /// The answer as one JSON-RPC message.
    pub message: Bytes,
    /// Whether the request was refused for what its client cannot do, which has a status of its own
    /// (2026-07-28, Streamable HTTP).
    pub refuses_request: bool,
}

#[derive(Serialize)]
struct Message {
    jsonrpc: &'static str,
    id: RequestId,
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Result(Box<ServerResult>),
    Error(ErrorData),
}

impl McpServer {
    /// Whether calls of this tool may go the short way: it only reads, so that nobody is asked in
    /// the middle of a call, and no header repeats its arguments.
    pub fn takes_plainly(&self, tool: &str) -> bool {
        self.catalogue.tools.is_plain(tool)
    }

    /// The answer to the call. Dropping the future cancels the call, unless it has become a task.
    ///
    /// # Errors
    /// The answer cannot be written as JSON.
    pub async fn answer_plainly(
        &self,
        incoming: Incoming,
        plain: PlainCall,
    ) -> serde_json::Result<PlainAnswer> {
        self.services.metrics.plain_calls.inc();
        let cancelled = self.stopping.child_token();
        let _gone = cancelled.clone().drop_guard();
        let _guard = incoming.session.clone().map(|session| {
            self.running
                .enter(session, plain.id.clone(), cancelled.clone())
        });
        let raw_result = incoming.raw_result.clone();
        let call = self.quiet_call(incoming, plain.revision, &plain.capabilities, cancelled);
        let is_stateless = call.revision.is_stateless();
        let mut request = CallToolRequestParams::new(plain.tool);
        request.arguments = Some(plain.arguments);
        let mut answered = self.answer_call(request, call, raw_result.as_deref()).await;
        if let Ok(CallToolResponse::Complete(result)) = &mut answered
            && !is_stateless
        {
            // Revisions with sessions do not know it.
            result.result_type = None;
        }
        let answer = match answered {
            Ok(result) => Answer::Result(Box::new(result.into())),
            Err(error) => Answer::Error(error),
        };
        let needed = ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY;
        let refuses_request = matches!(&answer, Answer::Error(error) if error.code == needed);
        let message = Message {
            jsonrpc: "2.0",
            id: plain.id,
            answer,
        };
        Ok(PlainAnswer {
            message: Bytes::from(serde_json::to_vec(&message)?),
            refuses_request,
        })
    }
}
