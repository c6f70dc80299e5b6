//! Refuses query parameters: no resource takes any, and one that was ignored would be believed.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

use super::problem::Problem;

/// As much of a parameter's name as an answer repeats: enough to recognise it.
const MOST_CHARACTERS: usize = 100;

pub(super) async fn refuse(request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let Some((name, _)) = form_urlencoded::parse(query.as_bytes()).next() else {
        return next.run(request).await;
    };
    let name: String = name.chars().take(MOST_CHARACTERS).collect();
    Problem::new(
        StatusCode::BAD_REQUEST,
        "urn:portcullis:unknown-parameter",
        "the request has a parameter that is not known",
        format!(
            "`{} {}` takes no parameter, so not `{name}` either; nothing was done: leave out \
             everything from `?` on",
            request.method(),
            request.uri().path()
        ),
    )
    .into_response()
}
