//! Sessions of the revisions before 2026-07-28, of which this server keeps next to nothing.
//!
//! An id names its revision, the abilities of its client and a random number, and that is all there
//! is to a session: any process of this server takes it up, after a restart too, and ten thousand
//! cost what one costs. It is no credential and opens nothing: who may call is decided request by
//! request. Kept is what lasts no longer than it is used: the calls that run, so that a client can
//! cancel them; the questions that clients have been asked and have not answered; and a few
//! sessions that their clients have ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use rmcp::model::ProtocolVersion;
use serde::Deserialize;

use super::envelope::{Envelope, PROTOCOL_VERSION, is_stateless};
use super::incoming::PrincipalHeader;
use super::refusal;
use super::session_id::{NotASession, SessionId};
use super::session_requests::OpenQuestions;
use crate::call::ClientAbilities;
use crate::mcp::RunningCalls;
use crate::services::Services;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// Ended sessions that are remembered, so that their ids are refused as the specification asks.
/// Forgetting one harms nobody: its client has left. More would only make each request look longer.
const ENDED: usize = 256;

/// The answer to `initialize` is the server's own few lines; more than this is not one.
const LONGEST_HANDSHAKE: usize = 64 << 10;

/// The sessions that ended, and what is under way in the others.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    running: Arc<RunningCalls>,
    questions: Arc<OpenQuestions>,
    ended: Mutex<VecDeque<SessionId>>,
}

impl Sessions {
    /// The calls that run in sessions; whoever runs one enters it there.
    pub(super) fn running(&self) -> Arc<RunningCalls> {
        Arc::clone(&self.running)
    }

    /// The questions that the clients of sessions have been asked.
    pub(super) fn questions(&self) -> Arc<OpenQuestions> {
        Arc::clone(&self.questions)
    }

    fn end(&self, session: SessionId) {
        self.running.cancel(&session.to_string(), None);
        let mut ended = lock(&self.ended);
        if ended.len() == ENDED {
            ended.pop_front();
        }
        ended.push_back(session);
    }

    fn has_ended(&self, session: &SessionId) -> bool {
        lock(&self.ended).contains(session)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Middleware: gives an id on `initialize`, tells rmcp the revision of a session whose client does
/// not, and does what clients do to their sessions: answer a question, cancel a call, end it all.
pub(super) async fn attend(
    State((sessions, services, principals)): State<(Arc<Sessions>, Arc<Services>, PrincipalHeader)>,
    mut request: Request,
    next: Next,
) -> Response {
    if is_stateless(request.headers()) {
        return next.run(request).await;
    }
    let envelope = request.extensions().get::<Envelope>().cloned();
    let envelope = envelope.unwrap_or_default();
    if envelope.method == "initialize" {
        return begin(next.run(request).await, envelope.abilities).await;
    }
    let session = match named(request.headers()) {
        None => None,
        Some(Ok(session)) if !sessions.has_ended(&session) => Some(session),
        Some(_) => return unknown(&envelope),
    };
    let Some(session) = session else {
        return next.run(request).await;
    };
    let ends = request.method() == Method::DELETE;
    if let Ok(revision) = HeaderValue::from_str(session.revision.as_str()) {
        let headers = request.headers_mut();
        headers.entry(PROTOCOL_VERSION).or_insert(revision);
    }
    request.extensions_mut().insert(session.clone());
    let principal = principals.read(request.headers());
    let mut response = next.run(request).await;
    // rmcp has no sessions here and says so, once it has found `Host` and `Origin` in order.
    if ends && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        services.spark.end_session(&session.to_string());
        sessions.end(session);
        response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
    } else if response.status() == StatusCode::ACCEPTED {
        if let Some(cancelled) = &envelope.cancels {
            sessions
                .running
                .cancel(&session.to_string(), Some(cancelled));
        }
        if let Some(answer) = envelope.answer {
            sessions
                .questions
                .answer(&session.to_string(), &principal, &answer);
        }
    }
    response
}

fn named(headers: &HeaderMap) -> Option<Result<SessionId, NotASession>> {
    let text = headers.get(SESSION_ID)?.to_str();
    Some(text.map_err(|_| NotASession).and_then(str::parse))
}

fn unknown(envelope: &Envelope) -> Response {
    refusal::answer(
        StatusCode::NOT_FOUND,
        refusal::INVALID_REQUEST,
        "there is no such session: it was ended, or is not of this server; send `initialize`",
        None,
        &envelope.id,
    )
}

/// Adds an id for the revision that the answer to `initialize` names.
async fn begin(response: Response, abilities: ClientAbilities) -> Response {
    #[derive(Deserialize)]
    struct Handshake {
        result: Negotiated,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Negotiated {
        protocol_version: ProtocolVersion,
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = Limited::new(body, LONGEST_HANDSHAKE).collect().await else {
        let mut broken = Response::new(Body::empty());
        *broken.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return broken;
    };
    let body = body.to_bytes();
    if let Ok(handshake) = serde_json::from_slice::<Handshake>(&body) {
        let session = SessionId::new(handshake.result.protocol_version, abilities);
        if let Ok(id) = HeaderValue::from_str(&session.to_string()) {
            parts.headers.insert(SESSION_ID, id);
        }
    }
    Response::from_parts(parts, Body::from(body))
}

#[cfg(test)]
mod tests {
    use rmcp::model::RequestId;
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn new_session() -> SessionId {
        SessionId::new(ProtocolVersion::V_2025_11_25, ClientAbilities::default())
    }

    #[test]
    fn it_cancels_what_runs_in_a_session_that_ends() {
        let sessions = Sessions::default();
        let [ours, other] = [(), ()].map(|()| new_session());
        let cancelled = [&ours, &other].map(|session| {
            let cancel = CancellationToken::new();
            let id = RequestId::Number(1);
            let guard = sessions
                .running()
                .enter(session.to_string(), id, cancel.clone());
            (cancel, guard)
        });
        sessions.end(ours.clone());
        assert!(sessions.has_ended(&ours) && !sessions.has_ended(&other));
        assert_eq!(
            cancelled.map(|(cancel, _)| cancel.is_cancelled()),
            [true, false]
        );
    }

    #[test]
    fn it_remembers_a_fixed_number_of_ended_sessions() {
        let sessions = Sessions::default();
        for _ in 0..ENDED * 3 {
            sessions.end(new_session());
        }
        assert_eq!(lock(&sessions.ended).len(), ENDED);
    }
}
