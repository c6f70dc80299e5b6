//! Reads the bodies of requests before anything else looks at them.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_front::{BodyLimits, BodyReader, UnreadBody};

use super::problem::Problem;

pub(super) const LIMITS: BodyLimits = BodyLimits {
    // Longer than any document that an operator writes.
    largest: 8 << 20,
    // The largest over a line of 4 Mbit/s takes 17 s.
    time: Duration::from_secs(30),
    // Most documents are smaller; and as many of these as there are connections are 16 MiB.
    uncounted: 64 << 10,
    // Eight bodies of the largest size.
    budget: 64 << 20,
};

/// Hands a request on when its body is whole. Its part of the budget is free again when it is
/// answered, and nothing keeps it that outlives the answer (its `BodyPlace`).
pub(super) async fn read(
    State(reader): State<BodyReader>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    match reader.read(body).await {
        Ok(read) => {
            let body = Body::from(read.bytes.clone());
            parts.extensions.insert(read.place.clone());
            next.run(Request::from_parts(parts, body)).await
        }
        Err(unread) => unread.end_connection(refusal(unread.reason).into_response()),
    }
}

fn refusal(reason: UnreadBody) -> Problem {
    match reason {
        UnreadBody::TooLarge(most) => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "urn:portcullis:too-large",
            "the body is too large",
            format!("send at most {} MiB", most >> 20),
        ),
        UnreadBody::Late(time) => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "urn:portcullis:late",
            "the body did not come in time",
            format!(
                "nothing was changed; send the whole body within {} s",
                time.as_secs()
            ),
        ),
        UnreadBody::OverBudget => Problem::busy(
            "too many large requests at once",
            "nothing was changed; try again in a few seconds",
        ),
        UnreadBody::BrokenOff => Problem::bad_request("the body broke off; send it again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Bytes;
    use axum::http::header::CONNECTION;
    use axum::middleware::from_fn_with_state;
    use axum::routing::{MethodRouter, put};
    use futures::{StreamExt as _, stream};
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    /// The status of the answer to a request with this body, and whether its connection ends.
    async fn answer(reader: &BodyReader, body: Body) -> (StatusCode, bool) {
        answer_by(put(async |_: Bytes| ()), reader, body).await
    }

    async fn answer_by(
        handler: MethodRouter,
        reader: &BodyReader,
        body: Body,
    ) -> (StatusCode, bool) {
        let router = Router::new()
            .route("/", handler)
            .layer(from_fn_with_state(reader.clone(), read))
            .layer(axum::extract::DefaultBodyLimit::disable());
        let request = Request::put("/").body(body).unwrap();
        let answer = TowerToHyperService::new(router).call(request).await;
        let answer = answer.unwrap();
        (answer.status(), answer.headers().contains_key(CONNECTION))
    }
    fn pieces(sizes: &[usize]) -> Vec<Result<Bytes, std::io::Error>> {
        let piece = |size: &usize| Ok(vec![b' '; *size].into());
        sizes.iter().map(piece).collect()
    }

    #[tokio::test]
    async fn it_tells_apart_why_a_body_was_not_read_and_ends_its_connection() {
        let reader = BodyReader::new(BodyLimits {
            largest: 100,
            time: Duration::from_millis(50),
            uncounted: 10,
            budget: 20,
        });
        let endless = stream::iter(pieces(&[5])).chain(stream::pending());
        let reset = Err::<Bytes, _>(std::io::Error::other("reset"));
        let broken = stream::iter([reset]);
        for (body, status) in [
            (Body::from_stream(endless), StatusCode::REQUEST_TIMEOUT),
            (Body::from(vec![b' '; 101]), StatusCode::PAYLOAD_TOO_LARGE),
            (Body::from(vec![b' '; 31]), StatusCode::SERVICE_UNAVAILABLE),
            (Body::from_stream(broken), StatusCode::BAD_REQUEST),
        ] {
            assert_eq!(answer(&reader, body).await, (status, true));
        }
        let whole = Body::from_stream(stream::iter(pieces(&[20, 10])));
        assert_eq!(answer(&reader, whole).await, (StatusCode::OK, false));
    }

    #[tokio::test]
    async fn it_keeps_a_part_of_the_budget_until_the_request_is_answered() {
        let reader = BodyReader::new(BodyLimits {
            uncounted: 0,
            budget: 10,
            ..LIMITS
        });
        let large = || Body::from(vec![b' '; 10]);
        let meanwhile = reader.clone();
        let handler = put(async move |_: Bytes| {
            let other = meanwhile.read(large()).await;
            assert_eq!(other.unwrap_err().reason, UnreadBody::OverBudget);
        });
        for _ in 0..2 {
            let handled = answer_by(handler.clone(), &reader, large()).await;
            assert_eq!(handled, (StatusCode::OK, false));
        }
    }

    #[tokio::test]
    async fn it_takes_the_largest_body_and_refuses_a_larger_one() {
        let reader = BodyReader::new(LIMITS);
        let announced = |bytes| Body::from(vec![b' '; bytes]);
        let unannounced = |bytes: usize| Body::from_stream(stream::iter(pieces(&[bytes])));
        for body in [announced(LIMITS.largest), unannounced(LIMITS.largest)] {
            assert_eq!(answer(&reader, body).await, (StatusCode::OK, false));
        }
        for body in [
            announced(LIMITS.largest + 1),
            unannounced(LIMITS.largest + 1),
        ] {
            let refused = answer(&reader, body).await;
            assert_eq!(refused, (StatusCode::PAYLOAD_TOO_LARGE, true));
        }
    }
}
