//! Bodies that are written aside from the threads that serve requests, of answers that are made on
//! one: of errors that are as long as what was sent, or as the fleet.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use crate::aside;

/// The body of an answer that has it as an extension: [`write`] writes it.
#[derive(Clone)]
pub(super) struct LateBody(Arc<dyn Fn() -> serde_json::Result<Vec<u8>> + Send + Sync>);

impl LateBody {
    /// The body that is this value, as JSON.
    pub(super) fn json(value: impl Serialize + Send + Sync + 'static) -> Self {
        Self(Arc::new(move || serde_json::to_vec(&value)))
    }
}

/// Writes the body of an answer that has none yet.
pub(super) async fn write(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let Some(LateBody(body)) = answer.extensions_mut().remove() else {
        return answer;
    };
    match aside::run(move || body()).await {
        Ok(written) => answer.map(|_| Body::from(written)),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::to_bytes;
    use axum::extract::Extension;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;
    use serde::Serializer;

    use super::*;
    use crate::rest::problem::{FieldError, Problem};

    /// A value that is whether it is written aside.
    struct IsAside;

    impl Serialize for IsAside {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bool(aside::is_here())
        }
    }

    #[tokio::test]
    async fn it_writes_a_body_on_no_thread_that_serves_requests() {
        let handler = get(async || (StatusCode::CONFLICT, Extension(LateBody::json(IsAside))));
        let router = Router::new().route("/", handler).layer(from_fn(write));
        let request = Request::get("/").body(Body::empty()).unwrap();
        let answer = TowerToHyperService::new(router)
            .call(request)
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CONFLICT);
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        assert_eq!(body, "true");
    }

    #[test]
    fn it_is_the_body_of_a_problem_with_many_faults() {
        let fault = FieldError {
            path: String::new(),
            of: None,
            line: None,
            reason: "it is wrong".to_owned(),
        };
        for (faults, is_late) in [(20, false), (21, true)] {
            let answer = Problem::invalid(vec![fault.clone(); faults]).into_response();
            let body = answer.extensions().get::<LateBody>();
            assert_eq!(body.is_some(), is_late, "{faults}");
        }
    }
}
