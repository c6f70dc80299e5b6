//! Reads the bodies of requests before anything else looks at them: each within a size and a time,
//! all together within a budget.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::problem::Problem;

/// Longer than any document that an operator writes.
const MOST_BYTES: usize = 8 << 20;

/// Bytes of each body that the budget does not count, so that large bodies never crowd out ordinary
/// ones.
const UNCOUNTED_BYTES: usize = 64 << 10;

/// Bytes of all bodies beyond that.
const BUDGET_BYTES: usize = 64 << 20;

/// The time from the end of a request's head to the end of its body: the largest over a line of
/// 4 Mbit/s takes 17 s.
const TIME: Duration = Duration::from_secs(30);

/// The time for which the rest of a refused body is taken.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// The bounds of bodies. Cheap to clone; clones share the budget.
#[derive(Debug, Clone)]
pub(super) struct Bodies {
    budget: Arc<Semaphore>,
    time: Duration,
}

impl Default for Bodies {
    fn default() -> Self {
        Self {
            budget: Arc::new(Semaphore::new(BUDGET_BYTES)),
            time: TIME,
        }
    }
}

/// Hands a request on when its body is whole. Its part of the budget is free again when it is
/// answered.
pub(super) async fn read(
    State(bodies): State<Bodies>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let size = body.size_hint();
    let announced = size.upper().map_or(Ok(MOST_BYTES), usize::try_from);
    let Some(announced) = announced.ok().filter(|bytes| *bytes <= MOST_BYTES) else {
        discard(body).await;
        return Err(too_large());
    };
    let counted = u32::try_from(announced.saturating_sub(UNCOUNTED_BYTES));
    let part_of_budget = counted.map(|bytes| bodies.budget.try_acquire_many(bytes));
    let Ok(Ok(_part_of_budget)) = part_of_budget else {
        discard(body).await;
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "urn:portcullis:busy",
            "too many large requests at once",
            "nothing was changed; try again in a few seconds",
        ));
    };
    let read = timeout(bodies.time, whole(body)).await;
    let read = read.map_err(|_| {
        let seconds = bodies.time.as_secs();
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "urn:portcullis:late",
            "the body did not come in time",
            format!("nothing was changed; send the whole body within {seconds} s"),
        )
    })?;
    let bytes = read.map_err(|error| {
        if error.is::<LengthLimitError>() {
            too_large()
        } else {
            Problem::bad_request("the body broke off; send it again")
        }
    })?;
    Ok(next
        .run(Request::from_parts(parts, Body::from(bytes)))
        .await)
}

/// The body in one piece. What comes is copied: hyper hands out parts of its read buffer, and each
/// keeps all of that, so a body of single bytes would take thousands of times its size.
async fn whole(body: Body) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    let mut body = Limited::new(body, MOST_BYTES);
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole)
}

/// Takes what comes of a body that is refused, for a while: a client that still writes would find
/// the connection closed before it reads the answer.
async fn discard(mut body: Body) {
    let all = async { while let Some(Ok(_)) = body.frame().await {} };
    // What comes later, nobody waits for.
    let _ = timeout(DISCARD_TIME, all).await;
}

fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "urn:portcullis:too-large",
        "the body is too large",
        format!("send at most {} MiB", MOST_BYTES >> 20),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Bytes;
    use axum::middleware::from_fn_with_state;
    use axum::routing::put;
    use futures::{StreamExt as _, stream};
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    /// A read buffer, of which a body hands out one byte.
    struct Buffer {
        _alive: Arc<()>,
    }

    impl AsRef<[u8]> for Buffer {
        fn as_ref(&self) -> &[u8] {
            b" "
        }
    }

    #[tokio::test]
    async fn it_keeps_no_read_buffer_for_the_byte_that_came_in_it() {
        let alive = Arc::new(());
        let counted = Arc::clone(&alive);
        let bytes = stream::iter(0..10_000).map(move |_| {
            assert!(Arc::strong_count(&counted) <= 3, "buffers are kept");
            Ok::<_, std::io::Error>(Bytes::from_owner(Buffer {
                _alive: Arc::clone(&counted),
            }))
        });
        let read = whole(Body::from_stream(bytes)).await.expect("a body");
        assert_eq!(read.len(), 10_000);
        assert_eq!(Arc::strong_count(&alive), 1);
    }

    /// The status of the answer to a request with this body.
    async fn answer(bodies: &Bodies, body: Body) -> StatusCode {
        let router = Router::new()
            .route("/", put(async |_: Bytes| ()))
            .layer(from_fn_with_state(bodies.clone(), read))
            .layer(axum::extract::DefaultBodyLimit::disable());
        let request = Request::put("/").body(body).unwrap();
        let answered = TowerToHyperService::new(router).call(request).await;
        answered.unwrap().status()
    }

    fn piece(bytes: usize) -> stream::Iter<std::vec::IntoIter<Result<Bytes, std::io::Error>>> {
        stream::iter(vec![Ok(vec![b' '; bytes].into())])
    }

    #[tokio::test]
    async fn it_refuses_a_body_that_is_never_complete() {
        let bodies = Bodies {
            time: Duration::from_millis(50),
            ..Bodies::default()
        };
        let begun = Body::from_stream(piece(5).chain(stream::pending()));
        assert_eq!(answer(&bodies, begun).await, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(bodies.budget.available_permits(), BUDGET_BYTES);
    }

    #[tokio::test]
    async fn it_takes_the_largest_body_and_refuses_a_larger_one() {
        let bodies = Bodies::default();
        let announced = |bytes| Body::from(vec![b' '; bytes]);
        let unannounced = |bytes| Body::from_stream(piece(bytes));
        for body in [announced(MOST_BYTES), unannounced(MOST_BYTES)] {
            assert_eq!(answer(&bodies, body).await, StatusCode::OK);
        }
        for body in [announced(MOST_BYTES + 1), unannounced(MOST_BYTES + 1)] {
            assert_eq!(answer(&bodies, body).await, StatusCode::PAYLOAD_TOO_LARGE);
        }
    }

    #[tokio::test]
    async fn it_bounds_the_bytes_of_all_bodies_and_still_reads_small_ones() {
        let bodies = Bodies::default();
        let large = || Body::from(vec![b' '; UNCOUNTED_BYTES + 1]);
        let small = || Body::from(vec![b' '; UNCOUNTED_BYTES]);
        let all = u32::try_from(BUDGET_BYTES).unwrap();
        let taken = bodies.budget.try_acquire_many(all).unwrap();
        assert_eq!(
            answer(&bodies, large()).await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(answer(&bodies, small()).await, StatusCode::OK);
        drop(taken);
        assert_eq!(answer(&bodies, large()).await, StatusCode::OK);
        assert_eq!(bodies.budget.available_permits(), BUDGET_BYTES);
    }
}
