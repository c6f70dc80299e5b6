//! `/api/v1/modules`: the filter modules that operators upload, by the hash of their bytes; and
//! `/modules`, where Envoys fetch them.

use std::io::ErrorKind;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, FromRequestParts as _, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION};
use axum::response::{IntoResponse, Response};
use gateway_document::{GatewayDocument, ModuleHash, ModuleReference};
use serde::Serialize;
use tokio::fs::File;
use tokio_util::io::ReaderStream;
use utoipa::ToSchema;

use super::change_headers::ChangeHeaders;
use super::paging::Page;
use super::path_names::PathNames;
use super::problem::Problem;
use super::query::Parameters;
use super::shown::{self, Shown};
use crate::gateway::{Gateway, RemoveError, UploadError};
use crate::module::{ModuleShelf, ShelvedModule, StartModule};
use crate::timestamp::timestamp;

/// The media type of a module.
const WASM: &str = "application/wasm";
/// The content that a hash names never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// As much of a module is in memory while an Envoy fetches it: of all connections together 16 MiB.
const PIECE: usize = 64 << 10;

/// A module that was uploaded.
#[derive(Serialize, ToSchema)]
pub(super) struct UploadedModule {
    /// The SHA-256 of its bytes, by which documents name it.
    sha256: String,
    /// Its size in bytes.
    bytes: u64,
    /// Its name, where its builder wrote one into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The version of its sources, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// The version of the configuration that it reads, where it is a build of the gateway's own
    /// filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    wire_form: Option<u32>,
    uploaded_at: String,
    /// The places in the newest document that name it.
    named_at: Vec<String>,
}

/// The module that the control plane was started with: the gateway's own filter, wherever the
/// document names none.
#[derive(Serialize, ToSchema)]
pub(super) struct ModuleOfStart {
    /// The SHA-256 of its bytes.
    sha256: String,
    /// Its size in bytes, where it is a filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// Its name, where its builder wrote one into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The version of its sources, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Whether the newest document names no other one in its place.
    in_use: bool,
}

impl ModuleOfStart {
    fn of(start: &StartModule, document: &GatewayDocument) -> Self {
        let facts = start.facts.clone();
        let manifest = facts.as_ref().and_then(|facts| facts.manifest.clone());
        let named = document.module.sha256.as_ref();
        Self {
            sha256: start.sha256.clone(),
            bytes: facts.map(|facts| facts.bytes),
            name: manifest.as_ref().map(|manifest| manifest.name.clone()),
            version: manifest.map(|manifest| manifest.version),
            in_use: named.is_none_or(|hash| hash.as_str() == start.sha256),
        }
    }
}

/// A page of the modules, by their hashes.
#[derive(Serialize, ToSchema)]
pub(super) struct Modules {
    /// The module that the control plane was started with.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_with: Option<ModuleOfStart>,
    modules: Vec<UploadedModule>,
    /// The cursor of the next page; missing on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl UploadedModule {
    fn of(sha256: String, module: ShelvedModule, document: &GatewayDocument) -> Self {
        let manifest = module.facts.manifest;
        Self {
            named_at: places(&sha256, document),
            sha256,
            bytes: module.facts.bytes,
            wire_form: manifest.as_ref().and_then(|manifest| manifest.wire_form),
            name: manifest.as_ref().map(|manifest| manifest.name.clone()),
            version: manifest.map(|manifest| manifest.version),
            uploaded_at: timestamp(module.uploaded_at),
        }
    }
}

/// The places of a document that name a module.
fn places(sha256: &str, document: &GatewayDocument) -> Vec<String> {
    let is_it = |hash: &ModuleHash| hash.as_str() == sha256;
    let own = document.module.sha256.as_ref().filter(|hash| is_it(hash));
    let own = own.map(|_| "/module/sha256".to_owned());
    let filters = document.filters.iter().enumerate();
    let filters = filters.filter(|(_, filter)| {
        let hash = filter.module.as_ref().and_then(ModuleReference::hash);
        hash.is_some_and(is_it)
    });
    let filters = filters.map(|(index, _)| format!("/filters/{index}/module"));
    own.into_iter().chain(filters).collect()
}

async fn stored(gateway: &Gateway) -> Result<ModuleShelf, Problem> {
    let shelf = gateway.stored_modules().await;
    shelf.map_err(|error| Problem::store(&error))
}

/// Lists the modules that were uploaded, and the one that the control plane was started with.
#[utoipa::path(get, path = "/api/v1/modules", operation_id = "list_modules", tag = "modules",
    params(Page), responses((status = 200, description = "A page of them", body = Modules)))]
pub(super) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Parameters(page): Parameters<Page>,
) -> Result<Shown, Problem> {
    let shelf = stored(&gateway).await?;
    shown::aside(move || {
        let document = Arc::clone(&gateway.latest().document);
        let all: Vec<_> = shelf.all().into_iter().collect();
        let (page, next_cursor) = page.of(all, |(sha256, _)| sha256.clone())?;
        let modules = page.into_iter();
        Shown::json(&Modules {
            started_with: shelf
                .start()
                .map(|start| ModuleOfStart::of(start, &document)),
            modules: modules
                .map(|(sha256, module)| UploadedModule::of(sha256, module, &document))
                .collect(),
            next_cursor,
        })
    })
    .await
}

/// Keeps a module: the body is the `.wasm` file. Nothing runs it until a document names it.
#[utoipa::path(post, path = "/api/v1/modules", operation_id = "add_modules", tag = "modules",
    request_body(content = Vec<u8>, content_type = "application/wasm",
        description = "The module's bytes"),
    responses((status = 201, description = "It is kept", body = UploadedModule),
        (status = 200, description = "It was kept already", body = UploadedModule)))]
pub(super) async fn post(
    State(gateway): State<Arc<Gateway>>,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let headers = ChangeHeaders::from_request_parts(&mut parts, &()).await?;
    let kind = parts.headers.get(CONTENT_TYPE);
    if kind.is_none_or(|kind| kind.as_bytes() != WASM.as_bytes()) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "urn:portcullis:media-type",
            "the format is not one that is read",
            "send the `.wasm` file itself, as `Content-Type: application/wasm`",
        ));
    }
    let content = Bytes::from_request(Request::from_parts(parts, body), &())
        .await
        // It is whole already; the outermost layer has read it.
        .map_err(|_| Problem::bad_request("the body broke off; send it again"))?;
    let uploaded = gateway.upload_module(content, &headers.author).await?;
    let document = Arc::clone(&gateway.latest().document);
    let status = if uploaded.is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let location = format!("/api/v1/modules/{}", uploaded.sha256);
    let shown = UploadedModule::of(uploaded.sha256, uploaded.module, &document);
    Ok((status, [(LOCATION, location)], Json(shown)).into_response())
}

/// Shows one of the modules.
#[utoipa::path(get, path = "/api/v1/modules/{sha256}", operation_id = "get_modules",
    tag = "modules", params(("sha256" = String, Path, description = "The hash of the module")),
    responses((status = 200, description = "What is known of it", body = UploadedModule)))]
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    PathNames(sha256): PathNames<String>,
) -> Result<Shown, Problem> {
    let shelf = stored(&gateway).await?;
    let Some(module) = shelf.get(&sha256) else {
        return Err(match shelf.start() {
            Some(start) if start.sha256 == sha256 => Problem::nothing_there(
                "the module was not uploaded",
                "the control plane was started with this module, and nobody has uploaded it; \
                 `GET /api/v1/modules` says what is known of it",
            ),
            _ => RemoveError::Missing(sha256).into(),
        });
    };
    shown::aside(move || {
        let document = Arc::clone(&gateway.latest().document);
        Shown::json(&UploadedModule::of(sha256, module, &document))
    })
    .await
}

/// Takes back a module that no Envoy runs, or is to run.
#[utoipa::path(delete, path = "/api/v1/modules/{sha256}", operation_id = "delete_modules",
    tag = "modules", params(("sha256" = String, Path, description = "The hash of the module")),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    PathNames(sha256): PathNames<String>,
    headers: ChangeHeaders,
) -> Result<StatusCode, Problem> {
    gateway.remove_module(&sha256, &headers.author).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives the bytes of a module to an Envoy that fetches it, at `{sha256}.wasm`.
#[utoipa::path(get, path = "/modules/{file}", operation_id = "fetch_module", tag = "modules",
    params(("file" = String, Path, description = "The hash of the module, and `.wasm`"),
        ("a" = Option<u32>, Query, description = "How often an Envoy was asked to look for it; \
            nothing else is given for it")),
    responses((status = 200, description = "Its bytes", body = Vec<u8>,
        content_type = "application/wasm")))]
pub(super) async fn fetch(
    State(gateway): State<Arc<Gateway>>,
    PathNames(file): PathNames<String>,
) -> Result<Response, Problem> {
    let nothing = || {
        Problem::nothing_there(
            "there is no such module",
            format!("there is no module `{file}`; write its hash and `.wasm`"),
        )
    };
    let hash: ModuleHash = file
        .strip_suffix(".wasm")
        .and_then(|hash| hash.parse().ok())
        .ok_or_else(nothing)?;
    let shelf = gateway.shelf();
    let own = gateway.read().desired.module.clone();
    let path = if own.sha256 == hash.as_str() {
        own.path
    } else {
        shelf.get(hash.as_str()).ok_or_else(nothing)?;
        shelf.file(hash.as_str())
    };
    let opened = async {
        let file = File::open(path).await?;
        let bytes = file.metadata().await?.len();
        Ok::<_, std::io::Error>((file, bytes))
    };
    let (file, bytes) = opened.await.map_err(|error| match error.kind() {
        // It was taken from the store, and its file with it.
        ErrorKind::NotFound => nothing(),
        _ => Problem::internal(&error),
    })?;
    let content = Body::from_stream(ReaderStream::with_capacity(file, PIECE));
    let tag = format!("\"{hash}\"");
    let headers = [
        (CONTENT_TYPE, WASM),
        (CONTENT_LENGTH, &bytes.to_string()),
        (CACHE_CONTROL, FOR_EVER),
        (ETAG, &tag),
    ];
    Ok((headers, content).into_response())
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Unusable(error) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "urn:portcullis:unusable-module",
                "this is no module that Envoy can run",
                error.to_string(),
            ),
            UploadError::File(error) => Self::internal(&*error),
            UploadError::Store(error) => Self::store(&error),
        }
    }
}

impl From<RemoveError> for Problem {
    fn from(error: RemoveError) -> Self {
        let detail = error.to_string();
        match error {
            RemoveError::Missing(_) => Self::nothing_there("there is no such module", detail),
            RemoveError::StartedWith(_) | RemoveError::InUse(_) | RemoveError::InReserve(_) => {
                Self::new(
                    StatusCode::CONFLICT,
                    "urn:portcullis:module-in-use",
                    "the module is in use",
                    detail,
                )
            }
            RemoveError::Store(error) => Self::store(&error),
        }
    }
}
