//! The resources at `/api/v1/config/snapshot`, of any group and any generation.

use reqwest::StatusCode;
use serde_json::Value;

use crate::fake_envoy::FakeEnvoy;
use crate::harness::{ControlPlane, folder, until};

/// The name of the generation, once it is accepted and another one than `before`.
async fn accepted_after(control_plane: &ControlPlane, before: &str) -> String {
    let accepted = || async {
        let version = control_plane.get("/api/v1/version").await.json;
        let generation = version["generation"].as_str().unwrap().to_owned();
        (version["accepted_generation"] == version["generation"] && generation != before)
            .then_some(generation)
    };
    until(|| async { accepted().await.is_some() }).await;
    accepted().await.unwrap()
}

async fn snapshot(control_plane: &ControlPlane, query: &str) -> (StatusCode, Value) {
    let path = format!("/api/v1/config/snapshot{query}");
    let answer = control_plane.get(&path).await;
    (answer.status, answer.json)
}

#[tokio::test]
async fn it_shows_what_a_group_gets_and_every_generation_that_envoys_accepted_last() {
    const GROUPS: &str = "rollout: {groups: {canary: {cluster: edge}}}\n";
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), GROUPS).await;
    let _envoy = FakeEnvoy::connect(control_plane.xds, "a").await;
    let first = accepted_after(&control_plane, "").await;
    let denied = format!("{GROUPS}defaults: {{access: deny}}");
    control_plane.put_yaml("/api/v1/config", &denied).await;
    let second = accepted_after(&control_plane, &first).await;
    let (_, now) = snapshot(&control_plane, "").await;
    assert_eq!(now["generation"], second.as_str());
    for (query, generation) in [
        (format!("?generation={first}"), &first),
        (format!("?generation={}", &first[..12]), &first),
        (format!("?generation={second}"), &second),
        ("?group=canary".to_owned(), &second),
    ] {
        let (status, shown) = snapshot(&control_plane, &query).await;
        assert_eq!(status, StatusCode::OK, "{query}: {shown}");
        assert_eq!(shown["generation"], generation.as_str(), "{query}");
        let kinds = shown["resources"].as_array().unwrap().iter();
        let listener = kinds.filter(|one| one["type"] == "listener").count();
        assert_eq!(listener, 1, "{query}");
    }
    for (query, status, told) in [
        (
            "?group=canari",
            StatusCode::NOT_FOUND,
            "did you mean `canary`?",
        ),
        ("?generation=00", StatusCode::NOT_FOUND, "`00`"),
        (
            "?group=canary&generation=0",
            StatusCode::BAD_REQUEST,
            "one of the two",
        ),
    ] {
        let (found, problem) = snapshot(&control_plane, query).await;
        assert_eq!(found, status, "{query}: {problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(told),
            "{problem}"
        );
    }
}
