//! The bounds of answers and of what is in hand, where the whole API has them.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use axum::response::Response;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::*;
use crate::aside;
use crate::gateway::InHand;
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

/// Sends requests at the same time, and gives the first of their answers, so many.
async fn first_of(
    router: &Router,
    requests: impl IntoIterator<Item = (&'static str, String, &'static str)>,
    count: usize,
) -> Vec<Response> {
    let mut sent = tokio::task::JoinSet::new();
    for (method, path, body) in requests {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(HOST, "127.0.0.1");
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body)).unwrap();
        let service = TowerToHyperService::new(router.clone());
        sent.spawn(async move { service.call(request).await.unwrap() });
    }
    let mut first = Vec::new();
    while first.len() < count {
        let answer = tokio::time::timeout(Duration::from_secs(60), sent.join_next());
        first.push(answer.await.expect("an answer").unwrap().unwrap());
    }
    sent.shutdown().await;
    first
}

async fn check_crowded(answers: Vec<Response>, told: &str) {
    for answer in answers {
        assert_eq!(answer.status().as_u16(), 503, "{told}");
        assert!(answer.headers().contains_key(RETRY_AFTER), "{told}");
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
        let body = String::from_utf8(body.unwrap().into()).unwrap();
        assert!(
            body.contains("32 requests like this one wait already"),
            "{told}: {body}"
        );
    }
}

/// Requests that read documents and make generations, with how many of the kind are in hand; each
/// is answered at once, and not by 503, where what it says is looked at.
fn heavy(i: usize) -> Vec<(usize, (&'static str, String, &'static str))> {
    let number = 1_000 + i;
    let rows = [
        (2, "GET", format!("versions/{number}"), ""),
        (2, "GET", format!("versions/{number}/diff/1"), ""),
        (2, "GET", format!("config/snapshot?revision={number}"), ""),
        (
            2,
            "GET",
            format!("config/snapshot?generation=none{number}"),
            "",
        ),
        (4, "POST", "config/validate".to_owned(), "{"),
        (4, "PUT", "config?dry_run=true".to_owned(), "{"),
        (4, "PUT", "roles/r?dry_run=true".to_owned(), "{"),
        (4, "DELETE", "tools/t/policy?dry_run=true".to_owned(), ""),
        (8, "PUT", "config".to_owned(), "{"),
        (8, "PUT", "roles/r".to_owned(), "{"),
        (8, "POST", "roles".to_owned(), "{"),
        (8, "DELETE", "roles/r".to_owned(), ""),
        (8, "PUT", "tools/t/policy".to_owned(), "{"),
        (8, "DELETE", "tools/t/policy".to_owned(), ""),
        (8, "POST", "rollback".to_owned(), "{"),
    ];
    let rows = rows.into_iter();
    rows.map(|(places, method, path, body)| (places, (method, format!("/api/v1/{path}"), body)))
        .collect()
}

/// Fifty of each kind of request.
fn floods() -> impl Iterator<Item = (usize, Vec<(&'static str, String, &'static str)>)> {
    (0..heavy(0).len()).map(|row| {
        let many = (0..50).map(|i| heavy(i).swap_remove(row).1);
        (heavy(0)[row].0, many.collect())
    })
}

#[tokio::test]
async fn it_reads_nothing_for_a_request_that_waits_and_lets_few_wait() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = gateway(folder.path(), "").await;
    let router = router(Arc::clone(&gateway), AllowedHosts::default());
    let latest = gateway.latest();
    let before = Arc::strong_count(&latest);
    let places = InHand::every_place();
    for (_, requests) in floods() {
        let told = format!("{:?}", requests[0]);
        check_crowded(first_of(&router, requests, 50 - 32).await, &told).await;
        assert_eq!(Arc::strong_count(&latest), before, "{told}");
    }
    drop(places);
    for (_, request) in heavy(0) {
        let told = format!("{request:?}");
        let answer = first_of(&router, [request], 1).await.remove(0);
        assert_ne!(answer.status().as_u16(), 503, "{told}: {answer:?}");
    }
}

#[tokio::test]
async fn it_has_a_request_in_hand_until_what_it_has_read_is_let_go_of() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = gateway(folder.path(), "").await;
    let router = router(gateway, AllowedHosts::default());
    aside::while_every_request_waits(async {
        for (places, mut requests) in floods() {
            if requests[0].1.contains("generation=") {
                continue;
            }
            // Of a revision that there is, each time written otherwise: equal questions are one.
            for (i, (_, path, _)) in requests.iter_mut().enumerate() {
                *path = path.replace(&(1_000 + i).to_string(), &format!("{:0>1$}", 1, i + 1));
            }
            let told = format!("{:?}", requests[0]);
            check_crowded(first_of(&router, requests, 50 - 32 - places).await, &told).await;
        }
    })
    .await;
}
