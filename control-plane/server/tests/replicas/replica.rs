//! A control plane as a process of its own.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

/// How long a condition may take to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A document with one listener, whose server nobody answers for.
const DOCUMENT: &str = r#"{
    "listeners": [{"name": "mcp", "address": "127.0.0.1:1", "servers": ["*"]}],
    "servers": {"away": {"url": "http://127.0.0.1:1/mcp"}},
    "rollout": {"ack_deadline": "50s"}
}"#;

/// A running control plane, killed when dropped.
pub struct Replica {
    pub rest: SocketAddr,
    pub xds: SocketAddr,
    child: Child,
    client: Client,
    /// The ports are nobody else's as long as these live.
    _ports: [TcpSocket; 2],
}

impl Replica {
    /// Starts one on a store; the modules and the first document are in `folder`.
    pub fn start(store: &str, folder: &Path) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_control-plane"));
        Self::start_by(program, store, folder)
    }

    /// Starts one whose files can be kept from growing: it is told so, and not ended.
    pub fn start_with_growing_files(store: &str, folder: &Path) -> Self {
        let mut shell = Command::new("sh");
        let begin = "trap '' XFSZ; exec \"$0\"";
        shell.args(["-c", begin, env!("CARGO_BIN_EXE_control-plane")]);
        Self::start_by(shell, store, folder)
    }

    /// Lets no file of it grow beyond so many bytes.
    pub fn limit_files(&self, bytes: &str) {
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &self.child.id().to_string()]);
        // The soft limit alone, which can be raised again.
        prlimit.arg(format!("--fsize={bytes}:")).arg("--core=0:");
        assert!(prlimit.status().unwrap().success());
    }

    fn start_by(mut program: Command, store: &str, folder: &Path) -> Self {
        let (rest_port, rest) = reserve();
        let (xds_port, xds) = reserve();
        let document = folder.join("gateway.json");
        std::fs::write(&document, DOCUMENT).unwrap();
        let module = folder.join("filter.wasm");
        std::fs::write(&module, b"\0asm\x01\0\0\0").unwrap();
        let child = program
            .env("CONTROL_PLANE_STORE", store)
            .env("CONTROL_PLANE_REST_ADDRESS", rest.to_string())
            .env("CONTROL_PLANE_XDS_ADDRESS", xds.to_string())
            .env("CONTROL_PLANE_DOCUMENT", document)
            .env("CONTROL_PLANE_MODULE", module)
            .env("CONTROL_PLANE_MODULE_DIR", folder.join("modules"))
            .env("PORTCULLIS_DATA", folder)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            rest,
            xds,
            child,
            client: Client::builder().no_proxy().build().unwrap(),
            _ports: [rest_port, xds_port],
        }
    }

    /// Ends it as a crash does.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.arg(format!("-{name}"))
            .arg(self.child.id().to_string());
        assert!(kill.status().unwrap().success());
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended by itself, and gives the signal that ended it, if one did.
    pub async fn signal_of_its_end(&mut self) -> Option<i32> {
        until(async || self.child.try_wait().unwrap())
            .await
            .signal()
    }

    /// The status of an answer, and where it sends its client on.
    pub async fn look(&self, path: &str) -> (StatusCode, Option<String>) {
        let client = Client::builder().no_proxy().redirect(Policy::none());
        let request = client
            .build()
            .unwrap()
            .get(format!("http://{}{path}", self.rest));
        let answer = request.send().await.unwrap();
        let location = answer.headers().get("location");
        let location = location.map(|location| location.to_str().unwrap().to_owned());
        (answer.status(), location)
    }

    /// The status and the JSON of an answer, also of one to which its client is sent on; none while
    /// nobody answers.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(StatusCode, Value)> {
        let url = format!("http://{}{path}", self.rest);
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let answer = request.send().await.ok()?;
        let status = answer.status();
        let text = answer.text().await.ok()?;
        Some((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    pub async fn get(&self, path: &str) -> Option<(StatusCode, Value)> {
        self.ask(Method::GET, path, None).await
    }

    /// Has all tools' calls take at most so many seconds, which changes the filter alone.
    pub async fn set_timeout(&self, seconds: u32) -> (StatusCode, Value) {
        self.try_timeout(seconds).await.expect("it answers")
    }

    /// Has all tools' calls take at most so many seconds; nothing comes back where it is not
    /// answered.
    pub async fn try_timeout(&self, seconds: u32) -> Option<(StatusCode, Value)> {
        let mut document: Value = serde_json::from_str(DOCUMENT).unwrap();
        document["tools"] = json!([{"name": "all", "timeout": format!("{seconds}s")}]);
        self.ask(Method::PUT, "/api/v1/config", Some(&document))
            .await
    }

    /// Has all tools' calls take at most so many seconds, at first for one Envoy, which is watched
    /// for so long.
    pub async fn begin_rollout(&self, seconds: u32, soak: &str) -> (StatusCode, Value) {
        let mut document: Value = serde_json::from_str(DOCUMENT).unwrap();
        document["tools"] = json!([{"name": "all", "timeout": format!("{seconds}s")}]);
        document["rollout"]["waves"] = json!([1, "100%"]);
        document["rollout"]["soak"] = json!(soak);
        let answer = self.ask(Method::PUT, "/api/v1/config", Some(&document));
        answer.await.expect("it answers")
    }

    /// Has the newest rollout not wait for Envoys that may still come back.
    pub async fn wait_for_no_more_envoys(&self) -> Option<()> {
        let (_, listed) = self.get("/api/v1/rollouts").await?;
        let newest = &listed["rollouts"][0];
        if newest["state"] == "waiting_for_envoys" {
            let path = format!("/api/v1/rollouts/{}/promote", newest["id"].as_str()?);
            self.ask(Method::POST, &path, None).await?;
        }
        Some(())
    }

    /// Waits until it leads.
    pub async fn until_it_leads(&self) -> Value {
        until(async || {
            let (status, _) = self.get("/readyz").await?;
            status.is_success().then_some(())
        })
        .await;
        self.get("/api/v1/version").await.expect("it answers").1
    }

    /// Waits until it stands by, and gives the name of the leader that it tells.
    pub async fn until_it_stands_by(&self) -> String {
        until(async || {
            let (_, health) = self.get("/healthz").await?;
            health["leader"].as_str().map(str::to_owned)
        })
        .await
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits until there is something to see.
pub async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let seen = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen)
        .await
        .expect("it came true in time")
}

/// A port that nobody else gets while the socket lives, and on which a process may listen.
fn reserve() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}
