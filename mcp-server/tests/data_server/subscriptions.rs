//! Clients that watch resources are told when these change, in both eras.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, Events, MODERN, read};
use crate::database::{Database, run};
use crate::event_streams::StreamClient;
use crate::pipelines::{Pipelines, create};
use crate::round_trips::CountingLine;
use crate::server::Server;

const ACTIVE: &str = "pipelines://active";

/// Pipelines whose one stage takes longer than any test.
async fn slow_pipelines() -> Pipelines {
    let pipelines = Pipelines::with("CREATE TABLE copies (n int)").await;
    let stages = json!([{"name": "s",
        "source": {"type": "postgres", "sql": "SELECT 1 AS n FROM pg_sleep(120)"},
        "destination": {"type": "postgres", "table": "copies"}}]);
    create(&pipelines.client(), stages).await;
    pipelines
}

/// Such pipelines, and a client in a session that has subscribed to those that are active.
async fn subscribed() -> (Pipelines, Client) {
    let pipelines = slow_pipelines().await;
    let client = Client::legacy(pipelines.address(), "2025-11-25").await;
    client
        .request("resources/subscribe", json!({"uri": ACTIVE}))
        .await
        .result();
    (pipelines, client)
}

async fn execute(client: &Client) -> String {
    let begun = client
        .call("execute_pipeline", json!({"name": "p", "parameters": {}}))
        .await;
    let run = &begun.structured()["run_id"];
    run.as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn it_tells_a_client_that_listens_when_a_watched_resource_changes() {
    let pipelines = slow_pipelines().await;
    let client = pipelines.client();
    let filter = json!({"resourceSubscriptions": [ACTIVE, "metrics://system", "x://y"],
        "toolsListChanged": true});
    let params = json!({"notifications": filter});
    let mut events = Events::of(client.send("subscriptions/listen", params, &[]).await);
    let first = events.next().await;
    assert_eq!(
        first["method"],
        json!("notifications/subscriptions/acknowledged")
    );
    let accepted = &first["params"]["notifications"];
    assert_eq!(
        accepted["resourceSubscriptions"],
        json!([ACTIVE]),
        "{first}"
    );
    assert!(accepted.get("toolsListChanged").is_none(), "{first}");
    let run = execute(&client).await;
    let told = events.next().await;
    assert_eq!(told["method"], json!("notifications/resources/updated"));
    assert_eq!(told["params"]["uri"], json!(ACTIVE));
    let subscription = &told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
    assert_eq!(subscription, &json!(1), "{told}");
    let active = client
        .request("resources/read", json!({"uri": ACTIVE}))
        .await;
    let text = active.result()["contents"][0]["text"].as_str();
    let runs: Value = serde_json::from_str(text.expect("a text")).expect("JSON");
    assert_eq!(runs["runs"][0]["run_id"], json!(run));
    client.call("cancel_pipeline", json!({"run_id": run})).await;
}

#[tokio::test]
async fn it_tells_an_older_client_on_its_event_stream_until_it_unsubscribes() {
    let pipelines = slow_pipelines().await;
    let address = pipelines.address();
    let mut client = StreamClient::able(address, "/sse", "2025-11-25", json!({})).await;
    let begun = client
        .request("resources/subscribe", json!({"uri": ACTIVE}))
        .await;
    assert!(begun.get("result").is_some(), "{begun}");
    let run = execute(&pipelines.client()).await;
    let told = client.message().await;
    assert_eq!(told["method"], json!("notifications/resources/updated"));
    assert_eq!(told["params"]["uri"], json!(ACTIVE));
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let unwatched = json!({"uri": "metrics://system"});
        let unknown = client.request(method, unwatched).await;
        assert_eq!(unknown["error"]["code"], json!(-32002), "{unknown}");
    }
    let ended = client
        .request("resources/unsubscribe", json!({"uri": ACTIVE}))
        .await;
    assert!(ended.get("result").is_some(), "{ended}");
    pipelines
        .client()
        .call("cancel_pipeline", json!({"run_id": run}))
        .await;
}

#[tokio::test]
async fn it_tells_of_a_list_that_changed_and_not_of_one_that_could_not_be_looked_at() {
    let database = Database::with("").await;
    let line = CountingLine::to(database.port).await;
    let server = Server::at(line.port, &database.name, &[]).await;
    let params = json!({"notifications": {"resourcesListChanged": true}});
    let client = server.client();
    let mut events = Events::of(client.send("subscriptions/listen", params, &[]).await);
    events.next().await;
    let mut administrator = database.connection().await;
    // The first look comes after some of these; what was told until then is what there was.
    let mut made = 0;
    let told = loop {
        run(&mut administrator, &format!("CREATE SCHEMA made_{made}")).await;
        made += 1;
        let wait = Duration::from_secs(10);
        if let Ok(told) = tokio::time::timeout(wait, events.next()).await {
            break told;
        }
        assert!(made < 6, "it never tells");
    };
    let changed = json!("notifications/resources/list_changed");
    assert_eq!(told["method"], changed);
    line.is_cut.store(true, Ordering::SeqCst);
    let before = line.turns();
    // A look opens a connection for each kind that PostgreSQL has.
    database.until(|| line.turns() >= before + 5).await;
    line.is_cut.store(false, Ordering::SeqCst);
    run(&mut administrator, "CREATE SCHEMA the_last").await;
    let told = events.next().await;
    assert_eq!(told["method"], changed);
    let seen = client.request("resources/list", json!({})).await;
    assert!(seen.body.to_string().contains("the_last"), "{seen:?}");
    drop(server);
    let last = events.next().await;
    assert!(last.get("result").is_some(), "{last}");
}

#[tokio::test]
async fn it_tells_an_older_client_on_the_stream_of_its_session_until_it_unsubscribes() {
    let pipelines = slow_pipelines().await;
    for revision in ["2025-06-18", "2025-11-25"] {
        let client = Client::legacy(pipelines.address(), revision).await;
        let mut events = Events::of(client.listen(&[]).await);
        let begun = client
            .request("resources/subscribe", json!({"uri": ACTIVE}))
            .await;
        assert_eq!(begun.result(), &json!({}));
        let run = execute(&client).await;
        let told = events.next().await;
        assert_eq!(told["method"], json!("notifications/resources/updated"));
        assert_eq!(told["params"], json!({"uri": ACTIVE}));
        let ended = client
            .request("resources/unsubscribe", json!({"uri": ACTIVE}))
            .await;
        assert_eq!(ended.result(), &json!({}));
        client.call("cancel_pipeline", json!({"run_id": run})).await;
        assert_eq!(client.end().await, 204);
        assert_eq!(events.next_or_end().await, None);
    }
}

#[tokio::test]
async fn it_tells_an_older_client_of_changes_that_came_before_its_stream() {
    let (_pipelines, client) = subscribed().await;
    let run = execute(&client).await;
    let told = Events::of(client.listen(&[]).await).next().await;
    assert_eq!(told["params"], json!({"uri": ACTIVE}));
    client.call("cancel_pipeline", json!({"run_id": run})).await;
}

/// Opens streams of sessions that are made up, until one is refused; those that are open.
async fn open_streams(client: &Client, first: u32) -> Vec<reqwest::Response> {
    let mut open = Vec::new();
    for number in first.. {
        let session = client.in_session(&format!("2025-11-25.{number:032x}"));
        let response = session.listen(&[]).await;
        match response.status().as_u16() {
            200 => open.push(response),
            // The client goes on as with a server that has no such streams.
            status => {
                assert_eq!(status, 405);
                break;
            }
        }
    }
    open
}

#[tokio::test]
async fn it_tells_of_a_run_that_begins_and_ends_between_two_looks() {
    let (pipelines, client) = subscribed().await;
    // No look sees this one while it runs.
    run(
        &mut pipelines.database.connection().await,
        "INSERT INTO portcullis.pipeline_runs
             (id, pipeline, parameters, state, revision, started_at, ended_at)
         SELECT '019ad000-0000-7000-8000-000000000000', id, '{}', 'succeeded', 3, now(), now()
         FROM portcullis.pipelines",
    )
    .await;
    let told = Events::of(client.listen(&[]).await).next().await;
    assert_eq!(told["params"], json!({"uri": ACTIVE}));
}

#[tokio::test]
async fn it_opens_streams_of_sessions_while_it_has_places_left_for_those_who_need_them() {
    let server = Server::on(&Database::with("").await, &[]).await;
    let client = Client::legacy(&server.address, "2025-11-25").await;
    // Behind a proxy one address is everybody's.
    let open = open_streams(&client, 0).await;
    let elsewhere = client.connecting_from([127, 0, 0, 2]);
    let others = open_streams(&elsewhere, 1000).await;
    assert_eq!((open.len(), others.len()), (96, 0));
    let mut client = StreamClient::able(&server.address, "/sse", "2025-11-25", json!({})).await;
    let answer = client.request("ping", json!({})).await;
    assert!(answer.get("result").is_some(), "{answer}");
}

#[tokio::test]
async fn it_opens_a_stream_for_a_session_of_its_own_and_for_nobody_else() {
    let server = Server::on(&Database::with("").await, &[]).await;
    let client = Client::legacy(&server.address, "2025-11-25").await;
    for (name, value) in [("host", "evil.example"), ("origin", "http://evil.example")] {
        let foreign = client.listen(&[(name, value)]).await;
        assert_eq!(foreign.status(), 403, "{name}");
    }
    assert_eq!(client.listen_for("application/json").await.status(), 405);
    assert_eq!(client.in_session("x").listen(&[]).await.status(), 404);
    let ended = client.listen(&[]).await;
    assert_eq!(client.end().await, 204);
    assert_eq!(Events::of(ended).next_or_end().await, None);
    assert_eq!(client.listen(&[]).await.status(), 404);
}

#[tokio::test]
async fn it_refuses_a_revision_that_nobody_knows_by_whatever_method_it_comes() {
    let server = Server::on(&Database::with("").await, &[]).await;
    let client = Client::legacy(&server.address, "2025-11-25").await;
    let strange = client.speaking("1999-01-01");
    let posted = strange.request("ping", json!({})).await;
    let got = read(strange.listen(&[]).await).await;
    for refused in [&posted, &got] {
        assert_eq!(
            (refused.status, refused.error()),
            (400, -32022),
            "{refused:?}"
        );
    }
    assert_eq!(posted.body["error"]["data"], got.body["error"]["data"]);
    assert_eq!(strange.end().await, 400);
    let twice = [("mcp-protocol-version", "2025-11-25")];
    let twice = read(client.listen(&twice).await).await;
    assert_eq!((twice.status, twice.error()), (400, -32020), "{twice:?}");
    assert_eq!(client.listen(&[]).await.status(), 200);
}

#[tokio::test]
async fn it_promises_what_it_does_and_nothing_else() {
    let server = Server::on(&Database::with("").await, &[]).await;
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}}});
    let client = Client::legacy(&server.address, "2025-11-25").await;
    let answer = read(client.post(&initialize.to_string(), &[]).await).await;
    let promised = &answer.result()["capabilities"];
    assert_eq!(promised["resources"], json!({"subscribe": true}));
    // No tool of this server has anything to say to its clients' logs.
    assert!(promised.get("logging").is_none(), "{promised}");
    let refused = client
        .request("logging/setLevel", json!({"level": "info"}))
        .await;
    assert_eq!(refused.error(), -32601);
    let modern = server.client().request("server/discover", json!({})).await;
    let resources = &modern.result()["capabilities"]["resources"];
    assert_eq!(resources["subscribe"], json!(true), "{MODERN}");
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let refused = server
            .client()
            .request(method, json!({"uri": ACTIVE}))
            .await;
        assert_eq!((refused.status, refused.error()), (404, -32601), "{method}");
    }
}
