//! A call of a tool that needs nothing of rmcp: its client asked for no progress and can be asked
//! nothing, and the tool only reads.
//!
//! rmcp makes a service, a channel and three tasks for each request. That is more than half of the
//! time of a short query.

use bytes::Bytes;
use rmcp::model::{CallToolRequestParams, CallToolResult, JsonObject, RequestId};
use serde::Serialize;
use tracing::Instrument as _;

use super::{Incoming, McpServer, answer};
use crate::call::{Answers, Call, ClientAbilities, Progress, Revision};

/// A call as a client of a session-based revision makes it, when it asks for nothing more.
#[derive(Debug)]
pub struct PlainCall {
    /// The id of the request.
    pub id: RequestId,
    /// The revision that the client speaks.
    pub revision: Revision,
    /// The name of the tool.
    pub tool: String,
    /// The arguments, not yet looked at.
    pub arguments: JsonObject,
}

#[derive(Serialize)]
struct Answer {
    jsonrpc: &'static str,
    id: RequestId,
    result: CallToolResult,
}

impl McpServer {
    /// Whether calls of this tool may go the short way.
    pub fn takes_plainly(&self, tool: &str) -> bool {
        self.catalogue.tools.only_reads(tool)
    }

    /// The answer to the call, as one JSON-RPC message. Dropping the future cancels the call.
    ///
    /// # Errors
    /// The answer cannot be written as JSON.
    pub async fn answer_plainly(
        &self,
        incoming: Incoming,
        plain: PlainCall,
    ) -> serde_json::Result<Bytes> {
        let cancelled = self.stopping.child_token();
        let _gone = cancelled.clone().drop_guard();
        let _guard = incoming.session.clone().map(|session| {
            self.running
                .enter(session, plain.id.clone(), cancelled.clone())
        });
        let raw_result = incoming.raw_result.clone();
        let call = Call {
            request_id: incoming.id,
            principal: incoming.principal,
            revision: plain.revision,
            client: ClientAbilities::default(),
            session: incoming.session,
            cancelled,
            deadline: incoming.deadline,
            takes_short_answers: incoming.takes_short_answers,
            answers: Answers::default(),
            progress: Progress::default(),
        };
        let mut request = CallToolRequestParams::new(plain.tool);
        request.arguments = Some(plain.arguments);
        let span =
            tracing::info_span!("tool", request_id = call.request_id.0, tool = %request.name);
        let called = self.run_tool(&request, &call).instrument(span);
        let id = plain.id;
        let message = match called.await {
            Ok(result) => {
                let mut result = answer::to_call(result, &call.revision, raw_result.as_deref());
                result.meta = Some(answer::stamp(Some(&call.request_id)));
                // Revisions with sessions do not know it.
                result.result_type = None;
                serde_json::to_vec(&Answer {
                    jsonrpc: "2.0",
                    id,
                    result,
                })
            }
            Err(error) => {
                serde_json::to_vec(&serde_json::json!({"jsonrpc": "2.0", "id": id, "error": error}))
            }
        };
        Ok(Bytes::from(message?))
    }
}
