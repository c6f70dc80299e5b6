//! The description of the API, and that it says what the API does.

use std::collections::{BTreeMap, BTreeSet};

use control_plane::rest;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::harness::{Answer, ControlPlane, folder};

/// Every operation that the description lists: its method and its path.
pub fn operations() -> Vec<(Method, String)> {
    let description = rest::description();
    let paths = description["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| {
            let method = method.to_ascii_uppercase().parse().unwrap();
            (method, path.clone())
        })
    });
    operations.collect()
}

#[tokio::test]
async fn it_serves_every_operation_that_it_describes_and_no_other() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let mut described: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (method, path) in operations() {
        described
            .entry(path)
            .or_default()
            .insert(method.to_string());
    }
    for (path, methods) in described {
        let path = path.replace(['{', '}'], "");
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            let parsed: Method = method.parse().unwrap();
            if methods.contains(method) {
                // It is turned away before it does anything.
                let request = control_plane.request(parsed, &format!("{path}?nonsense=1"));
                let answer = Answer::of(request).await;
                let kind = &answer.json["type"];
                assert_eq!(kind, "urn:portcullis:unknown-parameter", "{method} {path}");
            } else {
                let answer = Answer::of(control_plane.request(parsed, &path)).await;
                assert_eq!(
                    answer.status,
                    StatusCode::METHOD_NOT_ALLOWED,
                    "{method} {path}"
                );
            }
        }
    }
    // A route that is added by another way than with its description would be seen by nobody.
    for source in [
        include_str!("../../src/rest.rs"),
        include_str!("../../src/rest/kind_routes.rs"),
    ] {
        for other in [".route(", ".nest(", ".merge(", "route_service"] {
            assert!(!source.contains(other), "{other}");
        }
    }
}

#[tokio::test]
async fn it_shows_its_description_to_programs_and_to_people() {
    let folder = folder();
    let control_plane = ControlPlane::start(folder.path(), "").await;
    let description = control_plane.get("/api/v1/openapi.json").await.json;
    assert_eq!(description, rest::description());
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    let index = control_plane.get("/api/v1").await.json;
    let listed = index["resources"].as_array().unwrap().len();
    assert_eq!(listed, description["paths"].as_object().unwrap().len());

    let request = control_plane.request(Method::GET, "/docs");
    let page = request.send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    let page = page.text().await.unwrap();
    assert!(page.contains("POST /api/v1/rollback"), "{page}");
    for fetched in ["src=", "<script", "<link", "url(", "@import", "//"] {
        assert!(!page.contains(fetched), "{fetched}");
    }
}

#[test]
fn it_describes_what_is_well_formed_and_leaves_no_reference_open() {
    let description = rest::description();
    let schemas = description["components"]["schemas"].as_object().unwrap();
    let mut open = Vec::new();
    references(&description, &mut |reference| {
        let name = reference.strip_prefix("#/components/schemas/");
        if !name.is_some_and(|name| schemas.contains_key(name)) {
            open.push(reference.to_owned());
        }
    });
    assert_eq!(open, [""; 0]);
    for (name, schema) in schemas {
        let is_itself = schema["$ref"] == format!("#/components/schemas/{name}").as_str();
        assert!(!is_itself, "{name}");
    }
    let mut names = BTreeSet::new();
    for item in description["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} twice");
            let words = operation["summary"].as_str().unwrap_or_default();
            assert!(words.split(' ').count() > 2, "{name}: {words}");
            let tag = &operation["tags"][0];
            assert!(tag.is_string(), "{name}");
        }
    }
}

fn references(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(reference) if name == "$ref" => found(reference),
                    other => references(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
