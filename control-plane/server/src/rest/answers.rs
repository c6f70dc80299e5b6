//! The bound of answers that wait for their clients, and what a caller hears whose answer has no
//! room.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_front::{AnswerBudget, AnswerLimits};

use super::idempotency;
use super::problem::{ChangeIsStored, Problem};

pub(super) const LIMITS: AnswerLimits = AnswerLimits {
    // Ordinary answers are smaller, and so is every piece of a module or of a stream of events; as
    // many of these as there are connections are 16 MiB.
    uncounted: 64 << 10,
    // Several clients may be slow to take the configuration of a large fleet, some tens of MiB of
    // JSON, or hundreds a page of an ordinary list.
    budget: 128 << 20,
};

/// Counts an answer until its client has taken it.
pub(super) async fn count(
    State(answers): State<AnswerBudget>,
    request: Request,
    next: Next,
) -> Response {
    let may_change = !request.method().is_safe() && !idempotency::asks_only(request.uri());
    let mut answer = next.run(request).await;
    if answer.extensions_mut().remove::<IsCounted>().is_some() {
        return answer;
    }
    // A stream of events, or a file: a piece of it is in memory at a time.
    if answer.body().size_hint().exact().is_none() {
        return answers.count_pieces(answer);
    }
    let (head, body) = answer.into_parts();
    let is_done = head.status.is_success() || head.extensions.get::<ChangeIsStored>().is_some();
    // It is in memory already.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return Problem::busy("the answer broke off", "try again").into_response();
    };
    let size = bytes.len();
    match answers.count(bytes) {
        Ok(bytes) => Response::from_parts(head, Body::from(bytes)),
        Err(_) if may_change && is_done => left_out().into_response(),
        Err(_) => refused(&answers, size),
    }
}

/// A mark of an answer that has been counted, and is not to be counted again.
#[derive(Debug, Clone, Copy)]
pub(super) struct IsCounted;

/// For an answer of so many bytes that has no room, and may be asked for again.
pub(super) fn refused(answers: &AnswerBudget, size: usize) -> Response {
    if answers.never_has_room(size) {
        return too_large().into_response();
    }
    later().into_response()
}

/// For the answer to what may be asked, or sent, again.
fn later() -> Problem {
    Problem::busy(
        "too many large answers wait for their clients",
        "try again in a few seconds, or ask for less: lists take `limit`",
    )
}

/// For the answer to what was done: no status or header invites a client to repeat it.
fn left_out() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "urn:portcullis:answer-left-out",
        "it was done, and there is no room for the answer",
        "too many large answers wait for their clients; read what is there now, or send the same \
         again if it has an `Idempotency-Key`, and do not repeat it otherwise",
    )
}

/// For an answer that would have no room even alone.
fn too_large() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "urn:portcullis:answer-too-large",
        "the answer is too large",
        "it is larger than all answers together may be; ask for less: lists take `limit`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Bytes;
    use axum::http::header::RETRY_AFTER;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use futures::{StreamExt as _, stream};
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;
    use serde_json::Value;

    const SIZE: usize = 1_000;

    fn large(status: StatusCode) -> Response {
        (status, vec![b'x'; SIZE]).into_response()
    }

    fn stored() -> Response {
        let mut answer = large(StatusCode::UNPROCESSABLE_ENTITY);
        answer.extensions_mut().insert(ChangeIsStored);
        answer
    }

    fn in_pieces() -> Body {
        let piece = || Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; SIZE]));
        Body::from_stream(stream::iter((0..100).map(move |_| piece())))
    }

    /// A router with room for one large answer at a time.
    fn router() -> Router {
        let limits = AnswerLimits {
            uncounted: 10,
            budget: SIZE,
        };
        let change = async || large(StatusCode::CREATED);
        let refusal = async || large(StatusCode::CONFLICT);
        Router::new()
            .route("/", get(async || large(StatusCode::OK)).post(change))
            .route("/small", get(async || "small"))
            .route("/huge", get(async || vec![b'x'; 2 * SIZE]))
            .route("/pieces", get(async || in_pieces()))
            .route("/refused", get(refusal).put(refusal))
            .route("/stored", get(refusal).put(async || stored()))
            .route(
                "/api/v1/explain",
                axum::routing::post(async || large(StatusCode::OK)),
            )
            .layer(from_fn_with_state(AnswerBudget::new(limits), count))
    }

    async fn answer(router: &Router, method: &str, path: &str) -> Response {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).unwrap();
        let service = TowerToHyperService::new(router.clone());
        service.call(request).await.unwrap()
    }

    /// The kind of problem, and whether its client is to come back.
    async fn problem(answer: Response) -> (String, bool) {
        let is_invited = answer.headers().contains_key(RETRY_AFTER);
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        let kind = problem["type"].as_str().unwrap();
        let kind = kind.strip_prefix("urn:portcullis:").unwrap();
        (kind.to_owned(), is_invited)
    }

    #[tokio::test]
    async fn it_says_what_became_of_a_request_whose_answer_has_no_room() {
        let router = router();
        let unread = answer(&router, "GET", "/").await;
        for (method, path, status, kind) in [
            ("GET", "/", 503, "busy"),
            ("POST", "/api/v1/explain", 503, "busy"),
            ("POST", "/?dry_run=true", 503, "busy"),
            ("PUT", "/refused", 503, "busy"),
            ("POST", "/", 500, "answer-left-out"),
            ("PUT", "/stored", 500, "answer-left-out"),
            ("GET", "/huge", 500, "answer-too-large"),
        ] {
            let refused = answer(&router, method, path).await;
            assert_eq!(refused.status().as_u16(), status, "{method} {path}");
            let told = problem(refused).await;
            assert_eq!(told, (kind.to_owned(), kind == "busy"), "{method} {path}");
        }
        let small = answer(&router, "GET", "/small").await;
        assert_eq!(small.status(), StatusCode::OK);
        drop(unread);
        for (method, path, status) in [("GET", "/", 200), ("POST", "/", 201)] {
            let answer = answer(&router, method, path).await;
            assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn it_counts_of_a_file_what_is_in_memory() {
        let whole = answer(&router(), "GET", "/pieces").await;
        let mut pieces = whole.into_body().into_data_stream();
        let mut taken = 0;
        // Each piece is written before the next one is read.
        while let Some(piece) = pieces.next().await {
            taken += piece.unwrap().len();
        }
        assert_eq!(taken, 100 * SIZE);
    }
}
