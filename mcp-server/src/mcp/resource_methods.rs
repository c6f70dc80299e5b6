//! The methods on resources: the lists, and the reading of one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{
    CacheScope, ErrorData, ListResourceTemplatesResult, ListResourcesResult, MetaObject,
    PaginatedRequestParams, ReadResourceResult, ResourceContents,
};
use rmcp::service::{RequestContext, RoleServer};
use tracing::Instrument as _;

use super::answer;
use super::audit::NoResult;
use super::failure::of_reading;
use super::server::{LIST_TTL_MS, McpServer, one_page};
use crate::quotes::shorten_name;
use crate::resources::{Body, Contents, ResourcePage};
use crate::tools::{Effect, ToolFailure};

/// How long a client may keep the list of resources: tables and jobs come and go.
const RESOURCES_TTL_MS: u64 = 5_000;

impl McpServer {
    /// The list is the caller's own, since it holds the caller's jobs.
    pub(super) async fn page_of_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: &RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        let (call, _guards) = self.receive(self.incoming(context), context);
        let listing = async {
            let listed = self
                .catalogue
                .resources
                .list(&self.services, &call, cursor.as_deref());
            listed.await.map_err(|_| {
                ToolFailure::invalid_arguments(
                    "`cursor` is none that this server gave; leave it out to start anew",
                )
            })
        };
        let span = tracing::info_span!("resources/list", request_id = call.request_id.0);
        let page = self
            .run("resources/list", Effect::Reads, &call, uri_bytes, listing)
            .instrument(span)
            .await;
        let page = page.map_err(|failure| super::failure::to_error(&failure))?;
        let mut result = ListResourcesResult::with_all_items(page.resources);
        result.next_cursor = page.next_cursor;
        result.ttl_ms = Some(RESOURCES_TTL_MS);
        result.cache_scope = Some(CacheScope::Private);
        result.meta = Some(answer::stamp(Some(&call.request_id)));
        Ok(result)
    }

    /// The list is the same for everyone.
    pub(super) fn resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        one_page(request, "resource templates")?;
        let mut result =
            ListResourceTemplatesResult::with_all_items(self.catalogue.resources.templates());
        result.ttl_ms = Some(LIST_TTL_MS);
        result.cache_scope = Some(CacheScope::Public);
        result.meta = Some(answer::stamp(None));
        Ok(result)
    }

    /// Contents are the caller's own: who else may read them is not for a cache to decide.
    pub(super) async fn resource_contents(
        &self,
        uri: &str,
        context: &RequestContext<RoleServer>,
    ) -> Result<ReadResourceResult, ErrorData> {
        let (call, _guards) = self.receive(self.incoming(context), context);
        let Some(found) = self.catalogue.resources.find(uri) else {
            let failure =
                ToolFailure::not_found(format!("there is no resource `{}`", shorten_name(uri)))
                    .with_hint("resources/list and resources/templates/list tell which there are");
            let error = NoResult::Unknown(of_reading(&failure, uri));
            return Err(error.logged(&call, "resources/read"));
        };
        let name = found.name();
        // The URI is its caller's own text: it stands in no line of the log.
        let span = tracing::info_span!("resource", request_id = call.request_id.0, name);
        let read = self
            .run(
                name,
                Effect::Reads,
                &call,
                |contents: &Contents| contents.body.len(),
                found.read(&self.services, &call),
            )
            .instrument(span)
            .await;
        let contents = read.map_err(|failure| of_reading(&failure, uri))?;
        let ttl_ms = u64::try_from(contents.fresh_for.as_millis()).unwrap_or(u64::MAX);
        let mut result = ReadResourceResult::new(vec![to_wire(contents, uri)]);
        result.ttl_ms = Some(ttl_ms);
        result.cache_scope = Some(CacheScope::Private);
        result.meta = Some(answer::stamp(Some(&call.request_id)));
        Ok(result)
    }
}

/// The bytes of a page, as far as they name something.
fn uri_bytes(page: &ResourcePage) -> usize {
    let resources = page.resources.iter();
    resources.map(|resource| resource.uri.len()).sum()
}

fn to_wire(contents: Contents, uri: &str) -> ResourceContents {
    let wire = match contents.body {
        Body::Text(text) => ResourceContents::text(text, uri),
        Body::Bytes(bytes) => ResourceContents::blob(STANDARD.encode(bytes), uri),
    };
    let wire = match contents.mime_type {
        Some(mime_type) => wire.with_mime_type(mime_type),
        None => wire,
    };
    match contents.meta.is_empty() {
        true => wire,
        false => wire.with_meta(MetaObject(contents.meta)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn it_sends_bytes_as_base64_with_their_type_and_what_goes_beside_them() {
        let mut contents = Contents {
            body: Body::Bytes(Bytes::from_static(&[0, 255])),
            mime_type: Some("application/x".into()),
            fresh_for: Duration::ZERO,
            meta: Map::from_iter([("next".to_owned(), json!("x://2"))]),
        };
        let wire = serde_json::to_value(to_wire(contents.clone(), "x://1")).expect("JSON");
        let expected = json!({"uri": "x://1", "mimeType": "application/x", "blob": "AP8=",
            "_meta": {"next": "x://2"}});
        assert_eq!(wire, expected);
        contents.body = Body::Text("é".to_owned());
        contents.meta.clear();
        let wire = serde_json::to_value(to_wire(contents, "x://1")).expect("JSON");
        assert_eq!(
            wire,
            json!({"uri": "x://1", "mimeType": "application/x", "text": "é"})
        );
    }
}
