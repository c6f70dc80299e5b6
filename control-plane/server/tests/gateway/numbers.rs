//! Health, numbers for Prometheus, and the state of single Envoys.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use xds::SimulatedClock;

use crate::changes::connected;
use crate::fake_envoy::{FakeEnvoy, REJECTION};
use crate::fake_reporter::FakeReporter;
use crate::fake_server::{FakeServer, Speaks, tools};
use crate::harness::{ControlPlane, document_with, folder, until};
use crate::rollouts::PATIENT;
use crate::waiting_changes::SHADOW;

#[tokio::test]
async fn it_is_ready_until_it_is_asked_to_end() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    for path in ["/healthz", "/readyz"] {
        let answer = control_plane.get(path).await;
        assert_eq!(
            (answer.status, &answer.json["status"]),
            (StatusCode::OK, &json!("ok"))
        );
    }
    let events = control_plane.gateway.events();
    events.close();
    assert_eq!(
        control_plane.get("/readyz").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(control_plane.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn it_counts_requests_envoys_and_revisions_for_prometheus() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let _envoy = connected(&control_plane, "one").await;
    until(|| async {
        control_plane.get("/api/v1/version").await.json["accepted_generation"].is_string()
    })
    .await;
    control_plane.get("/api/v1/listeners/mcp").await;
    control_plane.get("/api/v1/listeners/nobody").await;
    let metrics = control_plane.get("/metrics").await;
    assert!(
        metrics
            .content_type
            .starts_with("application/openmetrics-text"),
        "{}",
        metrics.content_type
    );
    let of = |status| {
        format!(
            "portcullis_control_plane_requests_total{{method=\"GET\",\
             route=\"/api/v1/listeners/{{name}}\",status=\"{status}\"}} 1"
        )
    };
    for line in [
        of(200).as_str(),
        of(404).as_str(),
        "portcullis_control_plane_revision 1",
        "portcullis_control_plane_envoys{state=\"acknowledged\"} 1",
        "portcullis_control_plane_rollout{state=\"accepted\"} 1",
        "portcullis_control_plane_request_duration_seconds_count",
    ] {
        assert!(metrics.text.contains(line), "no {line} in {}", metrics.text);
    }
}

#[tokio::test]
async fn it_shows_one_envoy_and_whether_it_is_broken_in_itself() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let _good = connected(&control_plane, "a/good one").await;
    let _broken = FakeEnvoy::connect_rejecting(control_plane.xds, "broken", &["mcp"]).await;
    until(|| async { control_plane.get("/api/v1/nodes/broken").await.json["broken"] == true })
        .await;
    let broken = control_plane.get("/api/v1/nodes/broken").await;
    assert!(broken.text.contains(REJECTION), "{}", broken.text);
    let good = control_plane.get("/api/v1/nodes/a%2Fgood%20one").await.json;
    assert_eq!(
        (&good["broken"], &good["connected"]),
        (&json!(false), &json!(true))
    );
    for field in ["desired", "sent", "acked"] {
        assert!(good["resources"][0][field].is_string(), "{good}");
    }
    assert_eq!(
        control_plane.get("/api/v1/nodes/nobody").await.status,
        StatusCode::NOT_FOUND
    );
    let page = control_plane.get("/api/v1/nodes?limit=1").await.json;
    assert_eq!(page["nodes"][0]["id"], "a/good one");
    assert_eq!(page["next_cursor"], "a/good one");
}

#[tokio::test]
async fn it_counts_a_server_as_its_state_says_it() {
    let folder = folder();
    let up = FakeServer::start(Speaks::Stateless, tools(&["a"])).await;
    let down = FakeServer::start(Speaks::Sessions, tools(&["b"])).await;
    let document = document_with(&[("one", &up), ("other", &down)]);
    let control_plane = ControlPlane::start(folder.path(), &document).await;
    let counted = |state: &'static str, count: u64| {
        let line = format!("portcullis_control_plane_servers{{state=\"{state}\"}} {count}");
        let control_plane = &control_plane;
        until(move || {
            let line = line.clone();
            async move { control_plane.get("/metrics").await.text.contains(&line) }
        })
    };
    counted("up", 2).await;
    // It lists its tools, and calls do not reach it.
    down.fail_probes();
    counted("down", 1).await;
    counted("up", 1).await;
    counted("unknown", 0).await;
}

#[tokio::test]
async fn it_shows_that_nobody_knows_what_an_envoy_made_of_what_it_leaves_unanswered() {
    let folder = folder();
    let clock = SimulatedClock::default();
    let control_plane = ControlPlane::start_with_clock(folder.path(), PATIENT, &clock).await;
    let envoy = connected(&control_plane, "one").await;
    envoy.pause();
    let body = format!("{PATIENT}{SHADOW}");
    let change = control_plane.put_yaml("/api/v1/config", &body);
    let looked = async {
        let states = || async {
            let node = control_plane.get("/api/v1/nodes/one").await.json;
            let resources = node["resources"].as_array().unwrap().clone();
            resources
                .into_iter()
                .map(|mut one| one["state"].take())
                .collect::<Vec<_>>()
        };
        until(|| async { states().await.contains(&json!("sent")) }).await;
        until(|| async {
            clock.advance(Duration::from_secs(1));
            states().await.contains(&json!("unknown"))
        })
        .await;
        envoy.go_on();
        until(|| async { states().await.iter().all(|state| *state == "acked") }).await;
    };
    tokio::join!(change, looked);
}

#[tokio::test]
async fn it_documents_every_number_for_prometheus() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let _envoy = connected(&control_plane, "one").await;
    let metrics = control_plane.get("/metrics").await.text;
    let page = include_str!("../../../../docs/operator/changes.md");
    let names = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let names = names.filter_map(|line| line.split(' ').next());
    let mut seen = 0;
    for name in names {
        let name = name.strip_prefix("portcullis_control_plane_").unwrap();
        let counter = format!("`{name}_total`");
        assert!(
            page.contains(&format!("`{name}`")) || page.contains(&counter),
            "{name}"
        );
        seen += 1;
    }
    assert!(seen >= 15, "{metrics}");
}

#[tokio::test]
async fn it_shows_what_an_envoy_reports_beside_what_it_was_sent() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let envoy = connected(&control_plane, "one").await;
    let path = "/api/v1/nodes/one";
    assert!(control_plane.get(path).await.json.get("reported").is_none());
    let mut reporter = FakeReporter::connect(&control_plane, "one").await;
    reporter.count("http.mcp.downstream_rq_completed", 10);
    reporter.count("http.mcp.downstream_rq_5xx", 3);
    reporter.report().await;
    let reported = control_plane.get(path).await.json["reported"].take();
    assert_eq!(
        (
            &reported["runs"],
            &reported["requests"],
            &reported["failures"]
        ),
        (&json!("another"), &json!(10), &json!(3)),
        "{reported}"
    );
    reporter.run_what_is_in_hand(&control_plane).await;
    let reported = control_plane.get(path).await.json["reported"].take();
    assert_eq!(reported["runs"], "current", "{reported}");
    // While another one is tried, it runs on with the one before.
    envoy.pause();
    let change = control_plane.put_yaml("/api/v1/config", "defaults: {access: deny}");
    let looked = async {
        until(|| async {
            let node = control_plane.get(path).await.json;
            node["reported"]["runs"] == "accepted"
        })
        .await;
        envoy.go_on();
    };
    let (answer, ()) = tokio::join!(change, looked);
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let metrics = control_plane.get("/metrics").await.text;
    assert!(
        metrics.contains("portcullis_control_plane_reporting_envoys 1"),
        "{metrics}"
    );
}
