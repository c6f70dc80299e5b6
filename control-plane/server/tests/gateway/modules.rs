//! Filter modules: uploaded, named by documents, and taken back.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{Answer, ControlPlane, folder};
use crate::wasm;

pub const DOCUMENT: &str = "servers: {data: {url: 'http://127.0.0.1:1/mcp'}}";

pub async fn upload(control_plane: &ControlPlane, module: &[u8]) -> Answer {
    let request = control_plane
        .request(Method::POST, "/api/v1/modules")
        .header("content-type", "application/wasm")
        .header("x-portcullis-author", "ada")
        .body(module.to_vec());
    Answer::of(request).await
}

pub fn hash(module: &[u8]) -> String {
    hex::encode(Sha256::digest(module))
}

/// The file that the filter of the listener `mcp` is made from.
async fn file_in_force(control_plane: &ControlPlane) -> String {
    let snapshot = control_plane.get("/api/v1/config/snapshot").await.json;
    let resources = snapshot["resources"].as_array().unwrap();
    let mut filters = resources.iter();
    let filter = filters.find(|resource| resource["name"] == "portcullis.mcp.mcp");
    let config = &filter.unwrap()["content"]["typed_config"]["config"];
    let file = &config["vm_config"]["code"]["local"]["filename"];
    file.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn it_keeps_a_module_lists_it_and_gives_it_back_byte_for_byte() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    let module = wasm::own_filter("1.2.3");
    let sha256 = hash(&module);
    let added = upload(&control_plane, &module).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    let known = json!({"sha256": sha256, "bytes": module.len(), "name": "mcp-filter",
        "version": "1.2.3", "wire_form": 3, "named_at": []});
    let without_time = |mut shown: Value| {
        let time = shown.as_object_mut().unwrap().remove("uploaded_at");
        assert!(time.is_some_and(|time| time.is_string()));
        shown
    };
    assert_eq!(without_time(added.json), known);
    assert_eq!(upload(&control_plane, &module).await.status, StatusCode::OK);
    let path = format!("/api/v1/modules/{sha256}");
    assert_eq!(without_time(control_plane.get(&path).await.json), known);
    let mut listed = control_plane.get("/api/v1/modules").await.json;
    assert_eq!(without_time(listed["modules"][0].take()), known);
    let file = format!("/modules/{sha256}.wasm");
    let fetched = control_plane
        .request(Method::GET, &file)
        .send()
        .await
        .unwrap();
    let header = |name: &str| fetched.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("etag"), format!("\"{sha256}\""));
    assert_eq!(
        header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(header("content-type"), "application/wasm");
    assert_eq!(fetched.bytes().await.unwrap(), module);
    // So an Envoy asks that did not get it at first.
    let again = control_plane.request(Method::GET, &format!("{file}?a=3"));
    let again = again.send().await.unwrap();
    assert_eq!(again.bytes().await.unwrap(), module);
    let audit = control_plane.get("/api/v1/audit").await.json;
    let what = format!("POST /api/v1/modules sha256:{sha256}");
    assert_eq!(audit["records"][0]["what"], what, "{audit}");
}

#[tokio::test]
async fn it_tells_of_the_module_that_it_was_started_with_and_keeps_it() {
    let folder = folder();
    let own = wasm::own_filter("9.9.9");
    let control_plane = ControlPlane::start_with_module(folder.path(), DOCUMENT, &own).await;
    let sha256 = hash(&own);
    let start = async || {
        let mut listed = control_plane.get("/api/v1/modules").await.json;
        listed["started_with"].take()
    };
    let known = |in_use: bool| {
        json!({"sha256": sha256, "bytes": own.len(), "name": "mcp-filter", "version": "9.9.9",
            "in_use": in_use})
    };
    assert_eq!(start().await, known(true));
    let path = format!("/api/v1/modules/{sha256}");
    let refused = control_plane.delete(&path).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    let words = refused.json["detail"].as_str().unwrap();
    assert!(words.contains("started with the module"), "{words}");
    let asked = control_plane.get(&path).await;
    assert_eq!(asked.status, StatusCode::NOT_FOUND);
    assert!(
        asked.text.contains("was started with this module"),
        "{}",
        asked.text
    );
    let named = json!({"sha256": sha256});
    let named = control_plane.put_json("/api/v1/module", &named).await;
    assert_eq!(named.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        named.text.contains("was started with this module"),
        "{}",
        named.text
    );
    // Another one in its place.
    let other = wasm::own_filter("10.0.0");
    assert_eq!(
        upload(&control_plane, &other).await.status,
        StatusCode::CREATED
    );
    let other = json!({"sha256": hash(&other)});
    let put = control_plane.put_json("/api/v1/module", &other).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text);
    assert_eq!(start().await, known(false));
    assert_eq!(
        control_plane.delete(&path).await.status,
        StatusCode::CONFLICT
    );
}

#[tokio::test]
async fn it_refuses_what_envoy_could_not_run() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    let refused = upload(&control_plane, b"\0asm\x01\0\0\0").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text.contains("proxy_on_context_create"),
        "{}",
        refused.text
    );
    let cut = wasm::other_filter();
    let cut = &cut[..cut.len() - 3];
    let any = &wasm::OF_ANY_FILTER;
    let invented = wasm::module(&[("env", "proxy_invented")], any, None);
    let elsewhere = wasm::module(&[("wbg", "proxy_log")], any, None);
    // It says that it is the gateway's own, and would let pass what it is not asked about.
    let deaf = wasm::module(&[], any, Some(&wasm::own_manifest("1.2.3")));
    let garbled = wasm::module(&[], any, Some("{"));
    let refusals: [(&[u8], &str); 7] = [
        (b"", "valid"),
        (b"#!/bin/sh", "valid"),
        (cut, "valid"),
        (&invented, "`env.proxy_invented`"),
        (&elsewhere, "`wbg.proxy_log`"),
        (&deaf, "`proxy_on_request_body`"),
        (&garbled, "`portcullis.module`"),
    ];
    for (bytes, word) in refusals {
        let refusal = control_plane::module::inspect(bytes)
            .unwrap_err()
            .to_string();
        assert!(refusal.contains(word), "{refusal}");
    }
    let as_json = control_plane.post("/api/v1/modules", &json!({})).await;
    assert_eq!(as_json.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for path in [
        "/modules/x.wasm",
        "/modules/../etc/passwd",
        "/api/v1/modules/x",
    ] {
        let missing = control_plane.get(path).await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(
        control_plane.get("/api/v1/modules").await.json["modules"],
        json!([])
    );
}

#[tokio::test]
async fn it_rolls_a_module_out_as_any_change_and_keeps_it_while_it_is_named() {
    let folder = folder();
    let module = wasm::own_filter("2.0.0");
    let sha256 = hash(&module);
    let path = format!("/api/v1/modules/{sha256}");
    {
        let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
        let named = json!({"sha256": sha256});
        let unknown = control_plane.put_json("/api/v1/module", &named).await;
        assert_eq!(
            unknown.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{}",
            unknown.text
        );
        assert_eq!(unknown.paths(), ["/sha256"]);
        upload(&control_plane, &module).await;
        let other = wasm::other_filter();
        upload(&control_plane, &other).await;
        // It would let every request pass.
        let other = json!({"sha256": hash(&other)});
        let deaf = control_plane.put_json("/api/v1/module", &other).await;
        assert_eq!(deaf.paths(), ["/sha256"], "{}", deaf.text);
        let before = file_in_force(&control_plane).await;
        let changed = control_plane.put_json("/api/v1/module", &named).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
        let after = file_in_force(&control_plane).await;
        assert!(
            after != before && after.ends_with(&format!("/{sha256}.wasm")),
            "{after}"
        );
        let shown = control_plane.get(&path).await.json;
        assert_eq!(shown["named_at"], json!(["/module/sha256"]));
        let kept = control_plane.delete(&path).await;
        assert_eq!(kept.status, StatusCode::CONFLICT, "{}", kept.text);
    }
    // Another machine has no file of it.
    std::fs::remove_dir_all(folder.path().join("modules")).unwrap();
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    let file = file_in_force(&control_plane).await;
    assert_eq!(std::fs::read(&file).unwrap(), module);
    let back = control_plane
        .post("/api/v1/rollback", &json!({"to": 1}))
        .await;
    assert_eq!(back.status, StatusCode::OK, "{}", back.text);
    assert!(file_in_force(&control_plane).await != file);
    let gone = control_plane.delete(&path).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.text);
    assert!(!std::fs::exists(&file).unwrap());
    let store = control_plane.gateway.store();
    assert_eq!(store.module_content(&sha256).await.unwrap(), None);
    assert_eq!(control_plane.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn it_gives_listeners_further_filters_in_their_places() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), DOCUMENT).await;
    let module = wasm::other_filter();
    upload(&control_plane, &module).await;
    let headers = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";
    let filters = [
        json!({"name": "late", "place": "after", "module": hash(&module),
            "configuration": {"b": 1, "a": [true]}}),
        json!({"name": "early", "envoy": headers, "configuration": {"mutations":
            {"response_mutations": [{"append": {"header": {"key": "x-seen", "value": "1"}}}]}}}),
    ];
    for filter in &filters {
        let added = control_plane.post("/api/v1/filters", filter).await;
        assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    }
    let faulty = json!({"name": "faulty", "envoy": headers, "configuration": {"mutatoins": {}}});
    let refused = control_plane.post("/api/v1/filters", &faulty).await;
    assert_eq!(refused.paths(), ["/configuration"], "{}", refused.text);
    let snapshot = control_plane.get("/api/v1/config/snapshot").await.json;
    let resources = snapshot["resources"].as_array().unwrap();
    let content = |name: &str| {
        let mut found = resources.iter().filter(|resource| resource["name"] == name);
        found.next().unwrap()["content"].clone()
    };
    let listener = content("mcp");
    let chain = &listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
    let names: Vec<&str> = chain
        .as_array()
        .unwrap()
        .iter()
        .map(|filter| filter["name"].as_str().unwrap())
        .collect();
    let expected = [
        "portcullis.filter.early",
        "portcullis.mcp.mcp",
        "portcullis.filter.late",
        "envoy.filters.http.router",
    ];
    assert_eq!(names, expected);
    let late = content("portcullis.filter.late");
    let text = &late["typed_config"]["config"]["configuration"]["value"];
    assert_eq!(text, r#"{"a":[true],"b":1}"#);
    let early = content("portcullis.filter.early");
    assert!(
        early["typed_config"]["@type"]
            .as_str()
            .unwrap()
            .ends_with(headers)
    );
}
