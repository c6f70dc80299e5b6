//! Entity tags: every answer that shows something has one, and whoever has it already is not sent
//! it again. What grows comes with its tag ([`super::shown`]).

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use super::problem::Problem;

/// Adds the entity tag to an answer that has none, by its content, and answers 304 to whoever
/// names it (RFC 9110, 13.1.2).
pub(super) async fn add(request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let known: Vec<String> = known(request.headers());
    let answer = next.run(request).await;
    let is_stream = answer
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if !is_read || answer.status() != StatusCode::OK || is_stream {
        return answer;
    }
    let (mut head, mut body) = answer.into_parts();
    if !head.headers.contains_key(ETAG) {
        // It is in memory already, and short: a file, or what grows, comes with its tag.
        let Ok(bytes) = to_bytes(body, usize::MAX).await else {
            return Problem::busy("the answer broke off", "try again").into_response();
        };
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", of_content(&bytes))) {
            head.headers.insert(ETAG, tag);
        }
        body = Body::from(bytes);
    }
    let tag = head.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
    if tag.is_some_and(|tag| known.iter().any(|known| known == "*" || known == tag)) {
        head.status = StatusCode::NOT_MODIFIED;
        return Response::from_parts(head, Body::empty());
    }
    Response::from_parts(head, body)
}

/// The entity tag of an answer by its content, without its quotation marks.
pub(super) fn of_content(content: &[u8]) -> String {
    let mut hash = hex::encode(Sha256::digest(content));
    // Nobody attacks their own tags; 64 bits tell two contents of one resource apart.
    hash.truncate(16);
    hash
}

/// The tags that the client has. They are compared weakly.
fn known(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(IF_NONE_MATCH).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/").to_owned())
        .collect()
}
