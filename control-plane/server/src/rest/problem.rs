//! Errors as problem documents (RFC 9457).

use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use gateway_document::Fault;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use store::StoreError;

use crate::gateway::{ChangeError, WriteReport};
use crate::generation::FindToolError;

/// An error that a caller is told.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    /// The kind of problem, for programs.
    r#type: &'static str,
    title: &'static str,
    status: u16,
    /// The problem in words, with what to do about it.
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// The answers of the Envoys, where they were asked.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    report: Option<Box<WriteReport>>,
}

/// One fault of what was sent.
#[derive(Debug, Serialize)]
struct FieldError {
    /// JSON Pointer into what was sent.
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    reason: String,
}

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
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "urn:portcullis:busy",
            title,
            detail,
        )
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

    fn with_errors(mut self, errors: impl IntoIterator<Item = FieldError>) -> Self {
        self.errors = errors.into_iter().collect();
        self
    }
}

/// Writes an error and its causes into the log.
fn log(error: &dyn std::error::Error) {
    let mut causes = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        causes = format!("{causes}: {error}");
        cause = error.source();
    }
    tracing::error!("{causes}");
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        const INVALID: &str = "urn:portcullis:invalid";
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
                "urn:portcullis:conflict",
                "somebody changed it at the same moment",
                detail,
            ),
            ChangeError::Malformed(faults) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                INVALID,
                "the change is not valid",
                "nothing was changed; correct every error, and send it again",
            )
            .with_errors(
                faults
                    .0
                    .into_iter()
                    .map(|Fault { path, line, reason }| FieldError { path, line, reason }),
            ),
            ChangeError::Invalid(problems) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                INVALID,
                "the change is not valid",
                "nothing was changed; correct every error, and send it again",
            )
            .with_errors(problems.into_iter().map(|problem| FieldError {
                path: problem.path,
                line: None,
                reason: problem.reason,
            })),
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
                    format!("{detail}; Envoy says: {texts}"),
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
            ChangeError::Store(error) => Self::store(&error),
            ChangeError::Build(error) => Self::internal(&error),
        }
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
