//! Sessions of the revisions before 2026-07-28, of which this server keeps next to nothing.
//!
//! An id names its revision, the abilities of its client and a random number, and that is all there
//! is to a session: any process of this server takes it up, after a restart too, and ten thousand
//! cost what one costs. It is no credential and opens nothing: who may call is decided request by
//! request. Kept is what lasts no longer than it is used: the calls that run, so that a client can
//! cancel them; the questions that clients have been asked and have not answered; what clients with
//! a stream asked to hear of; and a few sessions that their clients have ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use request_envelope::refusal;
use request_envelope::{Envelope, NotASession, PROTOCOL_VERSION, SessionId, is_stateless};
use rmcp::model::ProtocolVersion;
use serde::Deserialize;

use super::account;
use super::change_streams::ChangeStreams;
use super::session_requests::OpenQuestions;
use crate::call::{ClientAbilities, Principal};
use crate::mcp::{McpServer, RunningCalls};
use crate::metrics::SessionCounts;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// Ended sessions that are remembered, so that their ids are refused as the specification asks.
/// Forgetting one harms nobody: its client has left. More would only make each request look longer.
const ENDED: usize = 256;

/// The answer to `initialize` is the server's own few lines; more than this is not one.
const LONGEST_HANDSHAKE: usize = 64 << 10;

/// The few sessions of which it is remembered that they have ended.
#[derive(Debug, Default)]
pub(super) struct EndedSessions(Mutex<VecDeque<SessionId>>);

impl EndedSessions {
    fn add(&self, session: SessionId) {
        let mut ended = self.lock();
        if ended.len() == ENDED {
            ended.pop_front();
        }
        ended.push_back(session);
    }

    fn contains(&self, session: &SessionId) -> bool {
        self.lock().contains(session)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<SessionId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sessions that ended, and what is under way in the others.
pub(super) struct Sessions {
    pub(super) server: McpServer,
    pub(super) running: Arc<RunningCalls>,
    pub(super) questions: Arc<OpenQuestions>,
    pub(super) changes: Arc<ChangeStreams>,
    pub(super) counts: SessionCounts,
    pub(super) ended: EndedSessions,
}

impl Sessions {
    /// Adds an id for the revision that the answer to `initialize` names.
    async fn begin(
        &self,
        response: Response,
        abilities: ClientAbilities,
        principal: &Principal,
    ) -> Response {
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
            let revision = handshake.result.protocol_version;
            let session = SessionId::new(revision, abilities, principal);
            if let Ok(id) = HeaderValue::from_str(&session.to_string()) {
                parts.headers.insert(SESSION_ID, id);
                self.counts.begun.inc();
            }
        }
        Response::from_parts(parts, Body::from(body))
    }

    fn end(&self, session: SessionId) {
        let text = session.to_string();
        // Nothing begins in it any more while what there is ends.
        self.ended.add(session);
        self.counts.ended.inc();
        self.server.end_session(&text);
        self.changes.end_session(&text);
    }

    /// Does what a message of a session does there, once it has been accepted.
    fn accept(&self, session: &SessionId, envelope: &Envelope) {
        let session = session.to_string();
        if let Some(cancelled) = &envelope.cancels {
            self.running.cancel(&session, Some(cancelled));
        }
        if let Some(answer) = &envelope.answer {
            self.questions.answer(&session, answer);
        }
    }
}

/// Gives an id on `initialize`, tells rmcp the revision of a session whose client does not, and
/// does what clients do to their sessions: answer a question, cancel a call, end it all.
pub(super) async fn attend<F: Future<Output = Response>>(
    sessions: &Sessions,
    mut request: Request,
    next: impl FnOnce(Request) -> F,
) -> Response {
    if is_stateless(request.headers()) {
        return next(request).await;
    }
    let envelope = request.extensions().get::<Arc<Envelope>>().cloned();
    let envelope = envelope.unwrap_or_default();
    let principal = account::caller(request.extensions());
    if envelope.method == "initialize" {
        let answer = next(request).await;
        return sessions.begin(answer, envelope.abilities, &principal).await;
    }
    let session = match named(request.headers(), &principal) {
        None => None,
        Some(Ok(session)) if !sessions.ended.contains(&session) => Some(session),
        Some(_) => return unknown(&envelope),
    };
    let Some(session) = session else {
        return next(request).await;
    };
    let ends = request.method() == Method::DELETE;
    if let Ok(revision) = HeaderValue::from_str(session.revision.as_str()) {
        let headers = request.headers_mut();
        headers.entry(PROTOCOL_VERSION).or_insert(revision);
    }
    request.extensions_mut().insert(session.clone());
    let mut response = next(request).await;
    // rmcp has no sessions here and says so, once it has found `Host` and `Origin` in order.
    if ends && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        sessions.end(session);
        response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
    } else if response.status() == StatusCode::ACCEPTED {
        sessions.accept(&session, &envelope);
    }
    response
}

fn named(headers: &HeaderMap, principal: &Principal) -> Option<Result<SessionId, NotASession>> {
    let text = headers.get(SESSION_ID)?.to_str();
    let text = text.map_err(|_| NotASession);
    Some(text.and_then(|text| SessionId::read(text, principal)))
}

fn unknown(envelope: &Envelope) -> Response {
    refusal::answer(
        StatusCode::NOT_FOUND,
        refusal::INVALID_REQUEST,
        "there is no such session: it was ended, is another caller's, or is not of this server; \
         send `initialize`",
        None,
        &envelope.id,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_remembers_a_fixed_number_of_ended_sessions() {
        let ended = EndedSessions::default();
        for _ in 0..ENDED * 3 {
            let unable = ClientAbilities::default();
            let nobody = Principal::Anonymous;
            ended.add(SessionId::new(
                ProtocolVersion::V_2025_11_25,
                unable,
                &nobody,
            ));
        }
        assert_eq!(ended.lock().len(), ENDED);
    }
}
