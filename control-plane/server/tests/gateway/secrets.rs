//! Secrets from the document to the Envoys, and nowhere else.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use envoy_types::pb::envoy::service::status::v3::{
    ClientStatusRequest, client_status_discovery_service_client::ClientStatusDiscoveryServiceClient,
};
use prost::Message as _;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::captured_log::CapturedLog;
use crate::fake_envoy::FakeEnvoy;
use crate::harness::{Answer, ControlPlane, folder, until};

/// A value that is nowhere but in its file, at the Envoys, and in front of the server.
pub const VALUE: &str = "swordfish-7f3a";

pub struct Fixture {
    pub folder: TempDir,
    pub control_plane: ControlPlane,
}

impl Fixture {
    pub async fn new() -> Self {
        let folder = folder();
        let control_plane = ControlPlane::start(folder.path(), "").await;
        Self {
            folder,
            control_plane,
        }
    }

    pub fn write(&self, value: &str) {
        let beside = self.folder.path().join("beside");
        fs::write(&beside, value).unwrap();
        fs::rename(beside, self.folder.path().join("token")).unwrap();
    }

    /// The document with a server that is shown the secret of this file.
    pub async fn with_secret(&self, file: &str) -> Value {
        let mut document = self.control_plane.document().await;
        let path = self.folder.path().join(file);
        document["secrets"] = json!({"token": {"file": path}});
        document["servers"]["data"]["credentials"] = json!({"secret": "token"});
        document
    }

    pub async fn put(&self, document: &Value) -> Answer {
        self.control_plane
            .put_json("/api/v1/config", document)
            .await
    }

    /// The one secret of the one Envoy, as the control plane shows it.
    pub async fn secret_of_the_envoy(&self) -> Value {
        let nodes = self.control_plane.get("/api/v1/nodes").await.json;
        let resources = nodes["nodes"][0]["resources"].as_array().cloned();
        let mut resources = resources.unwrap_or_default().into_iter();
        let secret = resources.find(|resource| resource["type"] == "secret");
        secret.unwrap_or_default()
    }

    async fn generation(&self) -> Value {
        self.control_plane.get("/api/v1/version").await.json["generation"].take()
    }

    /// Everything that the control plane shows of itself.
    pub async fn shown(&self) -> String {
        let mut shown = String::new();
        for path in [
            "/api/v1/config",
            "/api/v1/config/snapshot",
            "/api/v1/secrets",
            "/api/v1/audit",
            "/api/v1/nodes",
            "/api/v1/versions",
            "/api/v1/versions/1/diff/2",
            "/api/v1/rollouts",
            "/api/v1/servers",
            "/api/v1/traffic",
            "/metrics",
        ] {
            let answer = self.control_plane.get(path).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
            shown.push_str(&answer.text);
        }
        let status = format!("http://{}", self.control_plane.xds);
        let mut status = ClientStatusDiscoveryServiceClient::connect(status)
            .await
            .unwrap();
        let answer = status.fetch_client_status(ClientStatusRequest::default());
        let answer = answer.await.unwrap().into_inner();
        shown.push_str(&String::from_utf8_lossy(&answer.encode_to_vec()));
        for event in self.control_plane.gateway.events().after(0, 1000).unwrap() {
            shown.push_str(&event.data.to_string());
        }
        let message = json!({"method": "tools/call", "id": 1, "params": {"name": "a"}});
        let asked = json!({"message": message});
        shown
            + &self
                .control_plane
                .post("/api/v1/explain", &asked)
                .await
                .text
    }
}

/// Whether a file of a folder, or of one in it, holds a text.
pub fn holds(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let is_the_secrets_own = path.file_name().is_some_and(|name| name == "token");
        let bytes = fs::read(&path).unwrap();
        !is_the_secrets_own
            && bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
    })
}

#[tokio::test]
async fn it_gives_a_secret_to_envoys_and_shows_it_nowhere() {
    let log = CapturedLog::begin();
    let fixture = Fixture::new().await;
    fixture.write(VALUE);
    let envoy = FakeEnvoy::connect(fixture.control_plane.xds, "one").await;
    let answer = fixture.put(&fixture.with_secret("token").await).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    until(|| async { fixture.secret_of_the_envoy().await["state"] == "acked" }).await;
    assert!(envoy.secrets().iter().any(|secret| secret.contains(VALUE)));
    let secret = fixture.secret_of_the_envoy().await;
    assert!(secret["name"].as_str().unwrap().starts_with("token@"));

    let generation = fixture.generation().await;
    let renewed = format!("{VALUE}-renewed");
    fixture.write(&renewed);
    until(|| async { envoy.secrets().iter().any(|one| one.contains(&renewed)) }).await;
    until(|| async { fixture.secret_of_the_envoy().await["state"] == "acked" }).await;
    assert_ne!(
        fixture.secret_of_the_envoy().await["acked"],
        secret["acked"]
    );
    assert_eq!(fixture.generation().await, generation);

    let shown = fixture.shown().await;
    assert!(shown.contains("token@"), "{shown}");
    for value in [VALUE, &renewed] {
        // Neither as it is, nor so that it could be read or guessed from what is there.
        let digest = Sha256::digest(value);
        let texts = [
            value.to_owned(),
            BASE64_STANDARD
                .encode(value)
                .trim_end_matches('=')
                .to_owned(),
            hex::encode(digest)[..16].to_owned(),
            BASE64_STANDARD.encode(digest)[..16].to_owned(),
        ];
        for text in texts {
            assert!(!shown.contains(&text), "{text} in {shown}");
            assert!(!holds(fixture.folder.path(), &text), "{text}");
            assert!(!log.text().contains(&text), "{text} in {}", log.text());
        }
    }
}

#[tokio::test]
async fn it_refuses_a_change_whose_secret_cannot_be_read_and_names_its_place() {
    let fixture = Fixture::new().await;
    fixture.write(VALUE);
    let document = fixture.with_secret("tokn").await;
    for path in ["/api/v1/config?dry_run=true", "/api/v1/config"] {
        let answer = fixture.control_plane.put_json(path, &document).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{}",
            answer.text
        );
        assert_eq!(answer.paths(), ["/secrets/token/file"]);
        let meant = fixture.folder.path().join("token").display().to_string();
        assert!(answer.text.contains(&meant), "{}", answer.text);
    }
    let version = fixture.control_plane.get("/api/v1/version").await.json;
    assert_eq!(version["revision"], 1);
}

#[tokio::test]
async fn it_makes_another_generation_of_another_place_and_none_of_another_value() {
    let fixture = Fixture::new().await;
    fixture.write(VALUE);
    fs::write(fixture.folder.path().join("other"), VALUE).unwrap();
    let first = fixture.with_secret("token").await;
    assert_eq!(fixture.put(&first).await.status, StatusCode::OK);
    let generation = fixture.generation().await;
    let other = fixture.with_secret("other").await;
    assert_eq!(fixture.put(&other).await.status, StatusCode::OK);
    assert_ne!(fixture.generation().await, generation);
    fixture.write("another");
    assert_eq!(fixture.put(&first).await.status, StatusCode::OK);
    assert_eq!(fixture.generation().await, generation);
}

#[tokio::test]
async fn it_lets_a_change_pass_while_the_file_of_a_secret_in_use_is_gone() {
    let fixture = Fixture::new().await;
    fixture.write(VALUE);
    let envoy = FakeEnvoy::connect(fixture.control_plane.xds, "one").await;
    let mut document = fixture.with_secret("token").await;
    assert_eq!(fixture.put(&document).await.status, StatusCode::OK);
    until(|| async { envoy.secrets().len() == 1 }).await;
    fs::remove_file(fixture.folder.path().join("token")).unwrap();
    document["tools"] = json!([{"name": "slow", "limits": [{"requests": 1, "window": "1s"}]}]);
    let answer = fixture.put(&document).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(envoy.secrets().len(), 1);
    assert_eq!(fixture.secret_of_the_envoy().await["state"], "acked");
}

#[tokio::test]
async fn it_names_the_same_versions_after_a_restart() {
    let fixture = Fixture::new().await;
    fixture.write(VALUE);
    let envoy = FakeEnvoy::connect(fixture.control_plane.xds, "one").await;
    assert_eq!(
        fixture
            .put(&fixture.with_secret("token").await)
            .await
            .status,
        StatusCode::OK
    );
    until(|| async { fixture.secret_of_the_envoy().await["state"] == "acked" }).await;
    let before = fixture.secret_of_the_envoy().await["acked"].take();
    drop(envoy);
    let Fixture {
        folder,
        control_plane,
    } = fixture;
    drop(control_plane);
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let fixture = Fixture {
        folder,
        control_plane,
    };
    let _envoy = FakeEnvoy::connect(fixture.control_plane.xds, "one").await;
    until(|| async { fixture.secret_of_the_envoy().await["state"] == "acked" }).await;
    assert_eq!(fixture.secret_of_the_envoy().await["acked"], before);
}

#[tokio::test]
async fn it_waits_for_no_file_of_envoys_that_never_ends() {
    let fixture = Fixture::new().await;
    let pipe = fixture.folder.path().join("pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
    let mut document = fixture.control_plane.document().await;
    let tls = |file: &Path| json!({"tls": {"ca_file": file, "server_name": "a.internal"}});
    document["servers"] = json!({
        "waits": {"url": "https://127.0.0.1:9/mcp", "upstream": tls(&pipe)},
        "ends": {"url": "https://127.0.0.1:9/mcp", "upstream": tls(Path::new("/dev/zero"))},
    });
    let answer = fixture.put(&document).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    for server in ["waits", "ends"] {
        let path = format!("/api/v1/servers/{server}");
        until(|| async {
            let shown = fixture.control_plane.get(&path).await.text;
            shown.contains("is not a file")
        })
        .await;
    }
}

#[tokio::test]
async fn it_takes_changes_after_a_start_without_the_file_of_a_secret() {
    let fixture = Fixture::new().await;
    fixture.write(VALUE);
    let mut document = fixture.with_secret("token").await;
    assert_eq!(fixture.put(&document).await.status, StatusCode::OK);
    let Fixture {
        folder,
        control_plane,
    } = fixture;
    drop(control_plane);
    fs::remove_file(folder.path().join("token")).unwrap();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let fixture = Fixture {
        folder,
        control_plane,
    };
    document["tools"] = json!([{"name": "slow", "limits": [{"requests": 1, "window": "1s"}]}]);
    let answer = fixture.put(&document).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let told = &answer.json["unusable_secrets"][0];
    assert_eq!(
        (&told["name"], &told["state"]),
        (&json!("token"), &json!("missing"))
    );
    // One that waits for the secret says nothing meanwhile, until after a deadline of a minute.
    document["rollout"] = json!({"ack_deadline": "1m"});
    let envoy = FakeEnvoy::connect(fixture.control_plane.xds, "one").await;
    until(|| async { !envoy.filters().is_empty() }).await;
    envoy.pause();
    document["tools"][0]["limits"][0]["requests"] = json!(2);
    let answer = fixture.put(&document).await;
    assert_eq!(answer.json["outcome"], "pending", "{}", answer.text);
    assert_eq!(answer.json["unusable_secrets"][0]["name"], "token");
    envoy.go_on();
    document["servers"]["other"] = document["servers"]["data"].clone();
    let answer = fixture.put(&document).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.paths(), ["/secrets/token/file"]);
}

impl Fixture {
    async fn status(&self) -> Value {
        self.control_plane.get("/api/v1/secrets/token").await.json["status"].take()
    }

    /// The events about secrets, as state and reason.
    fn told(&self) -> Vec<(Value, Value)> {
        let events = self.control_plane.gateway.events().after(0, 1000).unwrap();
        let of_secrets = events.iter().filter(|event| event.kind == "secret");
        let told = of_secrets.map(|event| {
            assert_eq!(event.data["secret"], "token");
            (event.data["state"].clone(), event.data["reason"].clone())
        });
        told.collect()
    }

    async fn count(&self, state: &str) -> bool {
        let metrics = self.control_plane.get("/metrics").await.text;
        metrics.contains(&format!(
            "portcullis_control_plane_secrets{{state=\"{state}\"}} 1"
        ))
    }
}

#[tokio::test]
async fn it_tells_how_a_secret_is_wherever_somebody_looks() {
    let fixture = Fixture::new().await;
    fixture.write(VALUE);
    let document = fixture.with_secret("token").await;
    assert_eq!(fixture.put(&document).await.status, StatusCode::OK);
    until(|| async { fixture.status().await["state"] == "given" }).await;
    assert!(fixture.count("given").await);
    let tag = fixture
        .control_plane
        .get("/api/v1/secrets/token")
        .await
        .etag;

    fixture.write("a\nb");
    until(|| async { fixture.status().await["state"] == "old" }).await;
    until(|| async { fixture.told().len() == 1 }).await;
    let (state, reason) = fixture.told().remove(0);
    assert_eq!(state, "old");
    assert!(reason.as_str().unwrap().contains("one line"), "{reason}");
    assert_eq!(fixture.status().await["reason"], reason);
    assert!(fixture.count("old").await);
    let secret = fixture.control_plane.get("/api/v1/secrets/token").await;
    assert_ne!(secret.etag, tag);
    let put = fixture
        .control_plane
        .put_json("/api/v1/secrets/token", &secret.json)
        .await;
    assert_eq!(put.status, StatusCode::OK, "as it is shown: {}", put.text);

    fixture.write("another");
    until(|| async { fixture.told().len() == 2 }).await;
    assert_eq!(fixture.told()[1], (json!("given"), Value::Null));
    assert!(fixture.count("given").await);
}

#[tokio::test]
async fn it_tells_of_a_secret_that_cannot_be_read_at_its_start() {
    let fixture = Fixture::new().await;
    fixture.write(VALUE);
    let document = fixture.with_secret("token").await;
    assert_eq!(fixture.put(&document).await.status, StatusCode::OK);
    let Fixture {
        folder,
        control_plane,
    } = fixture;
    drop(control_plane);
    fs::remove_file(folder.path().join("token")).unwrap();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let fixture = Fixture {
        folder,
        control_plane,
    };
    until(|| async { fixture.told().iter().any(|(state, _)| state == "missing") }).await;
    assert!(fixture.count("missing").await);
    fixture.write(VALUE);
    until(|| async { fixture.told().iter().any(|(state, _)| state == "given") }).await;
}
