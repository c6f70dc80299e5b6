//! Servers that move: what is listed at one address is never taken for what is listed at another.

use serde_json::json;
use store::Catalogue;

use crate::fake_server::{FakeServer, Speaks, tool, tools};
use crate::harness::{ControlPlane, document_with, folder, until};
use crate::rollouts::version;
use crate::waves::{Fleet, WAVES};

#[tokio::test]
async fn it_has_the_lists_of_both_places_after_a_crash_while_a_move_is_watched() {
    let folder = folder();
    let old = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let new = FakeServer::start(Speaks::Sessions, tools(&["b"])).await;
    let before = document_with(&[("data", &old)]);
    let after = format!("{WAVES}{}", document_with(&[("data", &new)]));
    let fleet = Fleet::start(folder.path(), &before).await;
    fleet.control_plane.until_offered("data", &["a"]).await;
    until(|| async {
        let version = version(&fleet.control_plane).await;
        version["accepted_generation"] == version["generation"]
    })
    .await;
    let first = version(&fleet.control_plane).await["accepted_generation"].take();
    fleet.put(&after).await;
    fleet.until("soaking", 1).await;
    // Neither of them is there to be asked again.
    drop((old, new));
    let fleet = fleet.start_again(folder.path()).await;
    let rollout = fleet.until("soaking", 1).await;
    assert_eq!(fleet.control_plane.offered("data").await, ["b"]);
    let id = rollout["id"].as_str().unwrap();
    let path = format!("/api/v1/rollouts/{id}/abort");
    let meant = json!({"allow_loosening": true});
    let aborted = fleet.control_plane.post(&path, &meant).await;
    assert_eq!(aborted.json["state"], "aborted", "{}", aborted.text);
    assert_eq!(fleet.control_plane.offered("data").await, ["a"]);
    // The next start finds the list of the place that nobody wants any more.
    let fleet = fleet.start_again(folder.path()).await;
    assert_eq!(fleet.control_plane.offered("data").await, ["a"]);
    let version = version(&fleet.control_plane).await;
    assert_eq!(
        (&version["generation"], &version["accepted_generation"]),
        (&first, &first)
    );
    let server = fleet.control_plane.get("/api/v1/servers/data").await;
    let protocol = &server.json["status"]["catalogue"]["protocol"];
    assert_eq!(protocol, "2026-07-28", "{}", server.text);
}

#[tokio::test]
async fn it_gives_no_server_the_list_that_was_stored_for_a_move_that_was_not() {
    let folder = folder();
    let old = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let fleet = Fleet::start(folder.path(), &document_with(&[("data", &old)])).await;
    fleet.control_plane.until_offered("data", &["a"]).await;
    until(|| async {
        let version = version(&fleet.control_plane).await;
        version["accepted_generation"] == version["generation"]
    })
    .await;
    // The list of a change is stored before its revision: here the process ends in between.
    let store = fleet.control_plane.gateway.store();
    let listed = store.catalogues().await.unwrap().remove("data").unwrap();
    let elsewhere = Catalogue::new(listed.server, listed.protocol, listed.seen_at, Vec::new())
        .from_endpoint("http://127.0.0.1:9/mcp".to_owned());
    store.put_catalogue(&elsewhere).await.unwrap();
    drop(old);
    let fleet = fleet.start_again(folder.path()).await;
    assert_eq!(fleet.control_plane.offered("data").await, ["a"]);
}

#[tokio::test]
async fn it_asks_a_server_with_the_change_that_takes_away_the_endpoint_that_was_listed() {
    let folder = folder();
    let first = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let second = FakeServer::start(Speaks::Stateless, tools(&["a", "b"])).await;
    let urls = [first.url(), second.url()];
    let both = |more: &str| {
        let urls = urls.join(", ");
        format!("servers: {{data: {{endpoints: [{urls}]{more}}}}}")
    };
    let one = |more: &str| format!("servers: {{data: {{url: '{}'{more}}}}}", second.url());
    for (more, offered) in [("", vec!["a", "b"]), (", pin: true", vec!["a"])] {
        let folder = if more.is_empty() {
            &folder
        } else {
            &self::folder()
        };
        second.fail(true);
        let control_plane = ControlPlane::start(folder.path(), &both(more)).await;
        control_plane.until_offered("data", &["a"]).await;
        second.fail(false);
        let answer = control_plane.put_yaml("/api/v1/config", &one(more)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(control_plane.offered("data").await, offered, "{more}");
    }
}

#[tokio::test]
async fn it_approves_nothing_by_the_loss_of_the_endpoint_that_was_approved() {
    let folder = folder();
    let first = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let place = FakeServer::start(Speaks::Stateless, Vec::new()).await;
    place.fail(true);
    let document = |urls: &str| format!("servers: {{data: {{endpoints: [{urls}], pin: true}}}}");
    let both = document(&format!("{}, {}", first.url(), place.url()));
    let control_plane = ControlPlane::start(folder.path(), &both).await;
    control_plane.until_offered("data", &["a"]).await;
    // It cannot be asked with the change, and lists something else later.
    let answer = control_plane
        .put_yaml("/api/v1/config", &document(&place.url()))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let changed = tool("a", r#"{"type":"object","required":["x"]}"#);
    place.list(vec![changed, tool("b", "{}")]);
    place.fail(false);
    until(|| async {
        let server = control_plane.get("/api/v1/servers/data").await.json;
        let reviews = server["status"]["reviews"].as_array().map(Vec::len);
        reviews == Some(2)
    })
    .await;
    control_plane.until_offered("data", &["a"]).await;
    let schemas = control_plane.filter_config("mcp").await["schemas"].to_string();
    assert!(!schemas.contains("required"), "{schemas}");
}

#[tokio::test]
async fn it_asks_a_server_with_the_change_that_describes_it_anew_and_forgets_why_it_was_down() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    server.fail(true);
    let document = document_with(&[("data", &server)]);
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    let path = "/api/v1/servers/data";
    let down_since = async || {
        let mut status = control_plane.get(path).await.json["status"].take();
        let is_down = status["state"] == "down";
        is_down.then(|| status["since"].take())
    };
    until(|| async { down_since().await.is_some() }).await;
    let since = down_since().await;
    let anew = format!("{{url: '{}', labels: {{team: a}}}}", server.url());
    let put = control_plane.put_yaml(path, &anew).await;
    let unlisted = &put.json["unlisted"];
    assert_eq!(unlisted[0]["name"], "data", "{}", put.text);
    until(|| async {
        let now = down_since().await;
        now.is_some() && now != since
    })
    .await;
    // Where it answers by then, its tools are known as soon as the change is made.
    let anew = format!("{{url: '{}', labels: {{team: b}}}}", server.url());
    server.fail(false);
    let put = control_plane.put_yaml(path, &anew).await;
    assert_eq!(put.json.get("unlisted"), None, "{}", put.text);
    assert_eq!(control_plane.offered("data").await, ["a"]);
}
