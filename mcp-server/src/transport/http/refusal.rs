//! Refusals of the HTTP face, as JSON-RPC errors.

use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

/// The header by which a request names its revision.
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The body is not JSON (JSON-RPC 2.0).
pub(super) const PARSE_ERROR: i64 = -32700;
/// The body is JSON, but not a request that can be answered (JSON-RPC 2.0).
pub(super) const INVALID_REQUEST: i64 = -32600;
/// A parameter is not as the specification has it (JSON-RPC 2.0).
pub(super) const INVALID_PARAMS: i64 = -32602;
/// The server failed (JSON-RPC 2.0).
pub(super) const INTERNAL_ERROR: i64 = -32603;
/// Headers and body disagree, or a header stands twice (MCP, basic/index, error codes).
pub(super) const HEADER_MISMATCH: i64 = -32020;
/// Nobody knows the revision (MCP, basic/index, error codes).
pub(super) const UNSUPPORTED_VERSION: i64 = -32022;

/// A JSON-RPC error under an HTTP status.
pub(super) fn answer(
    status: StatusCode,
    code: i64,
    message: &str,
    data: Option<Value>,
    id: &Value,
) -> Response {
    let mut error = json!({"code": code, "message": message});
    if let Some(data) = data {
        error["data"] = data;
    }
    let body = json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.remove(CONTENT_LENGTH);
    response
}
