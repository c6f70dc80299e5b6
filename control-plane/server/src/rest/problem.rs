//! Errors as problem documents (RFC 9457).

use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use gateway_document::Fault;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

use super::history::PastChange;
use super::late_bodies::LateBody;
use crate::catalogue::with_causes;
use crate::gateway::{ChangeError, Crowded, WriteReport};
use crate::generation::FindToolError;
use crate::sections::SectionError;

/// An error that a caller is told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// The kind of problem, for programs.
    r#type: &'static str,
    /// The kind of problem, in words.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// The problem in words, with what to do about it.
    detail: String,
    /// Every fault of what was sent, each with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The changes that stand in the way, the newest first: those that were made meanwhile, or the
    /// last ones of what the change does not fit. At most fifty revisions back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changed_by: Vec<PastChange>,
    /// The answers of the Envoys, where they were asked.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    report: Option<Box<WriteReport>>,
}

/// One fault of what was sent, or of the document that it would be a part of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct FieldError {
    /// JSON Pointer into what was sent, or into the document where `of` says so.
    pub(super) path: String,
    /// `document`, where what was sent does not fit the rest of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) of: Option<&'static str>,
    /// The line from 1, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<usize>,
    /// The fault in words, with what to do about it.
    pub(super) reason: String,
}

impl From<Fault> for FieldError {
    fn from(Fault { path, line, reason }: Fault) -> Self {
        Self {
            path,
            of: None,
            line,
            reason,
        }
    }
}

impl From<gateway_document::Problem> for FieldError {
    fn from(problem: gateway_document::Problem) -> Self {
        Self {
            path: problem.path,
            of: None,
            line: None,
            reason: problem.reason,
        }
    }
}

/// A mark of an answer: what was asked for is stored as a revision, whatever became of that.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChangeIsStored;

/// How many faults and changes are written on a thread that serves requests: those of an ordinary
/// slip, in less time than it takes to give them to another thread.
const MOST_WRITTEN_HERE: usize = 20;

const INVALID: &str = "urn:portcullis:invalid";
const BUSY: &str = "urn:portcullis:busy";

/// The time after which a client asks again that was told that others take all the room: most of
/// them are answered within a second, and the answers that wait go when their connections end,
/// after 30 s without a byte taken.
const SECONDS: HeaderValue = HeaderValue::from_static("5");
const CONFLICT: &str = "urn:portcullis:conflict";

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        r#type: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            r#type,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            changed_by: Vec::new(),
            report: None,
        }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "urn:portcullis:bad-request",
            "the request cannot be read",
            detail,
        )
    }

    /// For what would be served if others asked for less.
    pub(super) fn busy(title: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, BUSY, title, detail)
    }

    /// For what the caller did not cause: the log says what happened, the caller that it did.
    pub(super) fn internal(error: &dyn std::error::Error) -> Self {
        log(error);
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "urn:portcullis:internal",
            "the control plane failed",
            "nothing was changed; the control plane's log says what happened",
        )
    }

    /// For a store that does not take, or give, what it is asked for.
    pub(super) fn store(error: &StoreError) -> Self {
        log(error);
        let detail = match error {
            StoreError::Superseded => error.to_string(),
            _ => "the configuration store does not answer as it should, and the log says why; \
                  Envoys run on with what they have: see to the store, read the document, and \
                  send what is missing again"
                .to_owned(),
        };
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "urn:portcullis:store",
            "the configuration store cannot be used",
            detail,
        )
    }

    /// For a thing that is not there.
    pub(super) fn nothing_there(title: &'static str, detail: impl Into<String>) -> Self {
        let kind = "urn:portcullis:unknown";
        Self::new(StatusCode::NOT_FOUND, kind, title, detail)
    }

    /// For what was sent and has these faults. Where each of them is in the rest of the document,
    /// what was sent is right in itself and does not fit.
    pub(super) fn invalid(errors: Vec<FieldError>) -> Self {
        let is_elsewhere = !errors.is_empty() && errors.iter().all(|error| error.of.is_some());
        let mut problem = if is_elsewhere {
            Self::new(
                StatusCode::CONFLICT,
                CONFLICT,
                "the change does not fit the rest of the document",
                "nothing was changed; change what the errors name first",
            )
        } else {
            Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                INVALID,
                "the change is not valid",
                "nothing was changed; correct every error, and send it again",
            )
        };
        problem.errors = errors;
        problem
    }

    /// Whether it is as long as what was sent, or as the fleet: such a one is written aside.
    fn is_long(&self) -> bool {
        self.report.is_some() || self.errors.len() + self.changed_by.len() > MOST_WRITTEN_HERE
    }

    /// Whether what was sent is right in itself and does not fit what is there.
    pub(super) fn is_conflict(&self) -> bool {
        self.r#type == CONFLICT
    }

    /// The same problem with the changes that stand in the way.
    pub(super) fn with_changes(mut self, changed_by: Vec<PastChange>) -> Self {
        self.changed_by = changed_by;
        self
    }

    /// The same problem with the names of those who have made these changes in its sentence.
    pub(super) fn told_by(mut self, change: Option<PastChange>) -> Self {
        if let Some(change) = change {
            self.detail = format!("{}; {change}", self.detail);
            self.changed_by = vec![change];
        }
        self
    }
}

/// Writes an error and its causes into the log.
fn log(error: &dyn std::error::Error) {
    let causes = with_causes(error);
    tracing::error!(causes, "the request cannot be answered");
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let (is_stored, is_busy) = (self.report.is_some(), self.r#type == BUSY);
        let mut response = if self.is_long() {
            (status, Extension(LateBody::json(self))).into_response()
        } else {
            (status, Json(self)).into_response()
        };
        if is_busy {
            response.headers_mut().insert(RETRY_AFTER, SECONDS);
        }
        if is_stored {
            response.extensions_mut().insert(ChangeIsStored);
        }
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        let detail = error.to_string();
        match error {
            ChangeError::Stale(_) => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "urn:portcullis:stale",
                "somebody changed it first",
                detail,
            ),
            ChangeError::Conflict(_) => Self::new(
                StatusCode::CONFLICT,
                CONFLICT,
                "somebody changed it at the same moment",
                detail,
            ),
            ChangeError::Malformed(faults) => {
                Self::invalid(faults.0.into_iter().map(FieldError::from).collect())
            }
            ChangeError::Invalid(problems) => {
                Self::invalid(problems.into_iter().map(FieldError::from).collect())
            }
            ChangeError::Section(error) => error.into(),
            ChangeError::Loosens(_) => Self::new(
                StatusCode::CONFLICT,
                "urn:portcullis:loosens",
                "the change might allow what is refused now",
                detail,
            ),
            ChangeError::Tool(error) => error.into(),
            ChangeError::NoRule(_) => Self::new(
                StatusCode::NOT_FOUND,
                "urn:portcullis:no-policy",
                "there is no such policy",
                detail,
            ),
            ChangeError::Rejected(report) => {
                let texts = report
                    .envoys
                    .iter()
                    .flat_map(|envoy| &envoy.messages)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join("; ");
                let mut problem = Self::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "urn:portcullis:rejected-by-envoy",
                    "an Envoy rejected the change",
                    if texts.is_empty() {
                        detail
                    } else {
                        format!("{detail}; Envoy says: {texts}")
                    },
                );
                problem.report = Some(report);
                problem
            }
            ChangeError::Dropped(report) => {
                let mut problem = Self::new(
                    StatusCode::CONFLICT,
                    "urn:portcullis:dropped",
                    "the change went with a later one that an Envoy rejected",
                    detail,
                );
                problem.report = Some(report);
                problem
            }
            ChangeError::Aborted(report) => {
                let mut problem = Self::new(
                    StatusCode::CONFLICT,
                    "urn:portcullis:aborted",
                    "an operator aborted the rollout",
                    detail,
                );
                problem.report = Some(report);
                problem
            }
            ChangeError::Busy(_) => Self::busy("other changes are being shown to an Envoy", detail),
            ChangeError::Store(error) => Self::store(&error),
            ChangeError::Build(error) => Self::internal(&error),
        }
    }
}

impl From<Crowded> for Problem {
    fn from(error: Crowded) -> Self {
        let detail = format!("nothing was changed; {error}");
        Self::busy("too many requests wait for their turn", detail)
    }
}

impl From<FindToolError> for Problem {
    fn from(error: FindToolError) -> Self {
        let detail = error.to_string();
        match error {
            FindToolError::Unknown { .. } => Self::new(
                StatusCode::NOT_FOUND,
                "urn:portcullis:unknown-tool",
                "there is no such tool",
                detail,
            ),
            FindToolError::Ambiguous { .. } => Self::new(
                StatusCode::CONFLICT,
                "urn:portcullis:ambiguous-tool",
                "there are several such tools",
                detail,
            ),
            FindToolError::Unnameable(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "urn:portcullis:unnameable-tool",
                "the tool cannot have a policy of its own",
                detail,
            ),
        }
    }
}

impl From<SectionError> for Problem {
    fn from(error: SectionError) -> Self {
        let detail = error.to_string();
        match error {
            SectionError::Missing { .. } => {
                Self::nothing_there("there is no such resource", detail)
            }
            SectionError::Taken { .. } => Self::new(
                StatusCode::CONFLICT,
                CONFLICT,
                "there is one of that name",
                detail,
            ),
            SectionError::Changed { .. } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "urn:portcullis:stale",
                "somebody changed it first",
                detail,
            ),
            SectionError::Malformed { path, reason } => Self::invalid(vec![FieldError {
                path: path.to_owned(),
                of: None,
                line: None,
                reason,
            }]),
        }
    }
}

pub(super) async fn not_found(uri: Uri) -> Problem {
    let detail = format!(
        "there is nothing at `{}`; the API is under `/api/v1`",
        uri.path()
    );
    Problem::new(
        StatusCode::NOT_FOUND,
        "urn:portcullis:not-found",
        "there is nothing here",
        detail,
    )
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("`{}` does not take `{method}`", uri.path());
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "urn:portcullis:method-not-allowed",
        "the method is not one of this resource",
        detail,
    )
}
