//! `/api/v1`: the resources of the management API.

use axum::Json;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct Index {
    resources: Vec<Resource>,
}

#[derive(Debug, Serialize)]
struct Resource {
    path: &'static str,
    methods: &'static [&'static str],
    about: &'static str,
}

const READ: &[&str] = &["GET"];

/// Every resource: its path, what can be done with it, and what it is.
const RESOURCES: [(&str, &[&str], &str); 9] = [
    ("/api/v1", READ, "this list"),
    (
        "/api/v1/config",
        &["GET", "PUT"],
        "the latest gateway document, which changes are made to",
    ),
    (
        "/api/v1/config/schema",
        READ,
        "the JSON Schema of the document",
    ),
    (
        "/api/v1/config/snapshot",
        READ,
        "the resources that Envoys are meant to have",
    ),
    (
        "/api/v1/version",
        READ,
        "the revision, generation and module in force",
    ),
    (
        "/api/v1/nodes",
        READ,
        "each Envoy, what it was sent and what it answered",
    ),
    (
        "/api/v1/servers",
        READ,
        "each MCP server, whether it answers and what it lists",
    ),
    (
        "/api/v1/tools",
        READ,
        "every tool that a server lists, who may call it, and its limits",
    ),
    (
        "/api/v1/tools/{name}/policy",
        &["GET", "PUT", "DELETE"],
        "the policy of one tool, by the name that clients call it by",
    ),
];

pub(super) async fn get() -> Json<Index> {
    Json(index())
}

fn index() -> Index {
    let resources = RESOURCES.into_iter();
    let resources = resources.map(|(path, methods, about)| Resource {
        path,
        methods,
        about,
    });
    Index {
        resources: resources.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_lists_every_route_of_the_api() {
        let router = include_str!("../rest.rs");
        let routes: BTreeSet<&str> = router
            .split('"')
            .filter(|literal| literal.starts_with("/api/v1"))
            .collect();
        let index = index();
        let listed: BTreeSet<&str> = index.resources.iter().map(|one| one.path).collect();
        assert_eq!(listed, routes);
    }
}
