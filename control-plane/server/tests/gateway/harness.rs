//! A control plane to talk to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use control_plane::gateway::{self, Gateway, ProbeSchedule, RelistSchedule};
use control_plane::lease::{Lease, LeaseEnd, LeaseKeeper};
use control_plane::{module, rest};
use gateway_document::{Format, parse};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use store::{ConfigStore, Module, SqlStore};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use xds::{Publisher, SimulatedClock};

use crate::fake_server::FakeServer;
use crate::reach;

/// How long a condition may take to come true on a busy machine: less than the longest deadline
/// that a test gives Envoys (`rollouts::PATIENT`), so that nothing comes true by that.
const PATIENCE: Duration = Duration::from_secs(55);

/// A control plane, stopped when dropped. What it stored stays in its folder.
pub struct ControlPlane {
    pub rest: SocketAddr,
    pub xds: SocketAddr,
    pub gateway: Arc<Gateway>,
    pub leadership: LeaseKeeper,
    client: Client,
    stop: watch::Sender<bool>,
    by_time: [AbortHandle; 2],
    _tasks: JoinSet<()>,
}

/// A module without a filter in it.
const NO_FILTER: &[u8] = b"\0asm\x01\0\0\0";

/// A folder for a control plane's store and modules.
pub fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The document of a gateway with these servers.
pub fn document_with(servers: &[(&str, &FakeServer)]) -> String {
    let servers: Vec<String> = servers
        .iter()
        .map(|(name, server)| format!("  {name}: {{url: {}}}\n", server.url()))
        .collect();
    format!("servers:\n{}", servers.concat())
}

impl ControlPlane {
    /// Starts on what is stored in `folder`, or else on `document`.
    pub async fn start(folder: &Path, document: &str) -> Self {
        Self::start_with_module(folder, document, NO_FILTER).await
    }

    /// Starts with this filter module.
    pub async fn start_with_module(folder: &Path, document: &str, module: &[u8]) -> Self {
        Self::start_with(folder, document, module, Publisher::new()).await
    }

    /// Starts with a clock that the test moves.
    pub async fn start_with_clock(folder: &Path, document: &str, clock: &SimulatedClock) -> Self {
        let publisher = Publisher::with_clock(clock.clock());
        Self::start_with(folder, document, NO_FILTER, publisher).await
    }

    async fn start_with(
        folder: &Path,
        document: &str,
        module: &[u8],
        publisher: Publisher,
    ) -> Self {
        let source = folder.join("filter.wasm");
        std::fs::write(&source, module).unwrap();
        let (module, bytes) = module::keep(&source, &folder.join("modules"), None).unwrap();
        let store = SqlStore::open(folder.join("control-plane.db"))
            .await
            .unwrap();
        let record = Module {
            sha256: module.sha256.clone(),
            bytes,
            path: module.path.clone(),
            since: OffsetDateTime::now_utc(),
        };
        store.put_module(&record).await.unwrap();
        let first = parse(document, Format::Yaml).unwrap();
        let client = reach::client();
        let (gateway, rollouts) =
            Gateway::start(Arc::new(store), publisher.clone(), client, module, first)
                .await
                .unwrap();
        let schedule = RelistSchedule {
            after_answer: Duration::from_millis(50),
            first_retry: Duration::from_millis(20),
            longest_retry: Duration::from_millis(100),
        };
        let rest_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let xds_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (rest, xds) = (
            rest_listener.local_addr().unwrap(),
            xds_listener.local_addr().unwrap(),
        );
        let router = rest::router(Arc::clone(&gateway), rest::AllowedHosts::default());
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(gateway::watch(Arc::clone(&gateway), schedule));
        let probes = ProbeSchedule {
            between: Duration::from_millis(50),
            in_doubt: Duration::from_millis(20),
        };
        tasks.spawn(gateway::watch_endpoints(Arc::clone(&gateway), probes));
        let secrets = gateway::watch_secrets(Arc::clone(&gateway), Duration::from_millis(20));
        let secrets = tasks.spawn(secrets);
        let events = gateway::tell_events(Arc::clone(&gateway), stopping.clone());
        let events = tasks.spawn(events);
        let (leadership, lease) = Lease::until(LeaseEnd::Never);
        let rollouts = rollouts.leading_by(lease).run(stopping.clone());
        tasks.spawn(async move { match rollouts.await {} });
        let rest_stop = stopped(stopping.clone());
        tasks.spawn(rest::serve(rest_listener, router, rest_stop));
        tasks.spawn(async move {
            let limits = xds::ServerLimits::default();
            xds::serve(publisher, xds_listener, limits, &[], stopped(stopping))
                .await
                .unwrap();
        });
        Self {
            rest,
            xds,
            gateway,
            leadership,
            client: Client::builder().no_proxy().build().unwrap(),
            stop,
            by_time: [events, secrets],
            _tasks: tasks,
        }
    }

    /// Tells no events any more, and looks for no secrets: both look at the fleet as often as time
    /// passes.
    pub fn stop_looking_by_time(&self) {
        for task in &self.by_time {
            task.abort();
        }
    }

    /// Asks it to end, as a signal does.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// A request to be filled in.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.rest))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn put_json(&self, path: &str, body: &Value) -> Answer {
        Answer::of(
            self.request(Method::PUT, path)
                .header("content-type", "application/json")
                .body(body.to_string()),
        )
        .await
    }

    pub async fn put_yaml(&self, path: &str, body: &str) -> Answer {
        Answer::of(
            self.request(Method::PUT, path)
                .header("content-type", "application/yaml")
                .body(body.to_owned()),
        )
        .await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &body.to_string()).await
    }

    /// The same with a body that may be no JSON.
    pub async fn post_text(&self, path: &str, body: &str) -> Answer {
        Answer::of(
            self.request(Method::POST, path)
                .header("content-type", "application/json")
                .body(body.to_owned()),
        )
        .await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    /// The document in force.
    pub async fn document(&self) -> Value {
        self.get("/api/v1/config").await.json["document"].take()
    }

    /// The configuration of a listener's filter, as Envoys are meant to have it, with the lists of
    /// tools that travel beside it written out.
    pub async fn filter_config(&self, listener: &str) -> Value {
        let name = format!("portcullis.mcp.{listener}");
        let snapshot = self.get("/api/v1/config/snapshot").await.json;
        let resources = snapshot["resources"].as_array().unwrap();
        let resource = resources
            .iter()
            .find(|resource| resource["name"] == name.as_str())
            .unwrap();
        let parts = &resource["content"]["typed_config"]["config"]["configuration"]["value"];
        let mut config = json_in(&parts[0]);
        let lists = parts.as_array().unwrap().iter().skip(1);
        let lists: BTreeMap<&str, &str> = lists
            .map(|list| list.as_str().unwrap().split_once('\n').unwrap())
            .collect();
        let mut schemas = config["schemas"].take();
        for server in config["servers"].as_object_mut().unwrap().values_mut() {
            if let Some(name) = server["list"].take().as_str() {
                write_out(server, lists[name], &mut schemas);
            }
        }
        config["schemas"] = schemas;
        config
    }

    /// The tools that a listener's filter knows of a server.
    pub async fn offered(&self, server: &str) -> Vec<String> {
        let config = self.filter_config("mcp").await;
        config["servers"][server]["tools"]
            .as_object()
            .map(|tools| tools.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// Waits until the filter knows exactly these tools of a server.
    pub async fn until_offered(&self, server: &str, tools: &[&str]) {
        until(|| async { self.offered(server).await == tools }).await;
    }
}

fn json_in(text: &Value) -> Value {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

/// Writes the tools of a list into a server, and their schemas beside it.
fn write_out(server: &mut Value, list: &str, schemas: &mut Value) {
    let (index, texts) = list.split_once("\n\n").unwrap_or_default();
    let withheld = server["withheld"].take();
    let withheld: Vec<&Value> = withheld.as_array().into_iter().flatten().collect();
    for line in index.lines() {
        let [tool, hash, from, to] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("the tool of `{line}` has no schema");
        };
        let place = from.parse().unwrap()..to.parse().unwrap();
        schemas[hash] = serde_json::from_str(&texts[place]).unwrap();
        if !withheld.contains(&&json!(tool)) {
            server["tools"][tool] = json!({"input_schema": hash});
        }
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the control plane is dropped, and its tasks with it.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits for a condition.
pub async fn until<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, holds)
        .await
        .expect("the condition came true in time");
}

/// An answer of the REST interface, as text and as JSON.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub etag: Option<String>,
    pub content_type: String,
    pub text: String,
    /// Null where the text is no JSON.
    pub json: Value,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        Self::from(request.send().await.unwrap()).await
    }

    /// Reads all of a response.
    pub async fn from(response: Response) -> Self {
        let header = |name| {
            response
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let (etag, content_type) = (header("etag"), header("content-type").unwrap_or_default());
        let status = response.status();
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or_default();
        Self {
            status,
            etag,
            content_type,
            text,
            json,
        }
    }

    /// The paths of the faults that were found.
    pub fn paths(&self) -> Vec<&str> {
        let errors = self.json["errors"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        errors
            .iter()
            .map(|error| error["path"].as_str().unwrap())
            .collect()
    }
}
