//! An accepted change that turns out bad and is kept, whatever was tried in between, and a control
//! plane that starts again.

use crate::changes::{connected, node};
use crate::fake_envoy::FakeEnvoy;
use crate::harness::{ControlPlane, folder, until};
use crate::rollouts::{DENY, PATIENT, crash_twice, desired, until_accepted, version};
use crate::waiting_changes::{SECOND, hand_out, store};

/// The changes after a stricter one, before an Envoy crashes with that.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Between {
    Nothing,
    /// A change that is taken back.
    TakenBack,
    /// A change that nobody is given, because there is another one, which is taken back.
    SupersededAndTakenBack,
    /// A change that is the same generation, and one that is taken back.
    SameAndTakenBack,
}

/// A document with a rule more.
const OTHER: &str = "tools: [{name: r, timeout: 1s}]\n";

/// A patient document of a server at this address.
fn at(address: &str) -> String {
    format!("{PATIENT}servers: {{data: {{url: 'http://{address}:9/mcp'}}}}\n")
}

/// Has Envoys accept revision 2, which denies everything, and write what comes after it.
async fn accept_and_write(control_plane: &ControlPlane, steady: &FakeEnvoy, between: Between) {
    let strict = format!("{}{DENY}", at("127.0.0.1"));
    let moved = format!("{}{DENY}", at("127.0.0.2"));
    let put = async |body: &str| {
        let answer = control_plane.put_yaml("/api/v1/config", body).await;
        assert_eq!(answer.json.get("kept"), None, "{}", answer.text);
        answer.json["outcome"].as_str().unwrap().to_owned()
    };
    steady.pause();
    let accepted = hand_out(control_plane, &strict, 2).await;
    let superseded = match between {
        Between::SupersededAndTakenBack => {
            Some(store(control_plane, &format!("{strict}{OTHER}"), 3).await)
        }
        _ => None,
    };
    let newest = if superseded.is_some() { 4 } else { 3 };
    let bad = match between {
        Between::SupersededAndTakenBack => {
            Some(store(control_plane, &format!("{strict}{SECOND}"), newest).await)
        }
        _ => None,
    };
    steady.reject("second");
    steady.go_on();
    assert_eq!(accepted.await.unwrap().json["outcome"], "accepted");
    match (between, superseded, bad) {
        (_, Some(superseded), Some(bad)) => {
            assert_eq!(superseded.await.unwrap().json["outcome"], "dropped");
            assert_eq!(bad.await.unwrap().json["outcome"], "rejected");
        }
        (Between::TakenBack, ..) => assert_eq!(put(&format!("{strict}{SECOND}")).await, "rejected"),
        (Between::SameAndTakenBack, ..) => {
            assert_eq!(put(&moved).await, "accepted");
            assert_eq!(put(&format!("{moved}{SECOND}")).await, "rejected");
        }
        _ => {}
    }
}

#[tokio::test]
async fn it_gives_each_envoy_again_what_it_keeps_whatever_was_taken_back_before_it_was_kept() {
    for between in [
        Between::Nothing,
        Between::TakenBack,
        Between::SupersededAndTakenBack,
        Between::SameAndTakenBack,
    ] {
        let folder = folder();
        let control_plane = ControlPlane::start(folder.path(), &at("127.0.0.1")).await;
        let steady = connected(&control_plane, "steady").await;
        let crashing = connected(&control_plane, "crashing").await;
        let permissive = until_accepted(&control_plane).await["generation"].take();
        accept_and_write(&control_plane, &steady, between).await;
        let before = until_accepted(&control_plane).await;
        let strict = &before["generation"];
        assert_ne!(*strict, permissive);
        let crashing = crash_twice(&control_plane, crashing).await;
        let newest = async |control_plane: &ControlPlane| {
            let rollouts = control_plane.get("/api/v1/rollouts").await.json;
            rollouts["rollouts"][0].clone()
        };
        until(|| async { newest(&control_plane).await["state"] == "kept" }).await;
        let shown = newest(&control_plane).await;
        assert_eq!(shown["generation"], *strict, "{between:?}: {shown}");
        drop((control_plane, steady, crashing));

        let control_plane = ControlPlane::start(folder.path(), "").await;
        let mut envoys = Vec::new();
        for id in ["steady", "crashing", "new"] {
            envoys.push(FakeEnvoy::connect(control_plane.xds, id).await);
            until(|| async { node(&control_plane, id).await.is_some() }).await;
        }
        let now = version(&control_plane).await;
        assert_eq!(
            (
                &now["generation"],
                &now["revision"],
                &now["accepted_generation"]
            ),
            (strict, &before["revision"], &permissive),
            "{between:?}"
        );
        assert_eq!(newest(&control_plane).await["reason"], shown["reason"]);
        assert_eq!(
            desired(&control_plane, "steady").await,
            *strict,
            "{between:?}"
        );
        for id in ["crashing", "new"] {
            assert_ne!(
                desired(&control_plane, id).await,
                permissive,
                "{between:?}: {id}"
            );
        }
        // The operator decides.
        let answer = control_plane.put_yaml("/api/v1/config", PATIENT).await;
        assert_eq!(
            answer.json["outcome"], "accepted",
            "{between:?}: {}",
            answer.text
        );
        for id in ["steady", "crashing", "new"] {
            until(|| async {
                desired(&control_plane, id).await == version(&control_plane).await["generation"]
            })
            .await;
        }
    }
}
