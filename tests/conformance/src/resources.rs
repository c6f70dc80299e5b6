//! The resources that the suites read.

use std::time::Duration;

use bytes::Bytes;
use mcp_server::call::Call;
use mcp_server::known_names::NameKind;
use mcp_server::resources::{Body, Contents, Resource, ResourceRegistry, Variables};
use mcp_server::services::Services;
use mcp_server::tools::ToolFailure;
use serde_json::{Map, json};

/// Every resource, in the order of the lists that clients see.
pub fn all() -> ResourceRegistry {
    ResourceRegistry::default()
        .with::<StaticText>()
        .with::<StaticBinary>()
        .with::<Watched>()
        .with::<Template>()
}

fn contents(body: Body) -> Contents {
    Contents {
        body,
        mime_type: None,
        fresh_for: Duration::from_secs(60),
        meta: Map::new(),
    }
}

/// The resource `test://static-text` of the suites.
struct StaticText;

impl Resource for StaticText {
    const TEMPLATES: &'static [&'static str] = &["test://static-text"];
    const NAME: &'static str = "static-text";
    const TITLE: &'static str = "Static text";
    const DESCRIPTION: &'static str = "A text that stays as it is.";
    const MIME_TYPE: &'static str = "text/plain";

    async fn read(
        _services: &Services,
        _call: &Call,
        _variables: &Variables,
    ) -> Result<Contents, ToolFailure> {
        let text = "This is the content of the static text resource.".to_owned();
        Ok(contents(Body::Text(text)))
    }
}

/// The resource `test://static-binary` of the suites.
struct StaticBinary;

impl Resource for StaticBinary {
    const TEMPLATES: &'static [&'static str] = &["test://static-binary"];
    const NAME: &'static str = "static-binary";
    const TITLE: &'static str = "Static bytes";
    const DESCRIPTION: &'static str = "Bytes that stay as they are.";
    const MIME_TYPE: &'static str = "image/png";

    async fn read(
        _services: &Services,
        _call: &Call,
        _variables: &Variables,
    ) -> Result<Contents, ToolFailure> {
        Ok(contents(Body::Bytes(Bytes::from_static(
            b"\x89PNG\r\n\x1a\n",
        ))))
    }
}

/// The resource `test://watched-resource` of the suites.
struct Watched;

impl Resource for Watched {
    const TEMPLATES: &'static [&'static str] = &["test://watched-resource"];
    const NAME: &'static str = "watched-resource";
    const TITLE: &'static str = "Watched";
    const DESCRIPTION: &'static str = "A text that clients can watch.";
    const MIME_TYPE: &'static str = "text/plain";
    const IS_WATCHED: bool = true;

    async fn read(
        _services: &Services,
        _call: &Call,
        _variables: &Variables,
    ) -> Result<Contents, ToolFailure> {
        Ok(contents(Body::Text("watched".to_owned())))
    }
}

/// The resource `test://template/{id}/data` of the suites.
struct Template;

impl Resource for Template {
    const TEMPLATES: &'static [&'static str] = &["test://template/{id}/data"];
    const NAME: &'static str = "template";
    const TITLE: &'static str = "Template";
    const DESCRIPTION: &'static str = "What the id in the URI says.";
    const VARIABLES: &'static [(&'static str, NameKind)] = &[("id", NameKind::Free)];

    async fn read(
        _services: &Services,
        _call: &Call,
        variables: &Variables,
    ) -> Result<Contents, ToolFailure> {
        let id = variables.text("id");
        let data = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
        Ok(contents(Body::Text(data.to_string())))
    }
}
