//! The endpoints of servers: probed, taken from Envoys while they are down, and given back.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fake_envoy::FakeEnvoy;
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{Answer, ControlPlane, folder, until};

/// The document of a gateway with one server that has these endpoints.
fn document(servers: &[&FakeServer], more: &str) -> String {
    let urls: Vec<String> = servers
        .iter()
        .map(|server| format!("'{}'", server.url()))
        .collect();
    let urls = urls.join(", ");
    format!("servers: {{data: {{endpoints: [{urls}]}}}}\n{more}")
}

/// The addresses behind the server, as Envoys get them now.
async fn addresses(control_plane: &ControlPlane) -> BTreeSet<String> {
    let snapshot = control_plane.get("/api/v1/config/snapshot").await.json;
    let resources = snapshot["resources"].as_array().unwrap();
    let resource = resources
        .iter()
        .find(|resource| resource["type"] == "endpoints" && resource["name"] == "data")
        .unwrap();
    let localities = resource["content"]["endpoints"].as_array().unwrap();
    let all = localities
        .iter()
        .flat_map(|locality| locality["lb_endpoints"].as_array().unwrap());
    all.map(|endpoint| {
        endpoint["endpoint"]["hostname"]
            .as_str()
            .unwrap()
            .to_owned()
    })
    .collect()
}

async fn status(control_plane: &ControlPlane) -> Value {
    control_plane.get("/api/v1/servers/data").await.json["status"].take()
}

/// The states of the server's endpoints, in the document's order.
async fn states(control_plane: &ControlPlane) -> Vec<String> {
    let status = status(control_plane).await;
    let endpoints = status["endpoints"].as_array().unwrap();
    endpoints
        .iter()
        .map(|endpoint| endpoint["state"].as_str().unwrap().to_owned())
        .collect()
}

async fn two() -> [FakeServer; 2] {
    [
        FakeServer::start(Speaks::Stateless, tools(&["a"])).await,
        FakeServer::start(Speaks::Sessions, tools(&["a"])).await,
    ]
}

#[tokio::test]
async fn it_takes_an_endpoint_that_fails_from_envoys_and_gives_it_back() {
    let folder = folder();
    let [one, other] = two().await;
    let text = document(&[&one, &other], "");
    let control_plane = ControlPlane::start(folder.path(), &text).await;
    until(|| async { states(&control_plane).await == ["up", "up"] }).await;
    control_plane.until_offered("data", &["a"]).await;
    assert_eq!(addresses(&control_plane).await.len(), 2);
    let generation = control_plane.get("/api/v1/version").await.json["generation"].take();
    one.fail(true);
    until(|| async { addresses(&control_plane).await.len() == 1 }).await;
    let known = status(&control_plane).await;
    assert_eq!(known["state"], "up", "{known}");
    let endpoint = &known["endpoints"][0];
    assert_eq!(
        (&endpoint["state"], &endpoint["out"]),
        (&json!("down"), &json!(true))
    );
    assert!(
        endpoint["reason"].as_str().unwrap().contains("HTTP 503"),
        "{endpoint}"
    );
    assert!(known["endpoints"][1]["latency_ms"].is_number(), "{known}");
    one.fail(false);
    until(|| async { addresses(&control_plane).await.len() == 2 }).await;
    // Nothing of it was a change to judge.
    let version = control_plane.get("/api/v1/version").await.json;
    assert_eq!(version["generation"], generation);
}

#[tokio::test]
async fn it_takes_a_dead_endpoint_from_every_envoy_while_a_change_is_watched() {
    let folder = folder();
    let [one, other] = two().await;
    let text = document(&[&one, &other], "");
    let control_plane = ControlPlane::start(folder.path(), &text).await;
    let _envoys = [
        FakeEnvoy::connect(control_plane.xds, "a").await,
        FakeEnvoy::connect(control_plane.xds, "b").await,
    ];
    until(|| async { states(&control_plane).await == ["up", "up"] }).await;
    control_plane.until_offered("data", &["a"]).await;
    let accepted = || async {
        let version = control_plane.get("/api/v1/version").await.json;
        version["accepted_generation"] == version["generation"]
    };
    until(accepted).await;
    let both = given(&control_plane, "a").await.1;
    let watched = "rollout: {waves: [1, 100%], soak: 1h}\n\
                   tools: [{name: r, match: {tool: a}, timeout: 5s}]";
    let watched = document(&[&one, &other], watched);
    let written = control_plane.put_yaml("/api/v1/config", &watched).await;
    assert_eq!(written.json["outcome"], "rolling_out", "{}", written.text);
    one.fail(true);
    let (first, second) = (
        given(&control_plane, "a").await,
        given(&control_plane, "b").await,
    );
    assert_ne!(first.0, second.0, "one of them has the change");
    until(|| async {
        let (now, then) = (
            given(&control_plane, "a").await,
            given(&control_plane, "b").await,
        );
        now.1 == then.1 && addresses(&control_plane).await.len() == 1
    })
    .await;
    until(|| async { given(&control_plane, "a").await.1 != both }).await;
    assert_eq!(given(&control_plane, "a").await.0, first.0);
    assert_eq!(given(&control_plane, "b").await.0, second.0);
}

/// The generation that an Envoy is to have, and the endpoints that it has acknowledged.
async fn given(control_plane: &ControlPlane, node: &str) -> (Value, Value) {
    let path = format!("/api/v1/nodes/{node}");
    let mut node = control_plane.get(&path).await.json;
    let mut resources = node["resources"].as_array_mut().unwrap().iter_mut();
    let endpoints = resources
        .find(|one| one["type"] == "endpoints" && one["name"] == "data")
        .unwrap();
    let acked = endpoints["acked"].take();
    (node["generation"]["desired"].take(), acked)
}

#[tokio::test]
async fn it_never_takes_the_last_endpoints_and_says_that_the_server_is_down() {
    let folder = folder();
    let [one, other] = two().await;
    let text = document(&[&one, &other], "");
    let control_plane = ControlPlane::start(folder.path(), &text).await;
    until(|| async { states(&control_plane).await == ["up", "up"] }).await;
    one.fail(true);
    until(|| async { addresses(&control_plane).await.len() == 1 }).await;
    let left = addresses(&control_plane).await;
    other.fail(true);
    until(|| async { states(&control_plane).await == ["down", "down"] }).await;
    until(|| async { status(&control_plane).await["state"] == "down" }).await;
    assert_eq!(addresses(&control_plane).await, left);
    one.fail(false);
    until(|| async {
        let now = addresses(&control_plane).await;
        now.len() == 1 && now != left
    })
    .await;
}

#[tokio::test]
async fn it_gives_a_server_that_goes_down_another_entity_tag_and_takes_the_old_one_for_changes() {
    let folder = folder();
    let [one, other] = two().await;
    let text = document(&[&one, &other], "");
    let control_plane = ControlPlane::start(folder.path(), &text).await;
    until(|| async { states(&control_plane).await == ["up", "up"] }).await;
    until(|| async { status(&control_plane).await["state"] == "up" }).await;
    let path = "/api/v1/servers/data";
    let before = control_plane.get(path).await;
    let tag = before.etag.unwrap();
    let asked_again = || async {
        let request = control_plane.request(Method::GET, path);
        Answer::of(request.header("if-none-match", &tag))
            .await
            .status
    };
    assert_eq!(asked_again().await, StatusCode::NOT_MODIFIED);
    one.fail(true);
    until(|| async { asked_again().await == StatusCode::OK }).await;
    let mut changed = before.json;
    changed["max_connections"] = json!(7);
    let put = control_plane
        .request(Method::PUT, path)
        .header("if-match", &tag)
        .header("content-type", "application/json")
        .body(changed.to_string());
    let put = Answer::of(put).await;
    assert_eq!(put.status, StatusCode::OK, "{}", put.text);
    let stale = control_plane
        .request(Method::DELETE, path)
        .header("if-match", &tag);
    assert_eq!(
        Answer::of(stale).await.status,
        StatusCode::PRECONDITION_FAILED
    );
}

#[tokio::test]
async fn it_lists_the_tools_of_a_server_whose_first_endpoint_never_answers() {
    let folder = folder();
    let well = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let silent = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    silent.fail(true);
    let text = document(&[&silent, &well], "");
    let control_plane = ControlPlane::start(folder.path(), &text).await;
    until(|| async { states(&control_plane).await == ["down", "up"] }).await;
    control_plane.until_offered("data", &["a"]).await;
    let asked = silent.methods().len();
    let listed = well.methods().len();
    until(|| async { well.methods().len() > listed + 2 }).await;
    // The one that is known to be down is asked for signs of life alone.
    assert!(silent.methods().len() <= asked + 1);
}
