//! A client that shows what is on the wire: one HTTP request per message, in either era.

use std::net::IpAddr;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

/// The revision that has no sessions.
pub const MODERN: &str = "2026-07-28";

/// Speaks one revision of MCP.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    revision: &'static str,
    session: Option<String>,
    /// The name that the gateway gives this client in the header `x-caller`.
    caller: Option<&'static str>,
}

/// An answer of the server: its status and its body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// The result; a JSON-RPC error fails the test.
    #[track_caller]
    pub fn result(&self) -> &Value {
        assert!(self.body.get("result").is_some(), "{self:?}");
        &self.body["result"]
    }

    /// The structured content of a call that went well.
    #[track_caller]
    pub fn structured(&self) -> &Value {
        let result = self.result();
        assert_eq!(result["isError"], json!(false), "{self:?}");
        &result["structuredContent"]
    }

    /// Code and message of a call that failed as a tool call.
    #[track_caller]
    pub fn failure(&self) -> (&str, &str) {
        let result = self.result();
        assert_eq!(result["isError"], json!(true), "{self:?}");
        let error = &result["structuredContent"]["error"];
        (
            error["code"].as_str().expect("a code"),
            error["message"].as_str().expect("a message"),
        )
    }

    /// The texts of the content, in their order.
    #[track_caller]
    pub fn texts(&self) -> Vec<&str> {
        let content = self.result()["content"].as_array().expect("content");
        let texts = content.iter().filter_map(|one| one["text"].as_str());
        texts.collect()
    }

    /// The code of a JSON-RPC error.
    #[track_caller]
    pub fn error(&self) -> i64 {
        self.body["error"]["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("{self:?}"))
    }
}

impl Client {
    /// Of protocol 2026-07-28, which needs no handshake.
    pub fn modern(address: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            url: format!("http://{address}/mcp"),
            revision: MODERN,
            session: None,
            caller: None,
        }
    }

    /// Of an older revision, after its handshake.
    pub async fn legacy(address: &str, revision: &'static str) -> Self {
        Self::able(address, revision, json!({})).await
    }

    /// The same with these capabilities.
    pub async fn able(address: &str, revision: &'static str, capabilities: Value) -> Self {
        let unnamed = Self {
            revision,
            ..Self::modern(address)
        };
        unnamed.introduced(capabilities).await
    }

    /// The same of a caller whom the gateway names.
    pub async fn named(address: &str, caller: &'static str, capabilities: Value) -> Self {
        let named = Self {
            revision: "2025-11-25",
            ..Self::modern(address).as_caller(caller)
        };
        named.introduced(capabilities).await
    }

    /// The same client, session and all, of another caller.
    pub fn as_caller(&self, caller: &'static str) -> Self {
        Self {
            caller: Some(caller),
            ..self.clone()
        }
    }

    async fn introduced(mut self, capabilities: Value) -> Self {
        let revision = self.revision;
        let client = &mut self;
        let params = json!({"protocolVersion": revision, "capabilities": capabilities,
            "clientInfo": {"name": "test", "version": "1"}});
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let response = client.post(&body.to_string(), &[]).await;
        let session = response.headers().get("mcp-session-id").expect("a session");
        client.session = Some(session.to_str().expect("ASCII").to_owned());
        let answer = read(response).await;
        assert_eq!(answer.result()["protocolVersion"], json!(revision));
        let done = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(client.post(&done.to_string(), &[]).await.status(), 202);
        self
    }

    /// The same client, session and all, of a server at another address.
    pub fn moved_to(&self, address: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            url: format!("http://{address}/mcp"),
            ..self.clone()
        }
    }

    /// The same client with another session id.
    pub fn in_session(&self, id: &str) -> Self {
        Self {
            session: Some(id.to_owned()),
            ..self.clone()
        }
    }

    /// The same client, which says that it speaks another revision.
    pub fn speaking(&self, revision: &'static str) -> Self {
        Self {
            revision,
            ..self.clone()
        }
    }

    /// The same client whose connections come from another address of this machine.
    pub fn connecting_from(&self, address: [u8; 4]) -> Self {
        let http = reqwest::Client::builder().local_address(IpAddr::from(address));
        Self {
            http: http.build().expect("an address"),
            ..self.clone()
        }
    }

    /// The id of the session.
    pub fn session(&self) -> &str {
        self.session.as_deref().expect("a session")
    }

    /// Calls a tool by `tools/call`.
    pub async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }

    /// Runs `sql` by `execute_query`.
    pub async fn query(&self, sql: &str, parameters: Value) -> Answer {
        self.call(
            "execute_query",
            json!({"sql": sql, "parameters": parameters}),
        )
        .await
    }

    /// Sends a request as the revision wants it.
    pub async fn request(&self, method: &str, params: Value) -> Answer {
        read(self.send(method, params, &[]).await).await
    }

    /// The same, of a server that may be gone before it answers.
    pub async fn try_request(&self, method: &str, params: Value) -> Result<(), reqwest::Error> {
        self.prepare(method, params, &[]).send().await.map(drop)
    }

    /// The same with more headers, and the raw response.
    pub async fn send(
        &self,
        method: &str,
        params: Value,
        headers: &[(&'static str, &str)],
    ) -> reqwest::Response {
        let request = self.prepare(method, params, headers);
        request.send().await.expect("the server answers")
    }

    fn prepare(
        &self,
        method: &str,
        mut params: Value,
        headers: &[(&'static str, &str)],
    ) -> reqwest::RequestBuilder {
        let mut all = headers.to_vec();
        let name = params["name"].as_str().or(params["uri"].as_str());
        let name = name.map(ToOwned::to_owned);
        if self.revision == MODERN {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"}
            });
            all.push(("mcp-method", method));
            if let Some(name) = &name {
                all.push(("mcp-name", name));
            }
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.prepare_post(&body.to_string(), &all)
    }

    /// Ends the session of an older revision; the status.
    pub async fn end(&self) -> u16 {
        self.end_at("localhost").await
    }

    /// The same, naming `host` in `Host`.
    pub async fn end_at(&self, host: &str) -> u16 {
        let request = self
            .http
            .delete(&self.url)
            .header("host", host)
            .header("mcp-protocol-version", self.revision);
        let request = self.name(request.header("mcp-session-id", self.session()));
        let ended = request.send().await;
        ended.expect("the server answers").status().as_u16()
    }

    /// Opens the stream on which a session hears what is no answer.
    pub async fn listen(&self, headers: &[(&'static str, &str)]) -> reqwest::Response {
        self.get("text/event-stream", headers).await
    }

    /// The same of a client that takes something else.
    pub async fn listen_for(&self, accepted: &str) -> reqwest::Response {
        self.get(accepted, &[]).await
    }

    async fn get(&self, accepted: &str, headers: &[(&'static str, &str)]) -> reqwest::Response {
        let mut request = self
            .http
            .get(&self.url)
            .header("accept", accepted)
            .header("mcp-protocol-version", self.revision);
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        request = self.name(request);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("the server answers")
    }

    /// Says in a request who the caller is, as the gateway does.
    fn name(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match self.caller {
            Some(caller) => request.header("x-caller", caller),
            None => request,
        }
    }

    /// Posts any text as a message.
    pub async fn post(&self, body: &str, headers: &[(&'static str, &str)]) -> reqwest::Response {
        let request = self.prepare_post(body, headers);
        request.send().await.expect("the server answers")
    }

    fn prepare_post(
        &self,
        body: &str,
        headers: &[(&'static str, &str)],
    ) -> reqwest::RequestBuilder {
        let mut all = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            all.insert(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).expect("a header value"),
            );
        };
        set("content-type", "application/json");
        set("accept", "application/json, text/event-stream");
        set("mcp-protocol-version", self.revision);
        if let Some(session) = &self.session {
            set("mcp-session-id", session);
        }
        for (name, value) in headers {
            set(name, value);
        }
        if let Some(caller) = self.caller {
            set("x-caller", caller);
        }
        self.http.post(&self.url).headers(all).body(body.to_owned())
    }
}

/// The events of a response, as they come.
pub struct Events {
    response: reqwest::Response,
    read: String,
}

impl Events {
    /// Of a response that is an event stream.
    #[track_caller]
    pub fn of(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            read: String::new(),
        }
    }

    /// The next message; a heartbeat is none. An event that a client could come back for, or that
    /// is empty, fails the test.
    pub async fn next(&mut self) -> Value {
        let message = self.next_or_end().await;
        message.expect("the stream has not ended")
    }

    /// The same, and nothing once the stream has ended.
    pub async fn next_or_end(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.read.find("\n\n") {
                let event: String = self.read.drain(..end + 2).collect();
                let lines = event.lines().filter(|line| !line.is_empty());
                let lines: Vec<_> = lines.filter(|line| !line.starts_with(':')).collect();
                let data = match lines[..] {
                    [] => continue,
                    [line] => line.strip_prefix("data:"),
                    _ => None,
                };
                let data = data.unwrap_or_else(|| panic!("more than data: {lines:?}"));
                return Some(serde_json::from_str(data).expect("JSON"));
            }
            let more = self.response.chunk().await.expect("the stream goes on")?;
            self.read += std::str::from_utf8(&more).expect("UTF-8");
        }
    }
}

/// The one JSON-RPC message of a response, be it JSON or an event stream.
pub async fn read(response: reqwest::Response) -> Answer {
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    let message = text
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(str::trim)
        .rfind(|data| !data.is_empty())
        .unwrap_or(&text);
    let body = serde_json::from_str(message)
        .unwrap_or_else(|error| panic!("{error} in {status} {text:?}"));
    Answer { status, body }
}
