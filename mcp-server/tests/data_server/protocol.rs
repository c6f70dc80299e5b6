//! MCP itself: both eras, what is refused, and how.

use serde_json::{Value, json};

use crate::client::{Answer, Client, read};
use crate::database::Database;
use crate::server::Server;

const LEGACY: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

async fn server() -> Server {
    let database = Database::with("CREATE TABLE shops (id int PRIMARY KEY, name text)").await;
    Server::on(&database, &[]).await
}

fn names(answer: &Answer) -> Vec<&str> {
    let tools = answer.result()["tools"].as_array().expect("a list");
    tools
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect()
}

#[tokio::test]
async fn it_lists_and_calls_tools_in_every_revision() {
    let server = server().await;
    let modern = server.client();
    let listed = modern.request("tools/list", json!({})).await;
    assert_eq!(listed.result()["cacheScope"], json!("public"));
    assert_eq!(listed.result()["ttlMs"], json!(60_000));
    let expected = names(&listed);
    assert!(
        expected.starts_with(&["list_tables", "get_table_schema", "execute_query"]),
        "{expected:?}"
    );
    assert_eq!(
        modern.call("list_tables", json!({})).await.structured()["tables"][0]["name"],
        json!("shops")
    );
    for revision in LEGACY {
        let client = Client::legacy(&server.address, revision).await;
        assert_eq!(
            names(&client.request("tools/list", json!({})).await),
            expected,
            "{revision}"
        );
        let called = client.call("list_tables", json!({})).await;
        let text = called.result()["content"][0]["text"]
            .as_str()
            .expect("a text");
        if revision < "2025-06-18" {
            assert!(
                called.result().get("structuredContent").is_none(),
                "{called:?}"
            );
            let whole: Value = serde_json::from_str(text).expect("JSON");
            assert_eq!(whole["tables"][0]["name"], json!("shops"));
        } else {
            assert_eq!(called.structured()["tables"][0]["name"], json!("shops"));
            assert!(text.starts_with("public.shops: table"), "{text}");
        }
    }
}

#[tokio::test]
async fn it_says_who_it_is_on_every_result() {
    let server = server().await;
    let client = server.client();
    let who = json!({"name": "portcullis", "version": env!("CARGO_PKG_VERSION")});
    let discovered = client.request("server/discover", json!({})).await;
    assert_eq!(
        discovered.result()["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        who["name"]
    );
    let listed = client.request("tools/list", json!({})).await;
    assert_eq!(
        listed.result()["_meta"]["io.modelcontextprotocol/serverInfo"],
        who
    );
    let called = client.call("list_tables", json!({})).await;
    assert_eq!(
        called.result()["_meta"]["io.modelcontextprotocol/serverInfo"],
        who
    );
}

#[tokio::test]
async fn it_answers_with_the_proxy_s_request_id_or_a_new_one() {
    let server = server().await;
    let client = server.client();
    let params = json!({"name": "list_tables", "arguments": {}});
    let sent = client
        .send(
            "tools/call",
            params.clone(),
            &[("x-request-id", "from-envoy-1")],
        )
        .await;
    assert_eq!(
        read(sent).await.result()["_meta"]["portcullis/requestId"],
        json!("from-envoy-1")
    );
    let minted = read(client.send("tools/call", params, &[]).await).await;
    let id = minted.result()["_meta"]["portcullis/requestId"]
        .as_str()
        .expect("an id");
    assert_eq!(id.len(), 36, "{id}");
}

#[tokio::test]
async fn it_refuses_what_it_cannot_read_in_json_rpc() {
    let server = server().await;
    let client = server.client();
    let post = async |body: &str| read(client.post(body, &[]).await).await;
    let meta = concat!(
        r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientCapabilities":{}}"#
    );

    for (body, code) in [
        ("{".to_owned(), -32700),
        ("[]".to_owned(), -32600),
        (
            r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#.to_owned(),
            -32600,
        ),
        (
            r#"{"jsonrpc":"1.0","id":1,"method":"tools/list"}"#.to_owned(),
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}"#.to_owned(),
            -32600,
        ),
        ("[".repeat(1000), -32700),
    ] {
        let answer = post(&body).await;
        assert_eq!((answer.status, answer.error()), (400, code), "{body}");
    }
    // Known methods with malformed params: 404 would say "an old server" to a client.
    for params in [
        r#""arguments":{}"#,
        r#""name":1"#,
        r#""name":"list_tables","arguments":[]"#,
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{{params},{meta}}}}}"#
        );
        let headers = [("mcp-method", "tools/call"), ("mcp-name", "list_tables")];
        let answer = read(client.post(&body, &headers).await).await;
        assert_eq!(
            (answer.error(), &answer.body["id"]),
            (-32602, &json!(7)),
            "{params} {answer:?}"
        );
        assert_ne!(answer.status, 404, "{params}");
    }
    let unknown = client.request("tools/burn", json!({})).await;
    assert_eq!((unknown.status, unknown.error()), (404, -32601));
    for cursor in [json!("x"), json!(1), json!(true), json!({}), json!([1])] {
        let answer = client
            .request("tools/list", json!({"cursor": cursor}))
            .await;
        assert_eq!((answer.status, answer.error()), (200, -32602), "{cursor}");
    }
    let tool = client.call("burn", json!({})).await;
    assert_eq!((tool.status, tool.error()), (200, -32602));
}

#[tokio::test]
async fn it_says_which_methods_there_are_where_there_is_none_of_that_name() {
    let server = server().await;
    let modern = server.client();
    let legacy = Client::legacy(&server.address, "2025-11-25").await;
    // For each method what it needs, so that its absence is all that is wrong.
    let params = json!({"uri": "x://y", "level": "info", "notifications": {}});
    for (client, method, has, has_not) in [
        (&modern, "ping", "server/discover", "initialize"),
        (
            &modern,
            "resources/subscribe",
            "subscriptions/listen",
            "initialize",
        ),
        (&modern, "nobody/knows", "server/discover", "initialize"),
        (
            &legacy,
            "subscriptions/listen",
            "initialize",
            "server/discover",
        ),
        (&legacy, "nobody/knows", "initialize", "server/discover"),
        (&legacy, "logging/setLevel", "initialize", "server/discover"),
    ] {
        let refused = client.request(method, params.clone()).await;
        assert_eq!(refused.error(), -32601, "{method}");
        let message = refused.body["error"]["message"]
            .as_str()
            .expect("a sentence");
        assert!(
            message.contains(&format!("no method `{method}`")),
            "{message}"
        );
        assert!(
            message.contains(has) && !message.contains(has_not),
            "{message}"
        );
    }
}

#[tokio::test]
async fn it_checks_host_origin_media_types_and_versions() {
    let server = server().await;
    let client = server.client();
    let send = async |headers: &[(&'static str, &str)]| {
        read(client.send("tools/list", json!({}), headers).await).await
    };
    for (headers, status) in [
        (("host", "evil.example"), 403),
        (("host", "localhost"), 200),
        (("origin", "http://evil.example"), 403),
        (("origin", "http://localhost:5173"), 200),
        (("content-type", "Application/JSON"), 200),
        (("content-type", "text/plain"), 415),
        (("accept", "*/*"), 200),
        (("accept", "text/html"), 406),
    ] {
        let answer = send(&[headers]).await;
        assert_eq!(answer.status, status, "{headers:?} {answer:?}");
        assert!(answer.body["jsonrpc"] == json!("2.0"), "{answer:?}");
    }
    let answer = send(&[("mcp-protocol-version", "1999-01-01")]).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let body = r#"{"jsonrpc":"2.0","id":9,"method":"tools/list"}"#;
    let answer = read(
        client
            .post(body, &[("mcp-protocol-version", "1999-01-01")])
            .await,
    )
    .await;
    assert_eq!((answer.status, answer.error()), (400, -32022), "{answer:?}");
    let twice = reqwest::Client::new()
        .post(format!("http://{}/mcp", server.address))
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-protocol-version", "2025-11-25")
        .body(body)
        .send()
        .await
        .expect("an answer");
    let answer = read(twice).await;
    assert_eq!(
        (answer.status, answer.error(), &answer.body["id"]),
        (400, -32020, &json!(9))
    );
    let get = reqwest::Client::new().get(format!("http://{}/mcp", server.address));
    let answer = read(
        get.header("mcp-protocol-version", "2026-07-28")
            .header("accept", "text/event-stream")
            .send()
            .await
            .expect("an answer"),
    )
    .await;
    assert_eq!(answer.status, 405, "{answer:?}");
}

#[tokio::test]
async fn it_refuses_arguments_that_the_schema_does_not_name() {
    let server = server().await;
    let client = server.client();
    for (tool, arguments) in [
        ("list_tables", json!({"schemas": "public"})),
        ("list_tables", json!({"limit": 0})),
        ("list_tables", json!({"limit": "5"})),
        ("list_tables", json!({"cursor": "nonsense"})),
        ("get_table_schema", json!({})),
        ("get_table_schema", json!({"table": "shops", "x": 1})),
        ("execute_query", json!({"query": "select 1"})),
        (
            "execute_query",
            json!({"sql": "select 1", "parameters": {}}),
        ),
        ("execute_query", json!({"sql": 1})),
        ("create_etl_pipeline", json!({"name": "p"})),
        (
            "create_etl_pipeline",
            json!({"name": "p", "stages": [{"name": "s"}]}),
        ),
        ("execute_pipeline", json!({"name": "p", "parameters": []})),
        ("get_pipeline_status", json!({"run": "x"})),
        ("list_pipelines", json!({"limit": 0})),
        ("list_pipelines", json!({"status": "done"})),
        ("list_pipelines", json!({"name": "p", "cursor": "!"})),
        ("cancel_pipeline", json!({})),
    ] {
        let answer = client.call(tool, arguments.clone()).await;
        assert_eq!(
            answer.failure().0,
            "invalid_arguments",
            "{tool} {arguments}"
        );
    }
}
