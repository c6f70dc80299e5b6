//! The facts that HTTP knows of a request, for the MCP server, and the bytes of results that it
//! writes into answers itself.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use rmcp::model::Extensions;

use super::correlation;
use super::deadline::RequestDeadline;
use super::sessions::SessionId;
use crate::call::Principal;
use crate::mcp::{Incoming, RawResult};

/// Middleware: puts an [`Incoming`] into the request, and the bytes of its result into the answer.
pub(super) async fn describe(mut request: Request, next: Next) -> Response {
    let raw_result = Arc::new(RawResult::default());
    let extensions = request.extensions();
    let incoming = Incoming {
        id: correlation::read(request.headers()),
        principal: Principal::Anonymous,
        session: extensions.get::<SessionId>().map(ToString::to_string),
        deadline: extensions
            .get::<RequestDeadline>()
            .map(|deadline| deadline.call),
        raw_result: Some(Arc::clone(&raw_result)),
    };
    request.extensions_mut().insert(incoming);
    let response = next.run(request).await;
    if is_event_stream(response.headers()) {
        return response.map(|body| {
            // rmcp writes one event into one frame.
            Body::new(body.map_frame(move |frame| frame.map_data(|part| raw_result.put_into(part))))
        });
    }
    write_whole(response, &raw_result).await
}

/// Finds what [`describe`] said of a request; rmcp passes on the parts of its HTTP request.
pub(super) fn find(extensions: &Extensions) -> Option<Incoming> {
    let parts = extensions.get::<http::request::Parts>()?;
    parts.extensions.get::<Incoming>().cloned()
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// An answer in one JSON object is there as a whole, so that collecting it waits for nothing.
async fn write_whole(response: Response, raw_result: &RawResult) -> Response {
    if !raw_result.is_kept() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = body.collect().await else {
        let mut broken = Response::new(Body::empty());
        *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return broken;
    };
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(raw_result.put_into(body.to_bytes())))
}
