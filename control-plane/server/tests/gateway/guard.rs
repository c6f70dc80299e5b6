//! Requests that are turned away before they are read.

use control_plane::rest;
use reqwest::{Method, StatusCode};

use crate::described::operations;
use crate::harness::{Answer, ControlPlane, folder};

#[tokio::test]
async fn it_answers_no_web_page_and_no_name_that_was_pointed_at_it() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let get = |header: &'static str, value: &'static str| {
        Answer::of(
            control_plane
                .request(Method::GET, "/api/v1/config")
                .header(header, value),
        )
    };
    assert_eq!(
        get("host", "evil.example").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        get("origin", "https://evil.example").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(get("origin", "null").await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        get("origin", "http://localhost:3000").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn it_says_what_is_wrong_with_a_request_that_it_cannot_read() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let form = control_plane
        .request(Method::PUT, "/api/v1/config")
        .header("content-type", "application/x-www-form-urlencoded");
    let cases = [
        (
            form.body("{}"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "application/json",
        ),
        (
            control_plane.request(Method::GET, "/api/v2"),
            StatusCode::NOT_FOUND,
            "/api/v1",
        ),
        (
            control_plane.request(Method::POST, "/api/v1/config"),
            StatusCode::METHOD_NOT_ALLOWED,
            "POST",
        ),
        (
            control_plane
                .request(Method::PUT, "/api/v1/config")
                .header("content-type", "application/json")
                .body(vec![0xff]),
            StatusCode::BAD_REQUEST,
            "UTF-8",
        ),
        (
            control_plane
                .request(Method::PUT, "/api/v1/config")
                .header("content-type", "application/json")
                .body(vec![b' '; 9 << 20]),
            StatusCode::PAYLOAD_TOO_LARGE,
            "8 MiB",
        ),
        (
            control_plane.request(Method::GET, "/api/v1/tools/%ff/policy"),
            StatusCode::BAD_REQUEST,
            "UTF-8",
        ),
        (
            control_plane
                .request(Method::DELETE, "/api/v1/tools/x/policy")
                .header("x-portcullis-author", "a".repeat(501)),
            StatusCode::BAD_REQUEST,
            "x-portcullis-author",
        ),
    ];
    for (request, status, word) in cases {
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(
            answer.content_type, "application/problem+json",
            "{}",
            answer.text
        );
        assert!(
            answer.json["detail"].as_str().unwrap().contains(word),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn it_refuses_what_it_would_have_to_ignore() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let before = control_plane.get("/api/v1/version").await.json;
    let routes: Vec<(Method, String)> = operations()
        .into_iter()
        .map(|(method, path)| (method, path.replace(['{', '}'], "")))
        .collect();
    assert!(routes.len() > 30, "{routes:?}");
    let body = "defaults: {access: deny}";
    let yaml = |request: reqwest::RequestBuilder| {
        request
            .header("content-type", "application/yaml")
            .body(body)
    };
    for (method, path) in routes {
        for query in ["dry_runs=true", "dry_runs", "dry%5Fruns=1&x"] {
            let request = control_plane.request(method.clone(), &format!("{path}?{query}"));
            let answer = Answer::of(yaml(request)).await;
            assert_eq!(
                answer.status,
                StatusCode::BAD_REQUEST,
                "{method} {path}?{query}"
            );
            let detail = answer.json["detail"].as_str().unwrap();
            assert!(detail.contains("`dry_runs`"), "{detail}");
        }
    }
    for header in [
        "if-none-match",
        "if-unmodified-since",
        "x-portcullis-dry-run",
        "x-portcullis-auther",
    ] {
        let request = control_plane.request(Method::PUT, "/api/v1/config");
        let answer = Answer::of(yaml(request.header(header, "\"1\""))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{header}");
        let detail = answer.json["detail"].as_str().unwrap();
        assert!(detail.contains(header), "{detail}");
    }
    assert_eq!(control_plane.get("/api/v1/version").await.json, before);
}

#[tokio::test]
async fn it_compares_every_condition_that_it_describes_and_refuses_every_other() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let before = control_plane.get("/api/v1/version").await.json;
    let description = rest::description();
    let (mut compared, mut refused) = (0, 0);
    for (method, path) in operations() {
        if method == Method::GET {
            continue;
        }
        let operation = &description["paths"][&path][method.as_str().to_ascii_lowercase()];
        let parameters = operation["parameters"].as_array().unwrap();
        let is_described = parameters.iter().any(|one| one["name"] == "If-Match");
        let request = control_plane
            .request(method.clone(), &path.replace(['{', '}'], ""))
            .header("content-type", "application/json")
            .header("if-match", "\"of another one\"");
        // It would be taken, whatever is there.
        let body = if path.ends_with("/rollback") {
            r#"{"to": 1}"#
        } else {
            "{}"
        };
        let answer = Answer::of(request.body(body)).await;
        if is_described {
            let stale = StatusCode::PRECONDITION_FAILED;
            assert_eq!(answer.status, stale, "{method} {path}: {}", answer.text);
            compared += 1;
        } else {
            let bad = StatusCode::BAD_REQUEST;
            assert_eq!(answer.status, bad, "{method} {path}: {}", answer.text);
            let detail = answer.json["detail"].as_str().unwrap();
            assert!(detail.contains("`If-Match`"), "{method} {path}: {detail}");
            refused += 1;
        }
    }
    assert!(compared > 20 && refused > 15, "{compared} {refused}");
    assert_eq!(control_plane.get("/api/v1/version").await.json, before);
}

#[test]
fn it_tells_why_it_does_not_start_in_one_line() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .env("CONTROL_PLANE_XDS_ADDRESS", &taken)
        .env("RUST_BACKTRACE", "1")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("control-plane: "), "{said}");
    assert!(last.contains("CONTROL_PLANE_XDS_ADDRESS"), "{said}");
}
