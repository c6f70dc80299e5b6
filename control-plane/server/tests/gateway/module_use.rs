//! Modules that come and go while somebody has use for them.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use control_plane::rest;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use reqwest::{Method, StatusCode};
use serde_json::json;
use time::OffsetDateTime;

use crate::broken_stores::execute;
use crate::changes::connected;
use crate::harness::{ControlPlane, folder};
use crate::modules::{DOCUMENT, hash, upload};
use crate::rollouts::until_accepted;
use crate::wasm;

#[tokio::test(flavor = "multi_thread")]
async fn it_has_a_module_as_a_whole_or_not_at_all_whoever_uploads_it_and_takes_it_back() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    let module = wasm::own_filter("1.2.3");
    let sha256 = hash(&module);
    let path = format!("/api/v1/modules/{sha256}");
    let file = folder.path().join(format!("modules/{sha256}.wasm"));
    for _ in 0..30 {
        upload(&control_plane, &module).await;
        let (uploaded, _, _) = tokio::join!(
            upload(&control_plane, &module),
            control_plane.delete(&path),
            upload(&control_plane, &module),
        );
        assert!(uploaded.status.is_success(), "{}", uploaded.text);
        let is_shown = control_plane.get(&path).await.status == StatusCode::OK;
        let content = control_plane.gateway.store().module_content(&sha256);
        let is_stored = content.await.unwrap().is_some();
        let is_there = std::fs::exists(&file).unwrap();
        assert_eq!((is_shown, is_stored), (is_there, is_there));
    }
}

#[tokio::test]
async fn it_names_no_module_that_somebody_has_taken_from_the_store() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    let module = wasm::own_filter("1.2.3");
    let sha256 = hash(&module);
    let named = json!({"sha256": sha256});
    // As `portcullis store prune` does it, in a process of its own.
    let pruned = async || {
        for table in ["module", "module_content"] {
            let sql = format!("DELETE FROM {table} WHERE sha256 = '{sha256}'");
            execute(folder.path(), &sql).await;
        }
    };
    let (path, file) = (
        format!("/api/v1/modules/{sha256}"),
        format!("/modules/{sha256}.wasm"),
    );
    upload(&control_plane, &module).await;
    pruned().await;
    std::fs::remove_file(folder.path().join(&file[1..])).unwrap();
    for path in [&file, &path] {
        let gone = control_plane.get(path).await;
        assert_eq!(gone.status, StatusCode::NOT_FOUND, "{path}: {}", gone.text);
    }
    upload(&control_plane, &module).await;
    pruned().await;
    assert_eq!(
        control_plane.get("/api/v1/modules").await.json["modules"],
        json!([])
    );
    upload(&control_plane, &module).await;
    pruned().await;
    let refused = control_plane.put_json("/api/v1/module", &named).await;
    assert_eq!(
        refused.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        refused.text
    );
    assert!(
        refused.text.contains("there is no module"),
        "{}",
        refused.text
    );
    assert_eq!(
        control_plane.get("/api/v1/modules").await.json["modules"],
        json!([])
    );
    // It is kept again also where this process still knows it.
    upload(&control_plane, &module).await;
    pruned().await;
    upload(&control_plane, &module).await;
    let changed = control_plane.put_json("/api/v1/module", &named).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
}

#[tokio::test]
async fn it_keeps_a_module_that_envoys_would_go_back_to() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    let _envoy = connected(&control_plane, "one").await;
    let module = wasm::own_filter("2.0.0");
    let sha256 = hash(&module);
    let path = format!("/api/v1/modules/{sha256}");
    upload(&control_plane, &module).await;
    for named in [json!({"sha256": sha256}), json!({})] {
        let changed = control_plane.put_json("/api/v1/module", &named).await;
        assert_eq!(changed.json["outcome"], "accepted", "{}", changed.text);
        let kept = control_plane.delete(&path).await;
        assert_eq!(kept.status, StatusCode::CONFLICT, "{}", kept.text);
    }
    assert!(control_plane.delete(&path).await.text.contains("go back"));
    for validate in ["shadow", "enforce"] {
        let defaults = json!({"access": "deny", "validate": validate});
        let changed = control_plane.put_json("/api/v1/defaults", &defaults).await;
        assert_eq!(changed.json["outcome"], "accepted", "{}", changed.text);
    }
    let gone = control_plane.delete(&path).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text);
}

#[tokio::test]
async fn it_keeps_a_module_for_a_day_after_its_last_upload() {
    let folder = folder();
    let module = wasm::own_filter("1.2.3");
    let sha256 = hash(&module);
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    upload(&control_plane, &module).await;
    let long_ago = format!("UPDATE module SET first_seen = 0 WHERE sha256 = '{sha256}'");
    execute(folder.path(), &long_ago).await;
    control_plane.stop();
    // It knows the module as one of long ago.
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    upload(&control_plane, &module).await;
    let shown = control_plane
        .get(&format!("/api/v1/modules/{sha256}"))
        .await;
    let shown = shown.json["uploaded_at"].as_str().unwrap().to_owned();
    assert!(!shown.starts_with("1970"), "{shown}");
    let stored = control_plane.gateway.store().module(&sha256).await;
    let age = OffsetDateTime::now_utc() - stored.unwrap().unwrap().since;
    assert!(age.whole_days() == 0, "{age}");
}

#[tokio::test]
async fn it_keeps_the_file_of_the_module_that_it_was_started_with() {
    let folder = folder();
    let own = wasm::own_filter("1.0.0");
    let control_plane = ControlPlane::start_with_module(folder.path(), DOCUMENT, &own).await;
    let other = wasm::own_filter("2.0.0");
    upload(&control_plane, &own).await;
    upload(&control_plane, &other).await;
    let named = json!({"sha256": hash(&other)});
    let changed = control_plane.put_json("/api/v1/module", &named).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let path = format!("/api/v1/modules/{}", hash(&own));
    let kept = control_plane.delete(&path).await;
    assert_eq!(kept.status, StatusCode::CONFLICT, "{}", kept.text);
    let file = folder.path().join(format!("modules/{}.wasm", hash(&own)));
    assert_eq!(std::fs::read(file).unwrap(), own);
}

#[tokio::test]
async fn it_gives_a_module_piece_by_piece() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    let module = wasm::padded(wasm::own_filter("1.2.3"), 1 << 20);
    let sha256 = hash(&module);
    assert_eq!(
        upload(&control_plane, &module).await.status,
        StatusCode::CREATED
    );
    let gateway = Arc::clone(&control_plane.gateway);
    let router = rest::router(gateway, rest::AllowedHosts::default());
    let file = format!("/modules/{sha256}.wasm");
    let request = Request::get(&file).header("host", "127.0.0.1");
    let request = request.body(Body::empty()).unwrap();
    let answer = TowerToHyperService::new(router)
        .call(request)
        .await
        .unwrap();
    let length = answer.headers()["content-length"].to_str().unwrap();
    assert_eq!(length, module.len().to_string());
    let mut body = answer.into_body();
    let mut given = Vec::new();
    while let Some(frame) = body.frame().await {
        let piece = frame.unwrap().into_data().unwrap();
        assert!(piece.len() <= 64 << 10, "{} bytes at once", piece.len());
        given.extend_from_slice(&piece);
    }
    assert!(given == module);
    let known = control_plane.request(Method::GET, &file);
    let known = known.header("if-none-match", format!("\"{sha256}\""));
    let known = known.send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn it_stores_the_hash_of_a_module_that_is_named_by_its_version() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    let module = wasm::own_filter("2.0.0");
    upload(&control_plane, &wasm::own_filter("1.0.0")).await;
    upload(&control_plane, &module).await;
    let named = json!({"name": "mcp-filter@2.0.0"});
    let changed = control_plane.put_json("/api/v1/module", &named).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let stored = control_plane.get("/api/v1/module").await.json;
    assert_eq!(stored["sha256"], json!(hash(&module)));
    assert!(stored.get("name").is_none(), "{stored}");
    let difference = control_plane.get("/api/v1/versions/1/diff/2").await;
    assert!(
        difference.text.contains(&hash(&module)),
        "{}",
        difference.text
    );
    assert!(!difference.text.contains("2.0.0"), "{}", difference.text);
    let same = control_plane.put_json("/api/v1/module", &named).await;
    assert_eq!(same.json["outcome"], "unchanged", "{}", same.text);

    let unknown = json!({"name": "mcp-filter@3.0.0"});
    let refused = control_plane.put_json("/api/v1/module", &unknown).await;
    assert_eq!(refused.paths(), ["/name"], "{}", refused.text);
    let both = json!({"name": "mcp-filter@2.0.0", "sha256": hash(&module)});
    let refused = control_plane.put_json("/api/v1/module", &both).await;
    assert_eq!(refused.paths(), ["/name"], "{}", refused.text);
    // Another build says the same of itself.
    upload(&control_plane, &wasm::padded(module, 8)).await;
    let refused = control_plane.put_json("/api/v1/module", &named).await;
    assert!(refused.text.contains("several modules"), "{}", refused.text);
    let mut filter = json!({"name": "own", "module": "mcp-filter@2.0.0"});
    let refused = control_plane.post("/api/v1/filters", &filter).await;
    assert_eq!(refused.paths(), ["/module"], "{}", refused.text);
    filter["module"] = json!("mcp-filter");
    let refused = control_plane.post("/api/v1/filters", &filter).await;
    assert!(refused.text.contains("`name@version`"), "{}", refused.text);
}

/// Has a kept module say that it reads the filter's configuration in the form before, as one does
/// that was uploaded to an earlier version.
async fn let_it_read_the_form_before(folder: &Path, module: &[u8]) {
    let own = format!(r#""wire_form":{}"#, policy_engine::wire::VERSION);
    let before = format!(r#""wire_form":{}"#, policy_engine::wire::VERSION - 1);
    let at = module
        .windows(own.len())
        .position(|bytes| bytes == own.as_bytes());
    let mut module_before = module.to_vec();
    module_before[at.unwrap()..][..own.len()].copy_from_slice(before.as_bytes());
    let (sha256, value) = (hash(module), hex::encode(module_before));
    let sql = format!("UPDATE module_content SET value = x'{value}' WHERE sha256 = '{sha256}'");
    execute(folder, &sql).await;
}

#[tokio::test]
async fn it_starts_with_what_envoys_run_where_the_module_reads_what_it_does_not_write() {
    let folder = folder();
    let module = wasm::own_filter("0.9.0");
    let named = json!({"sha256": hash(&module)});
    let (put, given) = {
        let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
        let _envoy = connected(&control_plane, "envoy").await;
        upload(&control_plane, &module).await;
        let put = control_plane.put_json("/api/v1/module", &named).await;
        assert_eq!(put.json["outcome"], "accepted", "{}", put.text);
        until_accepted(&control_plane).await;
        let given = control_plane.get("/api/v1/config/snapshot").await.json;
        (put, given)
    };
    let_it_read_the_form_before(folder.path(), &module).await;
    let control_plane = ControlPlane::start(folder.path(), "").await;
    // Whoever comes is given the very bytes that were in force.
    let snapshot = control_plane.get("/api/v1/config/snapshot").await.json;
    assert_eq!(snapshot, given);
    let _envoy = connected(&control_plane, "envoy").await;
    let in_force = until_accepted(&control_plane).await;
    assert_eq!(in_force["revision"], put.json["revision"]);
    // What would need another text for the module is refused, with words.
    let shadow = json!({"validate": "shadow"});
    let refused = control_plane.put_json("/api/v1/defaults", &shadow).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert_eq!(refused.paths(), ["/module/sha256"], "{}", refused.text);
    // And the way out is to name another one.
    let back = control_plane.put_json("/api/v1/module", &json!({})).await;
    assert_eq!(back.json["outcome"], "accepted", "{}", back.text);
    let changed = control_plane.put_json("/api/v1/defaults", &shadow).await;
    assert_eq!(changed.json["outcome"], "accepted", "{}", changed.text);
}
