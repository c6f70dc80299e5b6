//! Refusals of the HTTP face, as JSON-RPC errors.

use axum::response::{IntoResponse as _, Response};
use http::header::{self, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::envelope;

/// The body is not JSON (JSON-RPC 2.0).
pub const PARSE_ERROR: i64 = -32700;
/// The body is JSON, but not a request that can be answered (JSON-RPC 2.0).
pub const INVALID_REQUEST: i64 = -32600;
/// A parameter is not as the specification has it (JSON-RPC 2.0).
pub const INVALID_PARAMS: i64 = -32602;
/// The server failed (JSON-RPC 2.0).
pub const INTERNAL_ERROR: i64 = -32603;
/// Headers and body disagree, or a header stands twice (MCP, basic/index, error codes).
pub const HEADER_MISMATCH: i64 = -32020;
/// The client has not said that it can do what its request needs (MCP, basic/index, error codes).
pub const MISSING_CAPABILITY: i64 = -32021;
/// Nobody knows the revision (MCP, basic/index, error codes).
pub const UNSUPPORTED_VERSION: i64 = -32022;

/// The only path at which the answer to a request is the one to its message: the older transport
/// sends its answers elsewhere.
const ENDPOINT: &str = "/mcp";

/// Seconds after which a request may be served for which there was no room.
pub const RETRY_AFTER: &str = "5";

/// A request that could not be served for want of room or time.
#[derive(Debug, Clone, Copy)]
pub struct Unserved<'a> {
    /// The path that it was sent to.
    pub path: &'a str,
    /// The headers that came with it.
    pub headers: &'a HeaderMap,
    /// The part of its body that has come.
    pub begun: &'a [u8],
}

impl Unserved<'_> {
    /// Answers it under `status`; but on the revisions with sessions under 200, if the caller's id
    /// has come: clients of those end their session with any other status. An answer or a
    /// notification of the caller's has no id that could be answered.
    pub fn answer(self, status: StatusCode, code: i64, message: &str) -> Response {
        let (id, method) = envelope::read_begun(self.begun);
        let under_200 =
            !id.is_null() && self.path == ENDPOINT && !envelope::is_stateless(self.headers);
        let mut response = if !under_200 {
            answer(status, code, message, None, &id)
        } else if method == "tools/call" {
            in_json(StatusCode::OK, &failed_call(&id, message))
        } else {
            answer(StatusCode::OK, code, message, None, &id)
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = HeaderValue::from_static(RETRY_AFTER);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}

/// A JSON-RPC error under an HTTP status.
pub fn answer(
    status: StatusCode,
    code: i64,
    message: &str,
    data: Option<Value>,
    id: &Value,
) -> Response {
    in_json(status, &error(code, message, data, id))
}

/// A JSON-RPC error as the whole message under its id.
pub fn error(code: i64, message: &str, data: Option<Value>, id: &Value) -> Value {
    let mut error = json!({"code": code, "message": message});
    if let Some(data) = data {
        error["data"] = data;
    }
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}

/// The answer to a call of a tool that failed.
pub fn failed_call(id: &Value, message: &str) -> Value {
    let result = json!({"content": [{"type": "text", "text": message}], "isError": true});
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

/// A message under an HTTP status.
pub fn in_json(status: StatusCode, message: &Value) -> Response {
    let mut response = (status, message.to_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.remove(CONTENT_LENGTH);
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn it_answers_no_answer_of_the_callers() {
        for begun in [
            r#"{"jsonrpc":"2.0","id":7,"result":{"roots":[]}}"#,
            r#"{"jsonrpc":"2.0","id":7,"error":{"#,
            r#"{"jsonrpc":"2.0","id":7,"#,
        ] {
            let unserved = Unserved {
                path: ENDPOINT,
                headers: &HeaderMap::new(),
                begun: begun.as_bytes(),
            };
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let answer = unserved.answer(status, INTERNAL_ERROR, "no room");
            assert_eq!(answer.status(), status, "{begun}");
            let body = answer.into_body().collect().await.expect("whole");
            let message: Value = serde_json::from_slice(&body.to_bytes()).expect("JSON");
            assert_eq!(message["id"], Value::Null, "{begun}");
        }
    }
}
