//! Failures as errors of JSON-RPC, for methods whose results have no place for one.

use rmcp::model::{ErrorCode, ErrorData};
use serde_json::Value;

use crate::quotes::shorten_name;
use crate::tools::ToolFailure;

/// Something is not the caller's to read; the gateway answers so where it decides about rights.
const FORBIDDEN: ErrorCode = ErrorCode(40300);

/// The error for a failure. Only what the caller named wrongly is an error of its params, and only
/// what failed here is one of this server.
pub(super) fn to_error(failure: &ToolFailure) -> ErrorData {
    let data = failure.structured()["error"].take();
    let message = sentence(failure);
    match failure.code.as_str() {
        "not_found" | "invalid_arguments" => ErrorData::invalid_params(message, Some(data)),
        "42501" => ErrorData::new(FORBIDDEN, message, Some(data)),
        _ => ErrorData::internal_error(message, Some(data)),
    }
}

/// The error for a resource that was not read. rmcp gives "not found" the code of the revision.
pub(super) fn of_reading(failure: &ToolFailure, uri: &str) -> ErrorData {
    let mut error = match failure.code.as_str() {
        "not_found" => ErrorData::resource_not_found(
            sentence(failure),
            Some(failure.structured()["error"].take()),
        ),
        _ => to_error(failure),
    };
    if let Some(data) = &mut error.data {
        data["uri"] = Value::from(shorten_name(uri));
    }
    error
}

fn sentence(failure: &ToolFailure) -> String {
    match &failure.hint {
        Some(hint) => format!("{}; {hint}", failure.message),
        None => failure.message.clone(),
    }
}
