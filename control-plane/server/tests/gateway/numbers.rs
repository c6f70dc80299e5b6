//! Health, numbers for Prometheus, and the state of single Envoys.

use reqwest::StatusCode;
use serde_json::json;

use crate::changes::connected;
use crate::fake_envoy::{FakeEnvoy, REJECTION};
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
