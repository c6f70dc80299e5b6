//! The bound of answers, where the whole API has it.

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::header::HOST;
use axum::response::Response;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::*;
use crate::gateway::test_gateway::gateway;

/// A large answer, which is always the same.
const LARGE: &str = "/api/v1/openapi.json";

async fn answer(router: &Router, method: &str, path: &str) -> Response {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(HOST, "127.0.0.1");
    let request = request.body(Body::empty()).unwrap();
    let service = TowerToHyperService::new(router.clone());
    service.call(request).await.unwrap()
}

#[tokio::test]
async fn it_answers_large_questions_while_there_is_room_and_small_ones_always() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = gateway(folder.path(), "").await;
    let within = |budget| {
        let uncounted = 4 << 10;
        let limits = AnswerLimits { uncounted, budget };
        router_within(limits, Arc::clone(&gateway), AllowedHosts::default())
    };
    let size = answer(&within(1 << 30), "GET", LARGE).await;
    let size = size.body().size_hint().exact().expect("a whole answer");
    let router = within(usize::try_from(size).unwrap());
    let unread = answer(&router, "GET", LARGE).await;
    assert_eq!(unread.status().as_u16(), 200);
    for (method, path, status) in [
        ("GET", LARGE, 503),
        ("GET", "/healthz", 200),
        ("GET", "/api/v1/version", 200),
    ] {
        let answer = answer(&router, method, path).await;
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
    }
    drop(unread);
    assert_eq!(answer(&router, "GET", LARGE).await.status().as_u16(), 200);
}

#[tokio::test]
async fn it_gives_all_who_ask_the_same_meanwhile_one_answer() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = gateway(folder.path(), "").await;
    let router = router(gateway, AllowedHosts::default());
    let asking = (0..9).map(|_| answer(&router, "GET", LARGE));
    let mut written = Vec::new();
    for answer in futures::future::join_all(asking).await {
        assert_eq!(answer.status().as_u16(), 200);
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX);
        written.push(body.await.unwrap());
    }
    // The first one was in hand when the others asked.
    let places: std::collections::BTreeSet<_> = written.iter().map(|one| one.as_ptr()).collect();
    assert_eq!(places.len(), 2);
    // Each of them is a request that was answered.
    let metrics = answer(&router, "GET", "/metrics").await;
    let metrics = axum::body::to_bytes(metrics.into_body(), usize::MAX).await;
    let metrics = String::from_utf8(metrics.unwrap().into()).unwrap();
    let count = metrics
        .lines()
        .find(|line| line.contains(&format!("route=\"{LARGE}\",status")));
    assert!(
        count.is_some_and(|count| count.ends_with(" 9")),
        "{metrics}"
    );
}
