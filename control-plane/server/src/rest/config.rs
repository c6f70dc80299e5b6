//! `/api/v1/config`: the gateway document.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::Response;
use gateway_document::{CheckedDocument, Format, GatewayDocument};
use serde::Serialize;
use store::RevisionNumber;
use utoipa::ToSchema;

use super::body::Written;
use super::change_headers::ChangeHeaders;
use super::dry_run::{DryRun, make_or_try_document};
use super::problem::Problem;
use super::query::Parameters;
use super::sent_back::{self, SentBack};
use super::shown::{self, Shown};
use crate::aside;
use crate::gateway::{ChangeError, Edit, Gateway, WriteReport};
use crate::timestamp::timestamp;

/// The latest document with its revision.
#[derive(Serialize, ToSchema)]
pub(super) struct LatestDocument<'a> {
    revision: u64,
    author: String,
    reason: String,
    created_at: String,
    #[schema(value_type = super::openapi::Document)]
    document: &'a GatewayDocument,
}

/// Shows the latest document with its revision, which changes are made to; the document alone as
/// YAML, for those who ask for it.
#[utoipa::path(get, path = "/api/v1/config", operation_id = "get_config", tag = "document",
    responses((status = 200, description = "The document", body = LatestDocument)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
) -> Result<Shown, Problem> {
    let latest = gateway.latest();
    let accept = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if accept.contains("yaml") {
        return shown::aside(move || {
            let yaml = yaml_serde::to_string(&**latest.document);
            let yaml = yaml.map_err(|error| Problem::internal(&error))?;
            Ok(Shown::text("application/yaml", yaml).tagged(latest.revision))
        })
        .await;
    }
    let stored = gateway
        .store()
        .revision(latest.revision)
        .await
        .map_err(|error| Problem::store(&error))?;
    shown::aside(move || {
        let summary = stored.map(|revision| revision.summary);
        let body = LatestDocument {
            revision: latest.revision.0,
            author: summary
                .as_ref()
                .map(|summary| summary.author.clone())
                .unwrap_or_default(),
            reason: summary
                .as_ref()
                .map(|summary| summary.reason.clone())
                .unwrap_or_default(),
            created_at: summary
                .map(|summary| timestamp(summary.created_at))
                .unwrap_or_default(),
            document: &latest.document,
        };
        Ok(Shown::json(&body)?.tagged(latest.revision))
    })
    .await
}

/// Replaces the whole document. Answers when the Envoys have judged the change. Takes the document
/// alone, and what `GET` gave: then nobody may have changed it since.
#[utoipa::path(put, path = "/api/v1/config", operation_id = "put_config", tag = "document",
    params(DryRun), request_body(content = super::openapi::Document),
    responses((status = 200, description = "The outcome of the change; with `dry_run`, a `Trial`",
        body = WriteReport)))]
pub(super) async fn put(
    State(gateway): State<Arc<Gateway>>,
    Parameters(dry_run): Parameters<DryRun>,
    change: ChangeHeaders,
    Written { text, format }: Written,
) -> Result<Response, Problem> {
    let in_hand = dry_run.in_hand().await?;
    // Read and checked before anything waits for it: what is not a document holds nobody up.
    let (edit, read_revision) = aside::run(move || read(&text, format)).await?;
    let change = match read_revision {
        Some(revision) => change.to(revision),
        None => change,
    };
    make_or_try_document(&gateway, in_hand, edit, change, dry_run).await
}

/// Reads a document; with the revision that its author had read, where it is what `GET` gave.
pub(super) fn read(
    text: &str,
    format: Format,
) -> Result<(Edit, Option<RevisionNumber>), ChangeError> {
    if let Some(SentBack { edit, revision }) = sent_back::config(text)? {
        return Ok((edit, Some(revision)));
    }
    let document = gateway_document::parse(text, format)?;
    let document = CheckedDocument::new(document).map_err(ChangeError::Invalid)?;
    Ok((Arc::new(move |_: &_| Ok(document.clone())), None))
}

/// Shows the JSON Schema of the document.
#[utoipa::path(get, path = "/api/v1/config/schema", operation_id = "get_config_schema",
    tag = "document", responses((status = 200, description = "The schema", body = Object,
        content_type = "application/schema+json")))]
pub(super) async fn schema() -> Result<Shown, Problem> {
    shown::aside(|| {
        let schema = serde_json::to_vec(&gateway_document::json_schema());
        let schema = schema.map_err(|error| Problem::internal(&error))?;
        Ok(Shown::text("application/schema+json", schema))
    })
    .await
}
