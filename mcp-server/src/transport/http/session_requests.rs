//! The requests of sessions, each served by rmcp over a way of its own to the client.
//!
//! rmcp's sessions keep a worker each. This server's keep nothing, so every request is served by
//! itself; what the server has to say or to ask before the answer makes the answer an event stream,
//! and the client's answers to questions come by requests of their own. An answer before which
//! nothing was said is one JSON object.

mod open_questions;
mod request_transport;

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures::stream::{self, Pending, Stream, StreamExt as _};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use request_envelope::refusal::{self, INTERNAL_ERROR};
use request_envelope::{PROTOCOL_VERSION, SessionId};
use rmcp::model::{
    ClientCapabilities, ClientJsonRpcMessage, ClientRequest, GetExtensions as _, Implementation,
    InitializeRequestParams, JsonRpcMessage, JsonRpcRequest, ProtocolVersion, ServerJsonRpcMessage,
};
use rmcp::service::serve_directly_with_ct;
use rmcp::transport::streamable_http_server::session::never::NeverTransport;
use rmcp::transport::streamable_http_server::session::{
    ServerSseMessage, SessionId as SessionText, SessionManager,
};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Mcp;
use super::change_streams::ChangeStreams;
use crate::mcp::{Incoming, McpServer, WayBack};
use open_questions::AskedClient;
pub(super) use open_questions::OpenQuestions;
use request_transport::{RequestTransport, is_answer};

/// Messages of one request that wait for its client; whoever has more to say waits too.
const WAITING_MESSAGES: usize = 16;

/// rmcp's sessions, as far as this server has them.
#[derive(Clone)]
pub(super) struct SessionRequests {
    server: McpServer,
    questions: Arc<OpenQuestions>,
    changes: Arc<ChangeStreams>,
}

/// A request of no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotInSession {
    /// Sessions begin without it.
    #[error("sessions are begun elsewhere")]
    NotHere,
    /// Nothing came back for a request: its service ended before it.
    #[error("the request was not answered")]
    Unanswered,
}

impl SessionRequests {
    /// The requests of sessions, for `server`.
    pub(super) fn new(
        server: McpServer,
        questions: Arc<OpenQuestions>,
        changes: Arc<ChangeStreams>,
    ) -> Self {
        Self {
            server,
            questions,
            changes,
        }
    }
}

/// The place for an answer before which nothing was said; among a request's extensions.
#[derive(Debug, Clone, Default)]
struct WholeAnswer(Arc<Mutex<Option<ServerJsonRpcMessage>>>);

impl WholeAnswer {
    fn put(&self, answer: ServerJsonRpcMessage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
    }

    fn take(&self) -> Option<ServerJsonRpcMessage> {
        let mut answer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answer.take()
    }
}

impl SessionManager for SessionRequests {
    type Error = NotInSession;
    type Transport = NeverTransport;

    fn create_session(
        &self,
    ) -> impl Future<Output = Result<(SessionText, NeverTransport), NotInSession>> + Send {
        ready(Err(NotInSession::NotHere))
    }

    fn initialize_session(
        &self,
        _id: &SessionText,
        _message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<ServerJsonRpcMessage, NotInSession>> + Send {
        ready(Err(NotInSession::NotHere))
    }

    /// A session is its id; those that have ended, or are another caller's, do not come here.
    fn has_session(
        &self,
        _id: &SessionText,
    ) -> impl Future<Output = Result<bool, NotInSession>> + Send {
        ready(Ok(true))
    }

    fn close_session(
        &self,
        _id: &SessionText,
    ) -> impl Future<Output = Result<(), NotInSession>> + Send {
        ready(Err(NotInSession::NotHere))
    }

    /// Serves one request. Dropping the stream, or this future, cancels what still runs for it.
    async fn create_stream(
        &self,
        id: &SessionText,
        mut message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, NotInSession> {
        let JsonRpcMessage::Request(JsonRpcRequest { request, .. }) = &mut message else {
            return Err(NotInSession::NotHere);
        };
        let subscribes = matches!(request, ClientRequest::SubscribeRequest(_));
        let unsubscribes = matches!(request, ClientRequest::UnsubscribeRequest(_));
        let parts = request.extensions_mut().get_mut::<Parts>();
        let parts = parts.ok_or(NotInSession::NotHere)?;
        let session = parts.extensions.get::<SessionId>();
        let client = introduce(session.ok_or(NotInSession::NotHere)?, &parts.headers);
        let mut incoming = parts.extensions.remove::<Incoming>().unwrap_or_default();
        let asked = AskedClient {
            session: id.to_string(),
            account: incoming.claimant.clone(),
        };
        if subscribes || unsubscribes {
            let listener = self.changes.listen(asked.session.clone());
            incoming.way_back = WayBack::Listener(Arc::new(listener));
        }
        parts.extensions.insert(incoming);
        let whole = parts.extensions.get::<WholeAnswer>().cloned();
        let (sent, mut messages) = mpsc::channel(WAITING_MESSAGES);
        let questions = Arc::clone(&self.questions);
        let transport = RequestTransport::new(message, asked, questions, sent);
        let end = CancellationToken::new();
        let guard = end.clone().drop_guard();
        let serving = serve_directly_with_ct(self.server.clone(), transport, Some(client), end);
        tokio::spawn(serving.waiting());
        let mut first = Some(messages.recv().await.ok_or(NotInSession::Unanswered)?);
        if let Some(answer) = first.take_if(|first| is_answer(first)) {
            whole.unwrap_or_default().put(answer);
        }
        let rest = stream::unfold((messages, guard), |(mut messages, guard)| async {
            let message = messages.recv().await?;
            Some((message, (messages, guard)))
        });
        let messages = stream::iter(first).chain(rest);
        Ok(messages.map(ServerSseMessage::from_message))
    }

    /// The session's own layer hands answers on, and cancels calls; other notifications change
    /// nothing.
    fn accept_message(
        &self,
        _id: &SessionText,
        _message: ClientJsonRpcMessage,
    ) -> impl Future<Output = Result<(), NotInSession>> + Send {
        ready(Ok(()))
    }

    async fn create_standalone_stream(
        &self,
        _id: &SessionText,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, NotInSession> {
        Err::<Pending<_>, _>(NotInSession::NotHere)
    }

    async fn resume(
        &self,
        _id: &SessionText,
        _last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, NotInSession> {
        Err::<Pending<_>, _>(NotInSession::NotHere)
    }
}

/// The client of a session, as its id and this request tell it.
fn introduce(session: &SessionId, headers: &HeaderMap) -> InitializeRequestParams {
    let named = headers.get(PROTOCOL_VERSION);
    let revision = ProtocolVersion::KNOWN_VERSIONS
        .iter()
        .find(|known| named.is_some_and(|named| named == known.as_str()));
    let revision = revision.unwrap_or(&session.revision);
    let capabilities = ClientCapabilities::from(session.abilities);
    InitializeRequestParams::new(capabilities, Implementation::default())
        .with_protocol_version(revision.clone())
}

/// The answer to a request of a session: one JSON object, unless something is said before it.
pub(super) async fn answer(mcp: &Mcp, mut request: Request) -> Response {
    let whole = WholeAnswer::default();
    request.extensions_mut().insert(whole.clone());
    let response = mcp.handle(request).await;
    let Some(answer) = whole.take() else {
        return response.map(Body::new);
    };
    match serde_json::to_vec(&answer) {
        Ok(answer) => {
            let json = HeaderValue::from_static("application/json");
            let mut response = Response::new(Body::from(answer));
            response.headers_mut().insert(CONTENT_TYPE, json);
            response
        }
        Err(error) => {
            let message = format!("the answer cannot be written: {error}");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            refusal::answer(status, INTERNAL_ERROR, &message, None, &Value::Null)
        }
    }
}

#[cfg(test)]
mod tests;
