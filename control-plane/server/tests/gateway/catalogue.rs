//! The lists of servers, as they become the gateway's tools.

use gateway_document::ServerName;
use serde_json::json;

use crate::fake_envoy::FakeEnvoy;
use crate::fake_server::{FakeServer, Speaks, tool, tools};
use crate::harness::{ControlPlane, document_with, folder, until};
use crate::reach;

#[tokio::test]
async fn it_lists_a_server_of_either_era_and_keeps_each_schema_byte_for_byte() {
    let schema = r#"{ "type":"object" , "properties": {"n": {"minimum": 1.50}} }"#;
    for (speaks, protocol) in [
        (Speaks::Stateless, "2026-07-28"),
        (Speaks::Sessions, "2025-11-25"),
    ] {
        let folder = folder();
        let server = FakeServer::start(
            speaks,
            vec![tool("a", schema), tool("b", "{}"), tool("c", schema)],
        )
        .await;
        let control_plane =
            ControlPlane::start(folder.path(), &document_with(&[("data", &server)])).await;
        control_plane.until_offered("data", &["a", "b", "c"]).await;
        let known = control_plane.get("/api/v1/servers").await.json["servers"][0]["status"].take();
        assert_eq!(
            (&known["state"], &known["catalogue"]["protocol"]),
            (&json!("up"), &json!(protocol)),
            "{known}"
        );
        // The snapshot holds the filter's configuration as text.
        let snapshot = control_plane.get("/api/v1/config/snapshot").await.text;
        let as_text = schema.replace('"', "\\\"");
        assert!(snapshot.contains(&as_text), "no {as_text} in {snapshot}");
        if speaks == Speaks::Sessions {
            until(|| async { server.methods().iter().any(|method| method == "DELETE") }).await;
        }
    }
}

#[tokio::test]
async fn it_makes_a_list_that_changes_a_generation_of_the_same_revision() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let control_plane =
        ControlPlane::start(folder.path(), &document_with(&[("data", &server)])).await;
    control_plane.until_offered("data", &["a"]).await;
    let before = control_plane.get("/api/v1/version").await.json;
    server.list(tools(&["b", "a"]));
    control_plane.until_offered("data", &["a", "b"]).await;
    let after = control_plane.get("/api/v1/version").await.json;
    assert_eq!(before["revision"], after["revision"]);
    assert_ne!(before["generation"], after["generation"]);
    // In another order it is the same list.
    server.list(tools(&["a", "b"]));
    let asked = server.methods().len();
    until(|| async { server.methods().len() > asked + 2 }).await;
    assert_eq!(control_plane.get("/api/v1/version").await.json, after);
}

#[tokio::test]
async fn it_asks_a_server_less_often_that_lists_something_else_each_time() {
    let folder = folder();
    let calm = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let restless = FakeServer::start(Speaks::Stateless, tools(&["b"])).await;
    restless.list_another_each_time();
    let document = document_with(&[("calm", &calm), ("restless", &restless)]);
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    until(|| async { calm.methods().len() > 60 }).await;
    let asked = restless.methods().len();
    assert!((2..30).contains(&asked), "{asked}");
    // It is heard all the same, and the other one is offered what it lists.
    control_plane.until_offered("calm", &["a"]).await;
    assert_eq!(control_plane.offered("restless").await.len(), 1);
}

#[tokio::test]
async fn it_keeps_the_list_of_a_server_that_is_down_and_says_why() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let place = server.place();
    let document = document_with(&[("data", &server)]);
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    control_plane.until_offered("data", &["a"]).await;
    drop(server);
    let state =
        || async { control_plane.get("/api/v1/servers").await.json["servers"][0]["status"].take() };
    until(|| async { state().await["state"] == "down" }).await;
    assert!(
        state().await["reason"]
            .as_str()
            .unwrap()
            .contains("cannot be reached")
    );
    assert_eq!(control_plane.offered("data").await, ["a"]);
    let _server = FakeServer::start_at(place, Speaks::Sessions, tools(&["b"])).await;
    control_plane.until_offered("data", &["b"]).await;
}

#[tokio::test]
async fn it_does_not_believe_a_server_that_moved_to_list_what_the_old_one_did() {
    let folder = folder();
    let (old, new) = (
        FakeServer::start(Speaks::Stateless, tools(&["a"])).await,
        FakeServer::start(Speaks::Stateless, tools(&["b"])).await,
    );
    let control_plane = ControlPlane::start(folder.path(), &document_with(&[("data", &old)])).await;
    control_plane.until_offered("data", &["a"]).await;
    control_plane
        .put_yaml("/api/v1/config", &document_with(&[("data", &new)]))
        .await;
    assert_eq!(control_plane.offered("data").await, ["b"]);
    let gone = "servers: {data: {url: http://127.0.0.1:9/mcp}}";
    control_plane.put_yaml("/api/v1/config", gone).await;
    assert_eq!(control_plane.offered("data").await, [""; 0]);
}

#[tokio::test]
async fn it_drops_what_a_servers_former_endpoint_answers_late() {
    let folder = folder();
    let (old, new) = (
        FakeServer::start(Speaks::Stateless, tools(&["a"])).await,
        FakeServer::start(Speaks::Stateless, tools(&["b"])).await,
    );
    let control_plane = ControlPlane::start(folder.path(), &document_with(&[("data", &old)])).await;
    control_plane.until_offered("data", &["a"]).await;
    let document = control_plane.gateway.current().document.clone();
    let name: ServerName = "data".parse().unwrap();
    let late = reach::client()
        .list(&document.servers[&name])
        .await
        .unwrap();
    control_plane
        .put_yaml("/api/v1/config", &document_with(&[("data", &new)]))
        .await;
    let before = control_plane.get("/api/v1/version").await.json;
    control_plane.gateway.observe(&name, late).await;
    let asked = &document.servers[&name];
    control_plane
        .gateway
        .observe_failure(&name, asked, "the old one is gone".to_owned());
    assert_eq!(control_plane.get("/api/v1/version").await.json, before);
    let known = control_plane.get("/api/v1/servers").await;
    assert!(
        !known.text.contains("the old one is gone"),
        "{}",
        known.text
    );
}

#[tokio::test]
async fn it_never_gives_a_server_the_list_that_another_endpoint_answered() {
    let folder = folder();
    let old = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let before = document_with(&[("data", &old)]);
    {
        let control_plane = ControlPlane::start(folder.path(), &before).await;
        let envoy = FakeEnvoy::connect(control_plane.xds, "bad").await;
        control_plane.until_offered("data", &["a"]).await;
        until(|| async {
            let version = control_plane.get("/api/v1/version").await.json;
            version["accepted_generation"] == version["generation"]
        })
        .await;
        envoy.reject("second");
        let new = FakeServer::start(Speaks::Stateless, tools(&["b"])).await;
        let listeners = "listeners: [{name: mcp, address: '127.0.0.1:1'}, {name: second, address: \
            '127.0.0.1:2'}]\n";
        let refused = control_plane
            .put_yaml(
                "/api/v1/config",
                &(document_with(&[("data", &new)]) + listeners),
            )
            .await;
        assert_eq!(refused.json["outcome"], "rejected", "{}", refused.text);
    }
    drop(old);
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let document = control_plane.document().await;
    assert!(before.contains(document["servers"]["data"]["url"].as_str().unwrap()));
    let offered = control_plane.offered("data").await;
    assert!(!offered.contains(&"b".to_owned()), "{offered:?}");
}

#[tokio::test]
async fn it_takes_no_list_that_is_short_on_each_page_and_endless_in_all() {
    let folder = folder();
    let long = format!(r#"{{"description":"{}"}}"#, "x".repeat(6 << 20));
    let definitions = ["a", "b", "c"].map(|name| tool(name, &long));
    let server = FakeServer::start(Speaks::Sessions, definitions.into()).await;
    let control_plane =
        ControlPlane::start(folder.path(), &document_with(&[("data", &server)])).await;
    until(|| async {
        let known = control_plane.get("/api/v1/servers").await;
        known.text.contains("its list is longer than 16 MiB")
    })
    .await;
    assert_eq!(control_plane.offered("data").await, [""; 0]);
}

#[tokio::test]
async fn it_finds_nobody_at_a_port_that_is_not_a_tests_own() {
    let folder = folder();
    let stranger = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    let url = format!("http://{}/mcp", stranger.local_addr().unwrap());
    let control_plane = ControlPlane::start(
        folder.path(),
        &format!("servers: {{data: {{url: '{url}'}}}}"),
    )
    .await;
    let state = || async {
        control_plane.get("/api/v1/servers").await.json["servers"][0]["status"]["state"].take()
    };
    until(|| async { state().await == "down" }).await;
    let called = stranger.accept().map(|(_, peer)| peer);
    assert_eq!(called.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}
