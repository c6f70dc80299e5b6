//! The event streams of clients that know no newer transport.

use serde_json::{Value, json};

use crate::cancelling::{ENDLESS, PATIENT, sleeping};
use crate::database::Database;
use crate::server::Server;

/// A client that opened an event stream and reads what it is sent.
pub struct StreamClient {
    http: reqwest::Client,
    origin: String,
    messages: String,
    response: reqwest::Response,
    read: String,
}

impl StreamClient {
    /// Opens a stream at `path`, whose first event says where messages go.
    async fn open(address: &str, path: &str) -> Self {
        Self::open_with(address, path, &[]).await
    }

    /// The same with headers.
    pub async fn open_with(address: &str, path: &str, headers: &[(&'static str, &str)]) -> Self {
        let http = reqwest::Client::new();
        let origin = format!("http://{address}");
        let mut request = http.get(format!("{origin}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut client = Self {
            http,
            origin,
            messages: String::new(),
            response,
            read: String::new(),
        };
        let (event, data) = client.event().await;
        assert_eq!(event, "endpoint");
        client.messages = data;
        client
    }

    /// The same after the handshake of `revision`.
    async fn introduced(address: &str, path: &str, revision: &str) -> Self {
        Self::able(address, path, revision, json!({})).await
    }

    /// The same of a client with these capabilities.
    pub async fn able(address: &str, path: &str, revision: &str, capabilities: Value) -> Self {
        let mut client = Self::open(address, path).await;
        let params = json!({"protocolVersion": revision, "capabilities": capabilities,
            "clientInfo": {"name": "test", "version": "1"}});
        let answer = client.request("initialize", params).await;
        assert_eq!(answer["result"]["protocolVersion"], json!(revision));
        let done = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(client.post(&done.to_string(), &[]).await, 202);
        client
    }

    /// The name and the data of the next event; comments are passed over.
    pub async fn event(&mut self) -> (String, String) {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let field = |name: &str| {
                    let lines = event.lines();
                    lines.filter_map(|line| line.strip_prefix(name)).collect()
                };
                let (name, data): (String, String) = (field("event: "), field("data: "));
                self.read = rest.to_owned();
                if !name.is_empty() {
                    return (name, data);
                }
                continue;
            }
            let more = self.response.chunk().await.expect("the stream goes on");
            let more = more.expect("the stream has not ended");
            self.read += std::str::from_utf8(&more).expect("UTF-8");
        }
    }

    /// The next message that the server sends.
    pub async fn message(&mut self) -> Value {
        let (event, data) = self.event().await;
        assert_eq!(event, "message");
        serde_json::from_str(&data).expect("JSON")
    }

    /// The next message that is an answer.
    pub async fn answer(&mut self) -> Value {
        loop {
            let message = self.message().await;
            if message.get("id").is_some() {
                return message;
            }
        }
    }

    pub async fn post(&self, body: &str, headers: &[(&'static str, &str)]) -> u16 {
        let url = format!("{}{}", self.origin, self.messages);
        let mut request = self
            .http
            .post(url)
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body.to_owned()).send().await;
        answer.expect("the server answers").status().as_u16()
    }

    pub async fn send(&self, id: u64, method: &str, params: Value) {
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        assert_eq!(self.post(&body.to_string(), &[]).await, 202);
    }

    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        self.send(1, method, params).await;
        self.answer().await
    }

    async fn query(&mut self, sql: &str) -> Value {
        let arguments = json!({"sql": sql});
        let params = json!({"name": "execute_query", "arguments": arguments});
        self.request("tools/call", params).await
    }
}

#[tokio::test]
async fn it_serves_older_clients_on_both_pairs_of_paths() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    for (path, messages) in [
        ("/sse", "/messages?sessionId="),
        ("/mcp/sse", "/mcp/messages/?sessionId="),
    ] {
        for (revision, is_structured) in [("2024-11-05", false), ("2025-11-25", true)] {
            let mut client = StreamClient::introduced(&server.address, path, revision).await;
            assert!(client.messages.starts_with(messages), "{}", client.messages);
            let answer = client.query("SELECT 6 * 7 AS answer").await;
            assert_eq!(answer["result"]["isError"], json!(false), "{answer}");
            let text = answer["result"]["content"][0]["text"].as_str();
            assert!(text.expect("a text").contains("42"), "{answer}");
            let structured = answer["result"].get("structuredContent");
            assert_eq!(structured.is_some(), is_structured, "{revision}");
        }
    }
}

#[tokio::test]
async fn it_serves_a_client_that_came_back_without_a_handshake() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let mut client = StreamClient::open(&server.address, "/sse").await;
    let answer = client.query("SELECT 6 * 7 AS answer").await;
    assert_eq!(answer["result"]["isError"], json!(false), "{answer}");
}

#[tokio::test]
async fn it_agrees_on_a_revision_that_it_knows_and_answers_in_it() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let mut client = StreamClient::open(&server.address, "/sse").await;
    let params = json!({"protocolVersion": "2031-01-01", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}});
    let answer = client.request("initialize", params).await;
    assert_eq!(answer["result"]["protocolVersion"], json!("2025-11-25"));
    let answer = client.query("SELECT 1").await;
    assert!(answer["result"].get("resultType").is_none(), "{answer}");
}

#[tokio::test]
async fn it_stops_what_runs_for_a_client_that_closes_its_stream() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[PATIENT]).await;
    let client = StreamClient::introduced(&server.address, "/sse", "2024-11-05").await;
    let arguments = json!({"sql": ENDLESS});
    let params = json!({"name": "execute_query", "arguments": arguments});
    client.send(1, "tools/call", params).await;
    sleeping(&database, 1).await;
    drop(client);
    sleeping(&database, 0).await;
}

#[tokio::test]
async fn it_stops_the_call_that_its_client_cancels_and_serves_the_stream_on() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[PATIENT]).await;
    let mut client = StreamClient::introduced(&server.address, "/sse", "2024-11-05").await;
    let arguments = json!({"sql": ENDLESS});
    let params = json!({"name": "execute_query", "arguments": arguments});
    client.send(7, "tools/call", params).await;
    sleeping(&database, 1).await;
    let cancel =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    assert_eq!(client.post(&cancel.to_string(), &[]).await, 202);
    sleeping(&database, 0).await;
    let answer = client.query("SELECT 1").await;
    assert_eq!(
        (&answer["id"], &answer["result"]["isError"]),
        (&json!(1), &json!(false))
    );
}

#[tokio::test]
async fn it_ends_a_call_within_the_time_that_the_gateway_gives_it() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[PATIENT]).await;
    let mut client = StreamClient::introduced(&server.address, "/sse", "2025-11-25").await;
    let arguments = json!({"sql": ENDLESS});
    let body = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call",
        "params": {"name": "execute_query", "arguments": arguments}});
    let time = [("x-envoy-expected-rq-timeout-ms", "200")];
    assert_eq!(client.post(&body.to_string(), &time).await, 202);
    let answer = client.answer().await;
    let error = &answer["result"]["structuredContent"]["error"];
    assert_eq!(error["code"], json!("timeout"), "{answer}");
}

#[tokio::test]
async fn it_passes_on_what_the_gateway_answered_in_its_place() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let mut client = StreamClient::introduced(&server.address, "/sse", "2024-11-05").await;
    let answer = json!({"jsonrpc": "2.0", "id": 9, "result": {"content": [], "isError": true}});
    let pretty = serde_json::to_string_pretty(&answer).expect("JSON");
    let from_gateway = [("x-portcullis-answered", "1")];
    assert_eq!(client.post(&pretty, &from_gateway).await, 202);
    assert_eq!(client.answer().await, answer);
    assert_eq!(client.post("{", &from_gateway).await, 400);
}

#[tokio::test]
async fn it_answers_more_calls_at_once_than_it_runs_without_running_them() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[PATIENT]).await;
    let mut client = StreamClient::introduced(&server.address, "/sse", "2024-11-05").await;
    let arguments = json!({"sql": ENDLESS});
    let params = json!({"name": "execute_query", "arguments": arguments});
    for id in 0..33 {
        client.send(id, "tools/call", params.clone()).await;
    }
    let answer = client.answer().await;
    let message = answer["error"]["message"].as_str().expect("an error");
    assert!(
        message.starts_with("32 requests of this stream are unanswered"),
        "{answer}"
    );
    assert_eq!(answer["id"], json!(32));
    drop(client);
    sleeping(&database, 0).await;
}

#[tokio::test]
async fn it_refuses_messages_for_streams_that_are_not_and_messages_that_are_none() {
    let database = Database::with("").await;
    let server = Server::on(&database, &[]).await;
    let mut client = StreamClient::open(&server.address, "/sse").await;
    for body in ["{", "[]", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#] {
        assert_eq!(client.post(body, &[]).await, 400, "{body}");
    }
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    for (name, value) in [("host", "evil.example"), ("origin", "http://evil.example")] {
        assert_eq!(client.post(ping, &[(name, value)]).await, 403, "{name}");
        let url = format!("{}/sse", client.origin);
        let opening = client.http.get(url).header(name, value).send().await;
        assert_eq!(opening.expect("an answer").status(), 403, "{name}");
    }
    client.messages = "/messages?sessionId=6f1c1c0e7b7e4e0e9c560d2d5a1f0a11".to_owned();
    assert_eq!(client.post(ping, &[]).await, 404);
    let url = format!("{}/messages", client.origin);
    let nameless = client.http.post(url).body(ping).send().await;
    let nameless = nameless.expect("an answer");
    assert_eq!(nameless.status(), 400);
    let sentence = nameless.text().await.expect("a sentence");
    assert!(sentence.contains("/messages?sessionId=…"), "{sentence}");
}
