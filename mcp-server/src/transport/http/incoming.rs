//! The facts that HTTP knows of a request, for the MCP server, and the bytes of results that it
//! writes into answers itself and counts until they are written.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use http_front::{AnswerBudget, AnswerOverBudget};
use request_envelope::{Envelope, SessionId};
use rmcp::model::Extensions;

use super::account;
use super::answers::Asker;
use super::deadline::RequestDeadline;
use crate::mcp::{Incoming, RawResult, WayBack};

/// Puts an [`Incoming`] into the request, and the bytes of its result into the answer.
pub(super) async fn describe<F: Future<Output = Response>>(
    answers: &AnswerBudget,
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let raw_result = Arc::new(RawResult::default());
    let extensions = request.extensions();
    let envelope = extensions.get::<Arc<Envelope>>().cloned();
    let asker = Asker::of(envelope, request.headers());
    let named = extensions.get::<SessionId>().map(ToString::to_string);
    let incoming = Incoming {
        session: named.clone(),
        deadline: extensions
            .get::<RequestDeadline>()
            .map(|deadline| deadline.call),
        takes_short_answers: false,
        raw_result: Some(Arc::clone(&raw_result)),
        way_back: WayBack::None,
        ..account::note_session(extensions, named.as_deref())
    };
    request.extensions_mut().insert(incoming);
    let response = next(request).await;
    if is_event_stream(response.headers()) {
        let answers = answers.clone();
        return response.map(|body| {
            // rmcp writes one event into one frame.
            Body::new(body.map_frame(move |frame| {
                frame.map_data(|part| {
                    let counted = answers.count(raw_result.put_into(part));
                    counted.unwrap_or_else(|_| asker.refuse_in_event())
                })
            }))
        });
    }
    write_whole(response, &raw_result, answers)
        .await
        .unwrap_or_else(|_| asker.refuse())
}

/// Finds what was said of a request: beside it, where it came by an event stream's POST, or among
/// the parts of its HTTP request, which rmcp passes on.
pub(super) fn find(extensions: &Extensions) -> Option<Incoming> {
    if let Some(incoming) = extensions.get::<Incoming>() {
        return Some(incoming.clone());
    }
    let parts = extensions.get::<http::request::Parts>()?;
    parts.extensions.get::<Incoming>().cloned()
}

/// Whether an answer comes in events.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// An answer in one JSON object is there as a whole, so that collecting it waits for nothing.
async fn write_whole(
    response: Response,
    raw_result: &RawResult,
    answers: &AnswerBudget,
) -> Result<Response, AnswerOverBudget> {
    let (mut parts, body) = response.into_parts();
    let Ok(body) = body.collect().await else {
        let mut broken = Response::new(Body::empty());
        *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return Ok(broken);
    };
    parts.headers.remove(CONTENT_LENGTH);
    let counted = answers.count(raw_result.put_into(body.to_bytes()))?;
    Ok(Response::from_parts(parts, Body::from(counted)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use http_front::AnswerLimits;

    use crate::call::Call;
    use crate::tools::{Output, Registry, ToolFailure};

    use super::super::served::Served;
    use super::super::small_tools::{Small, SmallTool};
    use super::super::{Budgets, answers};
    use super::*;

    /// A tool that tells how far it is and gives back more than one write of a socket.
    struct Counting;

    impl SmallTool for Counting {
        const NAME: &'static str = "count";

        async fn run(call: &Call) -> Result<Output, ToolFailure> {
            for step in 1..=2 {
                let message = Some(format!("step {step}"));
                call.progress
                    .report(f64::from(step), Some(2.0), message)
                    .await;
            }
            Ok(Output::new(
                &json!({"items": vec!["x\n"; 100_000]}),
                "counted",
            ))
        }
    }

    async fn called(meta: &Value) -> (String, String) {
        called_within(answers::LIMITS, meta).await
    }

    async fn called_within(limits: AnswerLimits, meta: &Value) -> (String, String) {
        let budgets = Budgets {
            answers: AnswerBudget::new(limits),
            ..Budgets::default()
        };
        let server = Served::with(Registry::default().with::<Small<Counting>>(), budgets).await;
        let params = json!({"name": "count", "arguments": {}, "_meta": meta});
        let answer = server.call("/mcp", &params).await;
        let kind = answer.headers()[CONTENT_TYPE]
            .to_str()
            .expect("text")
            .to_owned();
        (kind, answer.text().await.expect("a body"))
    }

    fn check_result(message: &Value) {
        assert_eq!(message["id"], json!(7));
        let items = &message["result"]["structuredContent"]["items"];
        assert_eq!(items.as_array().map(Vec::len), Some(100_000));
        assert_eq!(items[99_999], json!("x\n"));
    }

    #[tokio::test]
    async fn it_answers_in_one_object_unless_there_is_progress_to_tell() {
        let (kind, text) = called(&json!({})).await;
        assert_eq!(kind, "application/json");
        check_result(&serde_json::from_str(&text).expect("JSON"));
    }

    #[tokio::test]
    async fn it_tells_the_progress_and_then_the_whole_result_in_a_stream_without_event_ids() {
        let (kind, text) = called(&json!({"progressToken": "p"})).await;
        assert_eq!(kind, "text/event-stream");
        let lines = text.lines().filter(|line| !line.is_empty());
        let events: Vec<Value> = lines
            .map(|line| {
                let data = line.strip_prefix("data:").expect("data alone, no event id");
                serde_json::from_str(data).expect("JSON in one line")
            })
            .collect();
        assert_eq!(events.len(), 3);
        for (event, step) in events.iter().zip(1..=2) {
            assert_eq!(event["method"], json!("notifications/progress"));
            assert_eq!(event["params"]["progressToken"], json!("p"));
            assert_eq!(event["params"]["progress"], json!(f64::from(step)));
            assert_eq!(event["params"]["message"], json!(format!("step {step}")));
        }
        check_result(&events[2]);
    }

    #[tokio::test]
    async fn it_tells_a_caller_that_its_answer_has_no_room() {
        let none = AnswerLimits {
            uncounted: 64 << 10,
            budget: 100_000,
        };
        for meta in [json!({}), json!({"progressToken": "p"})] {
            let (kind, text) = called_within(none, &meta).await;
            let last = match kind.as_str() {
                "application/json" => text.as_str(),
                _ => text.trim_end().rsplit("data:").next().expect("an event"),
            };
            let message: Value = serde_json::from_str(last).expect("JSON");
            assert_eq!(message["id"], json!(7));
            assert_eq!(message["result"]["isError"], json!(true));
            let words = message["result"]["content"][0]["text"].to_string();
            assert!(words.contains("there is no room for its answer"), "{words}");
        }
    }
}
