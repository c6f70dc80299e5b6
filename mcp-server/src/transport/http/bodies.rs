//! The bounds of bodies, and the answers to requests whose bodies were not read to their end.

use axum::response::Response;
use http::{HeaderMap, StatusCode};
use http_front::{BegunBody, BodyLimits, UnreadBody};
use request_envelope::refusal::{self, INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR, Unserved};
use serde_json::Value;
use std::time::Duration;

use super::MAX_REQUEST_BYTES;
use crate::call::spell_time;

pub(super) const LIMITS: BodyLimits = BodyLimits {
    largest: MAX_REQUEST_BYTES,
    // The largest body over a line of 2 Mbit/s takes 17 s.
    time: Duration::from_secs(30),
    // Ordinary calls are smaller; and as many of these as there are connections are 32 MiB.
    uncounted: 64 << 10,
    // 64 bodies of the largest size, in a process that otherwise needs less than this.
    budget: 256 << 20,
};

/// The answer to the request at `path` with these headers; its connection ends with it.
pub(super) fn answer(unread: &BegunBody, path: &str, headers: &HeaderMap) -> Response {
    let unserved = Unserved {
        path,
        headers,
        begun: &unread.begun,
    };
    let wrong =
        |status, code, words: &str| refusal::answer(status, code, words, None, &Value::Null);
    let response = match unread.reason {
        UnreadBody::TooLarge(most) => wrong(
            StatusCode::PAYLOAD_TOO_LARGE,
            INVALID_REQUEST,
            &format!("the request is larger than {most} bytes"),
        ),
        UnreadBody::BrokenOff => wrong(
            StatusCode::BAD_REQUEST,
            PARSE_ERROR,
            "the request's body broke off",
        ),
        UnreadBody::Late(time) => {
            let words = format!(
                "the body of the request was not complete within {}; send it at once",
                spell_time(time)
            );
            unserved.answer(StatusCode::REQUEST_TIMEOUT, INVALID_REQUEST, &words)
        }
        UnreadBody::OverBudget => unserved.answer(
            StatusCode::SERVICE_UNAVAILABLE,
            INTERNAL_ERROR,
            "too many large requests are in the server; try again in a few seconds",
        ),
    };
    unread.end_connection(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::CONNECTION;
    use http_body_util::BodyExt as _;

    /// The status of the answer for want of room to a body that begins so, and its message.
    async fn answer_to(begun: &str, revision: &str, path: &str) -> (StatusCode, Value) {
        let mut headers = HeaderMap::new();
        let revision = revision.parse().expect("a header");
        headers.insert("mcp-protocol-version", revision);
        let unread = BegunBody {
            reason: UnreadBody::OverBudget,
            begun: begun.as_bytes().into(),
        };
        let answer = answer(&unread, path, &headers);
        assert_eq!(answer.headers()["retry-after"], "5");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("whole");
        let message = serde_json::from_slice(&body.to_bytes()).expect("JSON");
        (status, message)
    }

    #[tokio::test]
    async fn it_lets_the_session_of_a_caller_live_whose_id_has_come() {
        let call = r#"{"id":7,"method":"tools/call","params":{"#;
        let (status, message) = answer_to(call, "2025-06-18", "/mcp").await;
        assert_eq!((status, &message["id"]), (StatusCode::OK, &Value::from(7)));
        assert_eq!(message["result"]["isError"], Value::Bool(true));
        let list = r#"{"id":7,"method":"tools/list","params":{"#;
        let (status, message) = answer_to(list, "2025-06-18", "/mcp").await;
        assert_eq!(
            (status, &message["error"]["code"]),
            (StatusCode::OK, &Value::from(INTERNAL_ERROR))
        );
        for (begun, revision, path, id) in [
            // It stands alone, and HTTP says what happened.
            (call, "2026-07-28", "/mcp", Value::from(7)),
            // The answer goes to a stream.
            (call, "2025-06-18", "/messages", Value::from(7)),
            // Nobody would hear it.
            (
                r#"{"method":"tools/call","#,
                "2025-06-18",
                "/mcp",
                Value::Null,
            ),
        ] {
            let (status, message) = answer_to(begun, revision, path).await;
            assert_eq!(
                (status, &message["id"]),
                (StatusCode::SERVICE_UNAVAILABLE, &id)
            );
            assert_eq!(message["error"]["code"], Value::from(INTERNAL_ERROR));
        }
    }

    #[test]
    fn it_ends_the_connection_of_each_body_that_it_has_not_read() {
        for (reason, status) in [
            (UnreadBody::TooLarge(1), StatusCode::PAYLOAD_TOO_LARGE),
            (UnreadBody::BrokenOff, StatusCode::BAD_REQUEST),
            (
                UnreadBody::Late(Duration::from_secs(1)),
                StatusCode::REQUEST_TIMEOUT,
            ),
            (UnreadBody::OverBudget, StatusCode::SERVICE_UNAVAILABLE),
        ] {
            let begun = bytes::BytesMut::new();
            let answer = answer(&BegunBody { reason, begun }, "/mcp", &HeaderMap::new());
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers()[CONNECTION], "close");
        }
    }
}
