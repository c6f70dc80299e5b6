//! The resources at `/api/v1/config/snapshot`, of any group and any generation.

use reqwest::StatusCode;
use serde_json::{Value, json};
use xds::SimulatedClock;

use crate::fake_envoy::FakeEnvoy;
use crate::harness::{ControlPlane, folder, until};
use crate::waiting_changes::SHADOW;
use crate::waves::{Fleet, SOAK, WAVES};

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
            "one of `group`",
        ),
        (
            "?revision=1&generation=0",
            StatusCode::BAD_REQUEST,
            "one of `group`",
        ),
        (
            "?revision=9",
            StatusCode::NOT_FOUND,
            "there is no revision 9",
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

#[tokio::test]
async fn it_shows_what_a_group_gets_while_its_wave_is_tried_and_when_that_is_over() {
    const GROUPS: &str = "rollout: {waves: [canary, rest, 100%], soak: 10m, groups: {canary: \
                          {cluster: canary}, rest: {cluster: rest}, late: {cluster: late}}}\n";
    let folder = folder();
    let clock = SimulatedClock::default();
    let control_plane = ControlPlane::start_with_clock(folder.path(), GROUPS, &clock).await;
    let _canary = FakeEnvoy::connect_of(control_plane.xds, "a", "canary").await;
    let _rest = FakeEnvoy::connect_of(control_plane.xds, "b", "rest").await;
    let first = accepted_after(&control_plane, "").await;
    let change = format!("{GROUPS}{SHADOW}");
    let answer = control_plane.put_yaml("/api/v1/config", &change).await;
    let tried = answer.json["generation"].as_str().unwrap();
    let is_watched = |wave: u64| {
        let control_plane = &control_plane;
        until(move || async move {
            let rollouts = control_plane.get("/api/v1/rollouts").await.json;
            let newest = &rollouts["rollouts"][0];
            newest["state"] == "soaking" && newest["wave"] == wave
        })
    };
    let check = async |rows: [(&str, &str); 2]| {
        for (group, generation) in rows {
            let (status, shown) = snapshot(&control_plane, &format!("?group={group}")).await;
            assert_eq!(status, StatusCode::OK, "{group}: {shown}");
            assert_eq!(shown["generation"], generation, "{group}");
        }
    };
    // Whoever comes into a group that tries it gets what was accepted.
    is_watched(1).await;
    check([("canary", &first), ("late", &first)]).await;
    clock.advance(SOAK);
    is_watched(2).await;
    check([("canary", tried), ("late", &first)]).await;
}

#[tokio::test]
async fn it_makes_a_revision_anew_and_says_of_which_a_generation_was() {
    let folder = folder();
    let fleet = Fleet::start(folder.path(), WAVES).await;
    let control_plane = &fleet.control_plane;
    let (_, before) = snapshot(control_plane, "").await;
    fleet.put(&format!("{WAVES}{SHADOW}")).await;
    let rollout = fleet.until("soaking", 1).await;
    let path = format!("/api/v1/rollouts/{}/abort", rollout["id"].as_str().unwrap());
    control_plane.post(&path, &json!({})).await;
    fleet.until("aborted", 1).await;
    let aborted = rollout["generation"].as_str().unwrap();
    let (status, gone) = snapshot(control_plane, &format!("?generation={aborted}")).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{gone}");
    let detail = gone["detail"].as_str().unwrap();
    assert!(detail.contains("`?revision=2`"), "{detail}");
    let (_, made) = snapshot(control_plane, "?revision=2").await;
    assert_eq!(made["generation"], aborted, "{made}");
    let (_, made) = snapshot(control_plane, "?revision=1").await;
    assert_eq!(made["resources"], before["resources"]);
}

#[tokio::test]
async fn it_gives_the_resources_page_by_page() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let (_, whole) = snapshot(&control_plane, "").await;
    let mut paged = Vec::new();
    let mut query = "?limit=1".to_owned();
    loop {
        let (status, page) = snapshot(&control_plane, &query).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        let resources = page["resources"].as_array().unwrap();
        assert_eq!(resources.len(), 1);
        paged.extend(resources.clone());
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        query = format!("?limit=1&cursor={}", cursor.replace(' ', "%20"));
    }
    assert!(paged.len() > 1);
    assert_eq!(whole["resources"], Value::Array(paged));
}
