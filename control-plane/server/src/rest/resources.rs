//! `/api/v1/{kind}` and `/api/v1/{kind}/{name}` for every kind of resource that a document is made
//! of: views on the document, and changes of it, by one table.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use gateway_document::{CheckedDocument, Format, parse};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};
use store::RevisionNumber;
use utoipa::IntoParams;

use super::body::Written;
use super::change_headers::ChangeHeaders;
use super::conflict;
use super::dry_run::{DryRun, make_or_try};
use super::history;
use super::paging::Page;
use super::problem::{FieldError, Problem};
use super::shown::{self, Shown};
use super::{secret_status, server_status};
use crate::aside;
use crate::gateway::{ChangeError, Edit, Gateway, InHand, Precondition};
use crate::sections::{Kind, SectionChange, SectionEdit, SectionError, Shape, tag_of, with_status};

/// The state that is shown with a resource, and is left out of what is sent back.
const STATUS: &str = "status";

/// How a resource is added.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Added {
    /// `true` tells what the change would do, and does not make it.
    #[serde(default)]
    dry_run: bool,
    /// The name of the one that is to follow it; without it, it becomes the last one.
    before: Option<String>,
}

/// A page of the resources of one kind.
pub(super) async fn list(
    kind: &'static Kind,
    gateway: Arc<Gateway>,
    page: Page,
) -> Result<Shown, Problem> {
    shown::aside(move || {
        let latest = gateway.latest();
        let document = as_json(&latest.document)?;
        let (page, next_cursor) = page.of(kind.all(&document), |(name, _)| name.clone())?;
        let resources = page.into_iter().map(|(name, mut resource)| {
            let tag = show_status(kind, &gateway, &name, &mut resource);
            if let Value::Object(fields) = &mut resource {
                fields.insert("etag".to_owned(), format!("\"{tag}\"").into());
            }
            resource
        });
        let mut body = Map::from_iter([
            ("revision".to_owned(), latest.revision.0.into()),
            (kind.name.to_owned(), Value::Array(resources.collect())),
        ]);
        if let Some(next) = next_cursor {
            body.insert("next_cursor".to_owned(), next.into());
        }
        Shown::json(&body)
    })
    .await
}

/// One resource, as it can be put back.
pub(super) async fn get(
    kind: &'static Kind,
    gateway: Arc<Gateway>,
    name: String,
) -> Result<Shown, Problem> {
    shown::aside(move || {
        let document = as_json(&gateway.latest().document)?;
        let mut resource = kind.get(&document, &name)?;
        let tag = show_status(kind, &gateway, &name, &mut resource);
        Ok(Shown::json(&resource)?.tagged(tag))
    })
    .await
}

/// Adds a resource. Its name is in what was sent.
pub(super) async fn add(
    kind: &'static Kind,
    gateway: Arc<Gateway>,
    added: Added,
    headers: ChangeHeaders,
    written: Written,
) -> Result<Response, Problem> {
    let dry_run = DryRun {
        dry_run: added.dry_run,
    };
    let in_hand = dry_run.in_hand().await?;
    let given = resource_in(written).await?;
    let Some(name) = given.get("name").and_then(Value::as_str) else {
        return Err(malformed(
            "/name",
            format!("a new {} needs a name; write `name`", kind.one),
        ));
    };
    let name = name.to_owned();
    if added.before.is_some() && kind.shape != Shape::List {
        return Err(Problem::bad_request(format!(
            "`{}` have no order; leave `before` out",
            kind.name
        )));
    }
    let edit = SectionEdit {
        kind,
        name: name.clone(),
        change: SectionChange::Add {
            given,
            before: added.before,
        },
        read: None,
    };
    let mut answer = change(&gateway, in_hand, edit, headers, dry_run).await?;
    if !added.dry_run {
        *answer.status_mut() = StatusCode::CREATED;
        let encoded = utf8_percent_encode(&name, NON_ALPHANUMERIC);
        let path = format!("/api/v1/{}/{encoded}", kind.name);
        if let Ok(path) = HeaderValue::from_str(&path) {
            answer.headers_mut().insert(LOCATION, path);
        }
    }
    Ok(answer)
}

/// Adds or replaces a resource.
pub(super) async fn put(
    kind: &'static Kind,
    gateway: Arc<Gateway>,
    name: String,
    dry_run: DryRun,
    headers: ChangeHeaders,
    written: Written,
) -> Result<Response, Problem> {
    let in_hand = dry_run.in_hand().await?;
    let edit = SectionEdit {
        kind,
        name,
        change: SectionChange::Put(resource_in(written).await?),
        read: headers.tags.clone(),
    };
    change(&gateway, in_hand, edit, headers, dry_run).await
}

/// Takes a resource out.
pub(super) async fn delete(
    kind: &'static Kind,
    gateway: Arc<Gateway>,
    name: String,
    dry_run: DryRun,
    headers: ChangeHeaders,
) -> Result<Response, Problem> {
    let in_hand = dry_run.in_hand().await?;
    let edit = SectionEdit {
        kind,
        name,
        change: SectionChange::Remove,
        read: headers.tags.clone(),
    };
    change(&gateway, in_hand, edit, headers, dry_run).await
}

/// Makes a change of one resource, or tries it. The tags of `If-Match` are compared with the
/// resource and not with the document's revision.
async fn change(
    gateway: &Arc<Gateway>,
    in_hand: InHand,
    section: SectionEdit,
    headers: ChangeHeaders,
    dry_run: DryRun,
) -> Result<Response, Problem> {
    let (kind, name) = (section.kind, section.name.clone());
    let headers = ChangeHeaders {
        precondition: Precondition::None,
        ..headers
    };
    let place = Place::default();
    let edit = edit_of(section, place.clone());
    let error = match make_or_try(gateway, in_hand, edit, headers, dry_run).await {
        Ok(done) => {
            let done = done?;
            let tag = match done.made {
                Some(revision) => tag_after(kind, gateway, name, revision).await,
                None => None,
            };
            return Ok(done.tagged(tag));
        }
        Err(error) => error,
    };
    let errors: Vec<FieldError> = match error {
        ChangeError::Malformed(faults) => faults.0.into_iter().map(Into::into).collect(),
        ChangeError::Invalid(problems) => problems.into_iter().map(Into::into).collect(),
        ChangeError::Section(
            error @ (SectionError::Taken { .. } | SectionError::Changed { .. }),
        ) => {
            let by = history::last_changes_of(gateway, vec![(kind, name)]).await;
            return Err(Problem::from(error).told_by(by.into_iter().next()));
        }
        other => return Err(other.into()),
    };
    let (errors, tried) = place.relocate(errors);
    Err(conflict::misfit(gateway, errors, tried).await)
}

/// The entity tag that `GET` shows for a resource of this revision; none where it is gone.
async fn tag_after(
    kind: &'static Kind,
    gateway: &Arc<Gateway>,
    name: String,
    revision: u64,
) -> Option<String> {
    let _in_hand = InHand::past().await;
    let latest = gateway.latest();
    let stored = if latest.revision.0 == revision {
        None
    } else {
        let revision = gateway.store().revision(RevisionNumber(revision)).await;
        Some(revision.ok()??)
    };
    let gateway = Arc::clone(gateway);
    aside::run(move || {
        let document = match stored {
            Some(revision) => history::json(&revision),
            None => as_json(&latest.document).ok()?,
        };
        let mut resource = kind.find(&document, &name)?;
        Some(show_status(kind, &gateway, &name, &mut resource))
    })
    .await
}

/// The document that was tried last, and where the resource is in it: faults are told by the paths
/// of what was sent.
#[derive(Clone, Default)]
struct Place(Arc<Mutex<Tried>>);

#[derive(Default)]
struct Tried {
    document: Value,
    place: Option<String>,
}

impl Place {
    fn set(&self, document: &Value, place: Option<String>) {
        let document = document.clone();
        *self.lock() = Tried { document, place };
    }

    fn lock(&self) -> MutexGuard<'_, Tried> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The faults by the paths of what was sent, and the document that has the others.
    fn relocate(&self, errors: Vec<FieldError>) -> (Vec<FieldError>, Value) {
        let Tried { document, place } = std::mem::take(&mut *self.lock());
        let errors = errors.into_iter();
        let relocated = errors
            .map(|error| {
                let inside = place
                    .as_deref()
                    .and_then(|place| error.path.strip_prefix(place))
                    .filter(|rest| rest.is_empty() || rest.starts_with('/'));
                match inside {
                    Some(rest) => FieldError {
                        path: rest.to_owned(),
                        line: None,
                        ..error
                    },
                    None => FieldError {
                        of: Some("document"),
                        line: None,
                        ..error
                    },
                }
            })
            .collect();
        (relocated, document)
    }
}

/// The change of the document that a change of one of its resources is.
fn edit_of(section: SectionEdit, place: Place) -> Edit {
    Arc::new(move |built| {
        let mut document = serde_json::to_value(&**built.document).unwrap_or_default();
        section.apply(&mut document)?;
        let at = match section.change {
            // Whatever is at fault now is what still refers to it.
            SectionChange::Remove => None,
            _ => section.kind.place(&document, &section.name),
        };
        place.set(&document, at);
        let document = parse(&document.to_string(), Format::Json)?;
        CheckedDocument::new(document).map_err(ChangeError::Invalid)
    })
}

/// The resource that was sent, without the state that `GET` shows with it.
async fn resource_in(written: Written) -> Result<Value, Problem> {
    let mut fields = written.object().await?;
    fields.remove(STATUS);
    fields.remove("etag");
    Ok(Value::Object(fields))
}

/// Adds its state to a resource, and tells the entity tag of both.
fn show_status(kind: &'static Kind, gateway: &Gateway, name: &str, resource: &mut Value) -> String {
    let tag = tag_of(resource);
    let status = match kind.name {
        "servers" => server_status::of(gateway, name),
        "secrets" => secret_status::of(gateway, name),
        _ => None,
    };
    if let Some(status) = status
        && let Value::Object(fields) = resource
    {
        // Whoever has read it before it went down is told so.
        let lasting = tag_of(&server_status::lasting(&status));
        fields.insert(STATUS.to_owned(), status);
        return with_status(&tag, &lasting);
    }
    tag
}

fn malformed(path: &'static str, reason: String) -> Problem {
    SectionError::Malformed { path, reason }.into()
}

fn as_json(document: &CheckedDocument) -> Result<Value, Problem> {
    serde_json::to_value(&**document).map_err(|error| Problem::internal(&error))
}
