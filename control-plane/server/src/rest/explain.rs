//! `/api/v1/explain`: which rule decides about a message.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::problem::Problem;
use super::shown::Shown;
use crate::aside;
use crate::explanation::{DecisionExplained, ExplainError, explain};
use crate::gateway::Gateway;

/// A message, and where it would be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageToExplain<'a> {
    /// The JSON-RPC message, as a client would send it.
    #[serde(borrow)]
    #[schema(value_type = Object)]
    message: &'a RawValue,
    /// The path that it would be sent to; `/mcp` if left out.
    endpoint: Option<String>,
    /// The listener that it would be sent to; the first one if left out.
    listener: Option<String>,
}

/// Tells which rule decides about a message of an anonymous caller, by the policy that Envoys are
/// meant to have. The filter's own request path decides: of several reasons to refuse a message,
/// the answer names the one that Envoys name. Nothing is called and nothing is counted. The headers
/// are taken to say what the message says; `Host`, `Origin` and the limits are not looked at.
#[utoipa::path(post, path = "/api/v1/explain", operation_id = "explain_message", tag = "tools",
    request_body = MessageToExplain,
    responses((status = 200, description = "The decision", body = DecisionExplained)))]
pub(super) async fn post(
    State(gateway): State<Arc<Gateway>>,
    body: Bytes,
) -> Result<Shown, Problem> {
    let built = gateway.current();
    // A long message, or one about a tool that is like thousands of others, takes its time.
    aside::run_question(move || {
        let asked = read(&body)?;
        let message = asked.message.get().as_bytes();
        let endpoint = asked.endpoint.as_deref().unwrap_or("/mcp");
        let explained = explain(&built, asked.listener.as_deref(), endpoint, message)?;
        Shown::json(&explained)
    })
    .await
}

fn read(text: &[u8]) -> Result<MessageToExplain<'_>, Problem> {
    // A list would be read as the fields in their order.
    let outcome = match text.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(text).map_err(|error| error.to_string()),
        _ => Err("the body is no JSON object".to_owned()),
    };
    outcome.map_err(|error| {
        Problem::bad_request(format!(
            "{error}; send `{{\"message\": {{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \
             \"tools/call\", \"params\": {{\"name\": …, \"arguments\": …}}}}}}`"
        ))
    })
}

impl From<ExplainError> for Problem {
    fn from(error: ExplainError) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "urn:portcullis:unexplained",
            "the message goes nowhere",
            error.to_string(),
        )
    }
}
