//! A filter with a configuration, and requests sent through it as Envoy would.

use std::rc::Rc;

use mcp_filter::{Flow, Host, Plugin, Request, VmState};
use proxy_host::StreamId;
use proxy_host::fake::{FakeProcess, FakeProxy, SentReply};
use serde_json::{Value, json};

/// Two servers: `weather` with a limit and a schema, `math` on a path of its own.
pub fn configuration() -> Value {
    json!({
        "version": 1, "listener": "mcp",
        "allowed_hosts": ["127.0.0.1", "localhost", "::1"],
        "allowed_origins": ["http://localhost:*"],
        "max_body_bytes": 4096, "max_depth": 16,
        "endpoints": [
            {"path": "/mcp", "servers": ["weather", "math"], "forward": "weather"},
            {"path": "/servers/math/mcp", "servers": ["math"], "forward": "math"},
        ],
        "servers": {
            "weather": {"cluster": "weather-cluster", "path": "/mcp", "tools": {
                "get_weather": {"input_schema": "weather"}, "forecast": {"input_schema": "weather"},
                "close": {},
            }},
            "math": {"cluster": "math-cluster", "path": "/math", "tools": {"add": {}, "slow": {}}},
        },
        "defaults": {"access": "allow", "validate": "enforce"},
        "roles": {"analyst": {"claims": {"groups": ["analysts"]}}},
        "rules": [
            {"name": "few", "match": {"tool": "get_weather"},
             "limits": [{"id": "each", "per": ["tool"], "requests": 2, "window_ms": 60000}]},
            {"name": "closed", "match": {"tool": "close"}, "allow": ["analyst"]},
            {"name": "patient", "match": {"tool": "slow"}, "timeout_ms": 2500},
        ],
        "schemas": {"weather": {"type": "object", "properties": {"city": {"type": "string"}},
            "required": ["city"], "additionalProperties": false}},
    })
}

/// A filter in a process.
pub struct Gateway {
    pub process: FakeProcess,
    vm: VmState,
    plugin: Option<Rc<Plugin>>,
}

impl Gateway {
    pub fn new() -> Self {
        Self::with(&configuration())
    }

    pub fn with(configuration: &Value) -> Self {
        let mut gateway = Self::without_configuration();
        gateway.configure(configuration).unwrap();
        gateway
    }

    pub fn without_configuration() -> Self {
        Self {
            process: FakeProcess::new(),
            vm: VmState::new([3; 16]),
            plugin: None,
        }
    }

    pub fn configure(&mut self, configuration: &Value) -> Result<(), String> {
        self.configure_by(configuration.to_string().as_bytes())
    }

    /// Configures it by what the proxy would hand over.
    pub fn configure_by(&mut self, bytes: &[u8]) -> Result<(), String> {
        let plugin = Plugin::configure(bytes, &mut self.vm, &self.process)
            .map_err(|error| error.to_string())?;
        self.plugin = Some(Rc::new(plugin));
        Ok(())
    }

    /// The proxy's side of a request of which nothing but the headers has come.
    pub fn proxy(&self, request: &Sent) -> FakeProxy {
        let headers = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()));
        let proxy = FakeProxy::in_process(&self.process).with_headers(headers);
        proxy.lose_headers(request.lost_headers);
        proxy
    }

    /// The filter's side of it.
    pub fn request<'p, H: Host>(&self, proxy: &'p H, stream: StreamId) -> Request<'p, H> {
        Request::new(proxy, self.plugin.clone(), stream)
    }

    pub fn send(&self, request: &Sent) -> Outcome {
        let proxy = self.proxy(request);
        let mut upstream = Upstream::default();
        let flows = {
            let mut filter = self.request(&proxy, StreamId(u32::MAX));
            let mut flows = vec![filter.on_headers(request.chunks.is_empty())];
            for (number, chunk) in request.chunks.iter().enumerate() {
                let was_answered = proxy.sent_reply().is_some();
                proxy.receive(chunk);
                let end =
                    request.end == End::WithTheLastChunk && number + 1 == request.chunks.len();
                let size = proxy.buffered();
                let flow = filter.on_body(size, end);
                if was_answered {
                    // The fake sees to it that nothing else follows a reply.
                    assert_eq!(flow, Flow::Wait);
                    continue;
                }
                if flow == Flow::Continue {
                    upstream.body.extend(proxy.pass_on());
                    upstream.ended |= end;
                }
                flows.push(flow);
            }
            if !request.chunks.is_empty() {
                let was_answered = proxy.sent_reply().is_some();
                let flow = match request.end {
                    End::WithTheLastChunk | End::Never => None,
                    End::Alone => Some(filter.on_body(proxy.buffered(), true)),
                    End::Trailers => Some(filter.on_trailers()),
                };
                if flow == Some(Flow::Continue) {
                    upstream.body.extend(proxy.pass_on());
                    upstream.ended = true;
                }
                if was_answered {
                    assert_ne!(flow, Some(Flow::Continue));
                } else {
                    flows.extend(flow);
                }
            }
            flows
        };
        upstream.began = flows.contains(&Flow::Continue);
        upstream.ended |= flows == [Flow::Continue];
        Outcome {
            reply: proxy.sent_reply(),
            upstream,
            flows,
            proxy,
        }
    }

    /// The sum of the counters whose name contains this.
    pub fn counter(&self, name: &str) -> u64 {
        self.process.metric(name).unwrap_or(0)
    }
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As over HTTP/1.1: all bytes, and then the end without any.
    Alone,
    /// The last chunk says that it is the last, as over HTTP/2.
    WithTheLastChunk,
    Trailers,
    Never,
}

/// A request of a client.
#[derive(Debug, Clone)]
pub struct Sent {
    headers: Vec<(String, Vec<u8>)>,
    pub chunks: Vec<Vec<u8>>,
    end: End,
    /// How many of the headers the proxy does not hand over.
    lost_headers: usize,
}

impl Sent {
    /// A POST of the legacy era, in one piece.
    pub fn post(body: impl AsRef<[u8]>) -> Self {
        Self::bare("POST")
            .with("content-type", "application/json")
            .body([body.as_ref()])
    }

    /// A POST on 2026-07-28, with these `Mcp-Method` and `Mcp-Name`.
    pub fn modern(method: &str, name: Option<&str>, body: impl AsRef<[u8]>) -> Self {
        let sent = Self::post(body)
            .with("mcp-protocol-version", "2026-07-28")
            .with("mcp-method", method);
        match name {
            Some(name) => sent.with("mcp-name", name),
            None => sent,
        }
    }

    /// A request without body.
    pub fn bare(method: &str) -> Self {
        let sent = Self {
            headers: Vec::new(),
            chunks: Vec::new(),
            end: End::Alone,
            lost_headers: 0,
        };
        sent.with(":method", method)
            .with(":path", "/mcp")
            .with(":authority", "127.0.0.1:10000")
    }

    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn replacing(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.with(name, value)
    }

    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    pub fn body<'a>(mut self, chunks: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.chunks = chunks.into_iter().map(<[u8]>::to_vec).collect();
        self
    }

    /// The same, of which the proxy announces all headers and hands over fewer.
    pub fn losing_headers(self, lost_headers: usize) -> Self {
        Self {
            lost_headers,
            ..self
        }
    }

    pub fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }
}

/// The part of a request that an upstream has seen.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Upstream {
    pub began: bool,
    pub body: Vec<u8>,
    pub ended: bool,
}

/// The outcome of a request.
pub struct Outcome {
    reply: Option<SentReply>,
    pub upstream: Upstream,
    pub flows: Vec<Flow>,
    proxy: FakeProxy,
}

impl Outcome {
    /// The cluster, where the request passed.
    #[track_caller]
    pub fn cluster(&self) -> String {
        assert_eq!(self.reply, None);
        assert!(self.upstream.ended, "it never ended: {:?}", self.flows);
        let [cluster] = self
            .header("x-portcullis-cluster")
            .try_into()
            .expect("one cluster");
        cluster
    }

    /// The values that the filter noted for the proxy's own answers.
    pub fn notes(&self) -> Vec<(String, String)> {
        self.proxy.notes().into_iter().collect()
    }

    /// The values of a header, as an upstream sees them.
    pub fn header(&self, name: &str) -> Vec<String> {
        self.proxy.header(name)
    }

    /// The answer, if there is one.
    pub fn reply(&self) -> Option<SentReply> {
        self.reply.clone()
    }

    /// The answer, where the upstream has seen nothing.
    #[track_caller]
    pub fn answer(&self) -> Answered {
        assert_eq!(self.upstream, Upstream::default());
        self.late_answer()
    }

    /// The answer, where the upstream may have seen the beginning.
    #[track_caller]
    pub fn late_answer(&self) -> Answered {
        assert!(!self.upstream.ended);
        let reply = self.reply.clone().expect("an answer");
        assert_eq!(
            reply.headers[0],
            ("content-type".to_owned(), "application/json".to_owned())
        );
        assert!(!reply.body.contains('\n') && !reply.details.contains(' '));
        let json: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(json["jsonrpc"], "2.0");
        Answered { json, reply }
    }
}

/// An answer of the filter's own.
pub struct Answered {
    pub json: Value,
    pub reply: SentReply,
}

impl Answered {
    /// The HTTP status, the JSON-RPC code and the echoed id.
    pub fn error(&self) -> (u16, i64, Value) {
        (
            self.reply.status,
            self.json["error"]["code"].as_i64().unwrap_or_default(),
            self.json["id"].clone(),
        )
    }

    /// The HTTP status and the echoed id of a tool's result that says `isError`.
    #[track_caller]
    pub fn tool_error(&self) -> (u16, Value) {
        assert_eq!(self.json["result"]["isError"], true, "{}", self.reply.body);
        (self.reply.status, self.json["id"].clone())
    }

    /// The sentence for the caller, of an error or of a tool's result.
    pub fn sentence(&self) -> &str {
        let result = &self.json["result"]["content"][0]["text"];
        let error = &self.json["error"]["message"];
        error.as_str().or(result.as_str()).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.reply
            .headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A call of a tool, in one line.
pub fn call(tool: &str, arguments: &str) -> String {
    format!(
        concat!(
            r#"{{"jsonrpc":"2.0","id":41,"method":"tools/call","params":{{"name":"{tool}","#,
            r#""arguments":{arguments}}}}}"#
        ),
        tool = tool,
        arguments = arguments
    )
}

/// The same on 2026-07-28.
pub fn modern_call(tool: &str, arguments: &str) -> String {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    format!(
        concat!(
            r#"{{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{{{meta},"#,
            r#""name":"{tool}","arguments":{arguments}}}}}"#
        ),
        meta = meta,
        tool = tool,
        arguments = arguments
    )
}
