//! Servers whose definitions stay as they are until somebody approves others, and servers that must
//! be something for their tools to be offered.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::events::Follower;
use crate::fake_server::{FakeServer, Speaks, tool, tools};
use crate::harness::{Answer, ControlPlane, folder, until};

const OLD: &str = r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#;
const NEW: &str = r#"{"type":"object","properties":{"n":{"type":"string"}}}"#;

fn pinned(server: &FakeServer) -> String {
    format!("servers: {{data: {{url: '{}', pin: true}}}}", server.url())
}

async fn reviews(control_plane: &ControlPlane) -> Vec<Value> {
    let status = control_plane.get("/api/v1/servers/data").await.json["status"].take();
    status["reviews"].as_array().cloned().unwrap_or_default()
}

/// The input schema that calls of a tool are checked by, as it was listed.
async fn schema(control_plane: &ControlPlane, tool: &str) -> Option<String> {
    let config = control_plane.filter_config("mcp").await;
    let hash = config["servers"]["data"]["tools"][tool]["input_schema"]
        .as_str()?
        .to_owned();
    Some(config["schemas"][&hash].to_string())
}

fn as_json(schema: &str) -> Option<String> {
    let value: Value = serde_json::from_str(schema).unwrap();
    Some(value.to_string())
}

async fn decide(control_plane: &ControlPlane, tool: &str, verb: &str, body: &str) -> Answer {
    let path = format!("/api/v1/servers/data/tools/{tool}/{verb}");
    let request = control_plane
        .request(Method::POST, &path)
        .header("content-type", "application/json")
        .header("x-portcullis-author", "ada")
        .header("x-portcullis-reason", "looked at it")
        .body(body.to_owned());
    Answer::of(request).await
}

#[tokio::test]
async fn it_keeps_the_old_schema_in_force_until_the_new_one_is_approved_also_over_a_restart() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, vec![tool("a", OLD)]).await;
    {
        let control_plane = ControlPlane::start(folder.path(), &pinned(&server)).await;
        control_plane.until_offered("data", &["a"]).await;
        server.list(vec![tool("a", NEW), tool("b", NEW)]);
        until(|| async { reviews(&control_plane).await.len() == 2 }).await;
        assert_eq!(schema(&control_plane, "a").await, as_json(OLD));
        assert_eq!(control_plane.offered("data").await, ["a"]);
        let told = reviews(&control_plane).await;
        assert_eq!(
            (&told[0]["tool"], &told[0]["in_force"]),
            (&json!("a"), &json!(true))
        );
        assert_eq!(
            (&told[1]["tool"], &told[1]["in_force"]),
            (&json!("b"), &json!(false))
        );
        let tools = control_plane.get("/api/v1/tools").await.json["tools"].take();
        assert_eq!(
            (&tools[0]["state"], &tools[0]["review"]),
            (&json!("offered"), &json!("unreviewed"))
        );
        assert_eq!(
            (&tools[1]["state"], &tools[1]["cause"]),
            (&json!("withheld"), &json!("unreviewed"))
        );
    }
    let control_plane = ControlPlane::start(folder.path(), "").await;
    until(|| async { reviews(&control_plane).await.len() == 2 }).await;
    assert_eq!(schema(&control_plane, "a").await, as_json(OLD));
    let shown = control_plane.get("/api/v1/servers/data/tools/a").await.json;
    assert_eq!(
        shown["in_force"]["definition"]["inputSchema"].to_string(),
        as_json(OLD).unwrap()
    );
    let waiting = &shown["reviews"][0];
    assert_eq!(
        waiting["definition"]["inputSchema"].to_string(),
        as_json(NEW).unwrap()
    );
    let body = json!({"definition": waiting["hash"]}).to_string();
    let approved = decide(&control_plane, "a", "approve", &body).await;
    assert_eq!(approved.status, StatusCode::OK, "{}", approved.text);
    until(|| async { schema(&control_plane, "a").await == as_json(NEW) }).await;
    assert_eq!(
        decide(&control_plane, "b", "approve", "").await.status,
        StatusCode::OK
    );
    control_plane.until_offered("data", &["a", "b"]).await;
    assert_eq!(reviews(&control_plane).await, Vec::<Value>::new());
    let trail = control_plane
        .get("/api/v1/audit?kind=servers&who=ada")
        .await
        .json;
    let whats: Vec<&Value> = trail["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| &record["what"])
        .collect();
    let on_a = format!(
        "POST /api/v1/servers/data/tools/a/approve sha256:{}",
        waiting["hash"].as_str().unwrap()
    );
    assert_eq!(*whats[1], on_a);
    let on_b = whats[0].as_str().unwrap();
    assert!(
        on_b.starts_with("POST /api/v1/servers/data/tools/b/approve sha256:"),
        "{on_b}"
    );
    assert_eq!(trail["records"][0]["reason"], "looked at it");
    // What is approved stays so when the server lists it again, and what it had before does not.
    let asked = server.methods().len();
    until(|| async { server.methods().len() > asked + 2 }).await;
    assert_eq!(reviews(&control_plane).await, Vec::<Value>::new());
    server.list(vec![tool("a", OLD), tool("b", NEW)]);
    until(|| async { reviews(&control_plane).await.len() == 1 }).await;
    assert_eq!(schema(&control_plane, "a").await, as_json(NEW));
}

#[tokio::test]
async fn it_decides_about_nothing_but_the_definition_that_was_read() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Sessions, vec![tool("a", OLD)]).await;
    let control_plane = ControlPlane::start(folder.path(), &pinned(&server)).await;
    control_plane.until_offered("data", &["a"]).await;
    let nothing = decide(&control_plane, "a", "approve", "").await;
    assert_eq!(nothing.status, StatusCode::CONFLICT, "{}", nothing.text);
    server.list(vec![tool("a", NEW)]);
    until(|| async { reviews(&control_plane).await.len() == 1 }).await;
    let read = reviews(&control_plane).await[0]["definition"].clone();
    let worse = r#"{"type":"object","additionalProperties":true}"#;
    server.list(vec![tool("a", worse)]);
    until(|| async { reviews(&control_plane).await[0]["definition"] != read }).await;
    let body = json!({"definition": read}).to_string();
    for verb in ["approve", "reject"] {
        let other = decide(&control_plane, "a", verb, &body).await;
        assert_eq!(other.status, StatusCode::CONFLICT, "{}", other.text);
        assert_eq!(other.json["type"], "urn:portcullis:another-definition");
    }
    for (path, meant) in [
        ("/api/v1/servers/date/tools/a/approve", "`data`"),
        ("/api/v1/servers/data/tools/A/reject", "`a`"),
    ] {
        let answer = control_plane.post(path, &json!({})).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        let meant = format!("did you mean {meant}");
        assert!(answer.text.contains(&meant), "{path}: {}", answer.text);
    }
    let unread = decide(&control_plane, "a", "approve", r#"{"hash": "x"}"#).await;
    assert_eq!(unread.status, StatusCode::BAD_REQUEST, "{}", unread.text);
    let missing = control_plane.get("/api/v1/servers/data/tools/none").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND, "{}", missing.text);
    assert_eq!(schema(&control_plane, "a").await, as_json(OLD));
}

#[tokio::test]
async fn it_leaves_out_what_was_rejected_until_somebody_approves_it_all_the_same() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let control_plane = ControlPlane::start(folder.path(), &pinned(&server)).await;
    control_plane.until_offered("data", &["a"]).await;
    server.list(tools(&["a", "b"]));
    until(|| async { reviews(&control_plane).await.len() == 1 }).await;
    assert_eq!(
        decide(&control_plane, "b", "reject", "").await.status,
        StatusCode::OK
    );
    let told = reviews(&control_plane).await;
    assert_eq!(
        (&told[0]["state"], &told[0]["by"]),
        (&json!("rejected"), &json!("ada"))
    );
    let asked = server.methods().len();
    until(|| async { server.methods().len() > asked + 2 }).await;
    assert_eq!(reviews(&control_plane).await, told);
    let tools = control_plane.get("/api/v1/tools").await.json["tools"].take();
    assert!(
        tools[1]["reason"]
            .as_str()
            .unwrap()
            .contains("`ada` rejected"),
        "{tools}"
    );
    assert_eq!(
        decide(&control_plane, "b", "approve", "").await.status,
        StatusCode::OK
    );
    control_plane.until_offered("data", &["a", "b"]).await;
}

#[tokio::test]
async fn it_keeps_what_was_approved_when_a_pinned_server_moves() {
    let folder = folder();
    let old = FakeServer::start(Speaks::Stateless, vec![tool("a", OLD)]).await;
    let control_plane = ControlPlane::start(folder.path(), &pinned(&old)).await;
    control_plane.until_offered("data", &["a"]).await;
    let nowhere = "servers: {data: {url: 'http://127.0.0.1:9/mcp', pin: true}}";
    control_plane.put_yaml("/api/v1/config", nowhere).await;
    assert_eq!(control_plane.offered("data").await, [""; 0]);
    let new = FakeServer::start(Speaks::Stateless, vec![tool("a", NEW), tool("b", NEW)]).await;
    control_plane
        .put_yaml("/api/v1/config", &pinned(&new))
        .await;
    until(|| async { reviews(&control_plane).await.len() == 2 }).await;
    assert_eq!(control_plane.offered("data").await, ["a"]);
    assert_eq!(schema(&control_plane, "a").await, as_json(OLD));
    // Whoever no longer pins it takes what it lists.
    let free = pinned(&new).replace("true", "false");
    control_plane.put_yaml("/api/v1/config", &free).await;
    control_plane.until_offered("data", &["a", "b"]).await;
    until(|| async { schema(&control_plane, "a").await == as_json(NEW) }).await;
}

#[tokio::test]
async fn it_offers_no_tool_of_a_server_that_is_not_what_the_document_requires() {
    let folder = folder();
    let server = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let document = |requires: &str| {
        let url = server.url();
        format!("servers: {{data: {{url: '{url}', requires: {{{requires}}}}}}}")
    };
    let met = document("version: '>=1.2, <2', capabilities: [tools], protocol: '2025-06-18'");
    {
        let control_plane = ControlPlane::start(folder.path(), &met).await;
        control_plane.until_offered("data", &["a"]).await;
        let status = control_plane.get("/api/v1/servers/data").await.json["status"].take();
        let catalogue = &status["catalogue"];
        assert_eq!(
            (&catalogue["version"], &catalogue["unmet"]),
            (&json!("1.2.0"), &Value::Null)
        );
        assert_eq!(catalogue["capabilities"], json!(["tools"]));
        for (requires, reason) in [
            ("version: '>=1.3'", "`1.2.0`"),
            ("capabilities: [tools, prompts]", "`prompts`"),
        ] {
            control_plane
                .put_yaml("/api/v1/config", &document(requires))
                .await;
            control_plane.until_offered("data", &[]).await;
            let tools = control_plane.get("/api/v1/tools").await.json["tools"].take();
            assert_eq!(tools[0]["cause"], "requirements", "{tools}");
            assert!(
                tools[0]["reason"].as_str().unwrap().contains(reason),
                "{tools}"
            );
            let status = control_plane.get("/api/v1/servers/data").await.json["status"].take();
            assert!(
                status["catalogue"]["unmet"]
                    .as_str()
                    .unwrap()
                    .contains(reason),
                "{status}"
            );
        }
        control_plane.put_yaml("/api/v1/config", &met).await;
        control_plane.until_offered("data", &["a"]).await;
    }
    // What it said of itself is known before it is asked again.
    drop(server);
    let control_plane = ControlPlane::start(folder.path(), "").await;
    assert_eq!(control_plane.offered("data").await, ["a"]);
}

#[tokio::test]
async fn it_tells_of_definitions_that_change_wait_and_are_decided_about() {
    let folder = folder();
    let free = FakeServer::start(Speaks::Stateless, vec![tool("f", OLD)]).await;
    let server = FakeServer::start(Speaks::Stateless, vec![tool("a", OLD)]).await;
    let (free_url, url) = (free.url(), server.url());
    let document =
        format!("servers: {{free: {{url: '{free_url}'}}, data: {{url: '{url}', pin: true}}}}");
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    control_plane.until_offered("data", &["a"]).await;
    control_plane.until_offered("free", &["f"]).await;
    let mut follower = Follower::start(&control_plane, None).await;
    free.list(vec![tool("f", NEW)]);
    let is = |tool: &'static str, state: &'static str| {
        move |data: &Value| data["tool"] == tool && data["state"] == state
    };
    let changed = follower.until("tool", is("f", "changed")).await.data;
    assert_eq!(changed["server"], "free");
    server.list(vec![tool("a", NEW), tool("b", NEW)]);
    let waits = follower.until("tool", is("a", "unreviewed")).await.data;
    follower.until("tool", is("b", "unreviewed")).await;
    decide(&control_plane, "a", "approve", "").await;
    let approved = follower.until("tool", is("a", "approved")).await.data;
    assert_eq!(approved["definition"], waits["definition"]);
    assert_eq!(
        (&approved["by"], &approved["reason"]),
        (&json!("ada"), &json!("looked at it"))
    );
    decide(&control_plane, "b", "reject", "").await;
    follower.until("tool", is("b", "rejected")).await;
}
