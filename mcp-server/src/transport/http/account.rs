//! The account of one HTTP request, from before anything looks at it until its answer leaves: who
//! sent it, and whether the audit log has a line of it.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{Extensions, StatusCode};
use http_body_util::BodyExt as _;
use request_envelope::correlation;
use request_envelope::refusal::{self, INTERNAL_ERROR, INVALID_REQUEST};
use rmcp::model::{ErrorCode, ErrorData};
use serde::Deserialize;
use serde_json::Value;

use super::principals::PrincipalHeader;
use crate::call::{AuditMark, Principal};
use crate::mcp::audit::{self, TurnedAway};
use crate::mcp::{Incoming, RequestedMethod, name_of_method};

/// Refusals are a sentence or two; what is longer is a result and passes untouched.
const LONGEST_REFUSAL: u64 = 64 << 10;

/// The account of one request; among its extensions.
#[derive(Debug)]
pub(super) struct Account {
    incoming: Incoming,
    session: OnceLock<String>,
    method: OnceLock<String>,
    is_stateless: bool,
    begun: Instant,
}

/// The parts of an answer that tell whether it refuses.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    id: Value,
    error: Option<ErrorData>,
    result: Option<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(rename = "isError", default)]
    is_error: bool,
}

/// Opens the account of a request, and closes it with the answer of `next`.
pub(super) async fn keep<F: Future<Output = Response>>(
    principals: &PrincipalHeader,
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    let principal = principals.read(request.headers());
    let known = principal.clone().unwrap_or_default();
    let account = Arc::new(Account {
        incoming: Incoming {
            id: correlation::read(request.headers()),
            claimant: principals.claimant(&known, request.extensions()),
            principal: known,
            ..Incoming::default()
        },
        session: OnceLock::new(),
        method: OnceLock::new(),
        is_stateless: request_envelope::is_stateless(request.headers()),
        begun: Instant::now(),
    });
    let answer = match principal {
        Ok(_) => {
            request.extensions_mut().insert(Arc::clone(&account));
            next(request).await
        }
        Err(too_long) => refusal::answer(
            StatusCode::BAD_REQUEST,
            INVALID_REQUEST,
            &too_long.to_string(),
            None,
            &Value::Null,
        ),
    };
    account.close(answer).await
}

/// Middleware: keeps the account of each request.
pub(super) async fn layer(
    State(principals): State<PrincipalHeader>,
    request: Request,
    next: Next,
) -> Response {
    keep(&principals, request, |request| next.run(request)).await
}

/// The caller of the request with these extensions.
pub(super) fn caller(extensions: &Extensions) -> Principal {
    let account = extensions.get::<Arc<Account>>();
    account.map_or_else(Principal::default, |account| {
        account.incoming.principal.clone()
    })
}

/// The mark of the request with these extensions in the audit log.
pub(super) fn audit_mark(extensions: &Extensions) -> AuditMark {
    let account = extensions.get::<Arc<Account>>();
    account.map_or_else(AuditMark::default, |account| account.incoming.audit.clone())
}

/// Notes the method that the request with these extensions asks for.
pub(super) fn note_method(extensions: &Extensions, method: &str) {
    if let Some(account) = extensions.get::<Arc<Account>>() {
        let _ = account.method.set(method.to_owned());
    }
}

/// Notes the session that the request with these extensions is made in, and gives what was known of
/// the request before.
pub(super) fn note_session(extensions: &Extensions, session: Option<&str>) -> Incoming {
    let Some(account) = extensions.get::<Arc<Account>>() else {
        return Incoming::default();
    };
    if let Some(session) = session {
        let _ = account.session.set(session.to_owned());
    }
    account.incoming.clone()
}

impl Account {
    /// Writes the line of a request that is refused and has none; puts a sentence into an error
    /// that has nothing but a method's name.
    async fn close(&self, answer: Response) -> Response {
        let size = answer.body().size_hint().exact();
        let may_refuse = is_json(&answer) && size.is_some_and(|size| size <= LONGEST_REFUSAL);
        if self.incoming.audit.is_set() || !may_refuse {
            return answer;
        }
        let (mut parts, body) = answer.into_parts();
        let Ok(body) = body.collect().await else {
            // A body of a known size is there as a whole.
            return Response::from_parts(parts, Body::empty());
        };
        let body = body.to_bytes();
        let Ok(said) = serde_json::from_slice::<Answer>(&body) else {
            return Response::from_parts(parts, Body::from(body));
        };
        let Some(mut error) = said.error else {
            if said.result.is_some_and(|outcome| outcome.is_error) {
                self.write(TurnedAway::Refused, INTERNAL_ERROR);
            }
            return Response::from_parts(parts, Body::from(body));
        };
        let before = (error.code, error.message.clone());
        RequestedMethod {
            name: self.method(),
            is_stateless: self.is_stateless,
        }
        .explain(&mut error);
        let how = match parts.status {
            _ if error.code == ErrorCode::METHOD_NOT_FOUND => TurnedAway::Unknown,
            StatusCode::NOT_FOUND => TurnedAway::Unknown,
            StatusCode::INTERNAL_SERVER_ERROR => TurnedAway::Failed,
            _ => TurnedAway::Refused,
        };
        let code = error.code.0.into();
        self.write(how, code);
        if before == (error.code, error.message.clone()) {
            return Response::from_parts(parts, Body::from(body));
        }
        // Clients of the revisions with sessions end theirs with any other status than 200.
        parts.status = match self.is_stateless {
            true => StatusCode::NOT_FOUND,
            false => StatusCode::OK,
        };
        refusal::answer(parts.status, code, &error.message, error.data, &said.id)
    }

    fn method(&self) -> &str {
        self.method.get().map_or("", String::as_str)
    }

    fn write(&self, how: TurnedAway, code: i64) {
        let incoming = Incoming {
            session: self.session.get().cloned(),
            ..self.incoming.clone()
        };
        let method = name_of_method(self.method());
        audit::write_if_missing(&incoming, method, self.begun.elapsed(), (how, code));
    }
}

/// Whether an answer is one JSON object.
pub(super) fn is_json(response: &Response) -> bool {
    let media_type = response.headers().get(CONTENT_TYPE);
    media_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}
