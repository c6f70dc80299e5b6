//! Refusals that say who stored what stands in the way.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, ControlPlane, folder};

async fn send(control_plane: &ControlPlane, method: Method, path: &str, body: &Value) -> Answer {
    let request = control_plane
        .request(method, path)
        .header("content-type", "application/json")
        .body(body.to_string());
    Answer::of(request).await
}

async fn stored(control_plane: &ControlPlane, who: &str, path: &str, body: &Value) {
    let request = control_plane
        .request(Method::PUT, path)
        .header("content-type", "application/json")
        .header("x-portcullis-author", who)
        .body(body.to_string());
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

/// The authors of the changes that stand in the way, and the resources that they changed.
fn by(answer: &Answer) -> Vec<(&str, Vec<&str>)> {
    let changes = answer.json["changed_by"].as_array();
    let changes = changes.unwrap_or_else(|| panic!("nobody in {}", answer.text));
    changes
        .iter()
        .map(|change| {
            let resources = change["changes"].as_array().unwrap().iter();
            let kinds = resources.map(|one| one["kind"].as_str().unwrap());
            (change["author"].as_str().unwrap(), kinds.collect())
        })
        .collect()
}

#[tokio::test]
async fn it_names_who_wrote_what_refers_to_something_that_is_removed() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let role = json!({"claims": {"groups": ["a"]}});
    stored(&control_plane, "ada", "/api/v1/roles/analyst", &role).await;
    let rule = json!({"match": {"tool": "a"}, "allow": ["analyst"]});
    stored(&control_plane, "bob", "/api/v1/rules/first", &rule).await;
    stored(&control_plane, "cyd", "/api/v1/rules/second", &rule).await;
    let defaults = json!({"validate": "shadow"});
    stored(&control_plane, "dan", "/api/v1/defaults", &defaults).await;
    let path = "/api/v1/roles/analyst";
    let refused = send(&control_plane, Method::DELETE, path, &json!({})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.text);
    assert_eq!(
        by(&refused),
        [("cyd", vec!["rules"]), ("bob", vec!["rules"])]
    );
    // A fault of what was sent is nobody else's.
    let own = json!({"match": {"tool": "a"}, "allow": ["nobody"]});
    let path = "/api/v1/rules/third";
    let invalid = send(&control_plane, Method::PUT, path, &own).await;
    assert_eq!(invalid.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(invalid.json.get("changed_by"), None, "{}", invalid.text);
}

#[tokio::test]
async fn it_names_who_changed_the_document_before_a_way_back() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    for (who, access) in [("ada", "allow"), ("bob", "deny")] {
        let defaults = json!({"access": access, "validate": "shadow"});
        stored(&control_plane, who, "/api/v1/defaults", &defaults).await;
    }
    let back = |tag: &'static str| {
        let request = control_plane
            .request(Method::POST, "/api/v1/rollback")
            .header("content-type", "application/json")
            .body(r#"{"to": 2}"#);
        Answer::of(match tag {
            "" => request,
            tag => request.header("if-match", tag),
        })
    };
    let stale = back("\"2\"").await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(by(&stale), [("bob", vec!["defaults"])]);
    let loosening = back("\"3\"").await;
    assert_eq!(loosening.status, StatusCode::CONFLICT, "{}", loosening.text);
    assert_eq!(loosening.json["type"], "urn:portcullis:loosens");
    assert_eq!(by(&loosening), [("bob", vec!["defaults"])]);
    assert_eq!(by(&back("").await), [("bob", vec!["defaults"])]);
}
