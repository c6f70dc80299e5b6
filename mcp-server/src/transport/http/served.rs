//! A server on a port of its own, whose services lead nowhere, for the tests of this transport.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::{Budgets, Stopping, router};
use crate::mcp::Catalogue;
use crate::services::{Services, nowhere};
use crate::tools::Registry;

/// A running server; it stops when this is dropped.
pub(super) struct Served {
    address: SocketAddr,
    http: reqwest::Client,
    _serving: AbortOnDropHandle<()>,
}

impl Served {
    /// A server of these tools.
    pub(super) async fn with(tools: Registry, budgets: Budgets) -> Self {
        let config = nowhere();
        let services = Arc::new(Services::new(&config).expect("good settings"));
        let catalogue = Catalogue {
            tools,
            ..Catalogue::default()
        };
        let router = router(&config, catalogue, services, budgets, Stopping::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let serving = tokio::spawn(async move {
            let served = router.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, served).await.expect("it serves");
        });
        Self {
            address,
            http: reqwest::Client::new(),
            _serving: AbortOnDropHandle::new(serving),
        }
    }

    /// The answer to a GET.
    pub(super) async fn get(&self, path: &str) -> reqwest::Response {
        let get = self.http.get(format!("http://{}{path}", self.address));
        get.send().await.expect("an answer")
    }

    /// The answer to a call of an older client, posted to this path.
    pub(super) async fn call(&self, path: &str, params: &Value) -> reqwest::Response {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params});
        let request = self
            .http
            .post(format!("http://{}{path}", self.address))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .body(body.to_string());
        request.send().await.expect("an answer")
    }
}
