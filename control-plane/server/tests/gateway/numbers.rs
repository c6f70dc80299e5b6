//! Health, numbers for Prometheus, and the state of single Envoys.

use reqwest::StatusCode;
use serde_json::json;

use crate::changes::connected;
use crate::fake_envoy::{FakeEnvoy, REJECTION};
use crate::fake_reporter::FakeReporter;
use crate::harness::{ControlPlane, folder, until};

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
    let _envoy = connected(&control_plane, "one").await;
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
    let metrics = control_plane.get("/metrics").await.text;
    assert!(
        metrics.contains("portcullis_control_plane_reporting_envoys 1"),
        "{metrics}"
    );
}
