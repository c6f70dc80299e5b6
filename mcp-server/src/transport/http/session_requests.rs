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
use super::envelope::PROTOCOL_VERSION;
use super::refusal::{self, INTERNAL_ERROR};
use super::session_id::{SessionCaller, SessionId};
use crate::mcp::{Incoming, McpServer, WayBack};
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

    /// A session is its id; those that have ended do not come here.
    fn has_session(
        &self,
        id: &SessionText,
    ) -> impl Future<Output = Result<bool, NotInSession>> + Send {
        ready(Ok(id.parse::<SessionId>().is_ok()))
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
        let asked = SessionCaller {
            session: id.to_string(),
            principal: incoming.principal.clone(),
        };
        if subscribes || unsubscribes {
            let listener = self.changes.listen(asked.clone());
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
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use prometheus_client::metrics::gauge::Gauge;

    use super::super::incoming;
    use super::super::stream_places::StreamPlaces;
    use super::*;
    use crate::call::{Call, ClientAbilities, Severity};
    use crate::config::Config;
    use crate::mcp::Catalogue;
    use crate::services::Services;
    use crate::tools::{Effect, Output, Registry, Tool, ToolFailure};

    /// A tool that has something to say to its client's log.
    struct Logging;

    impl Tool for Logging {
        const NAME: &'static str = "log";
        const TITLE: &'static str = "Log";
        const DESCRIPTION: &'static str = "Log a word.";
        const EFFECT: Effect = Effect::Reads;
        const LOGS: bool = true;
        type Arguments = Value;

        fn input_schema() -> Value {
            json!({"type": "object"})
        }

        fn output_schema() -> Value {
            json!({})
        }

        async fn run(_: &Services, call: &Call, _: Value) -> Result<Output, ToolFailure> {
            call.log.log(Severity::Debug, "debug").await;
            call.log.log(Severity::Info, "info").await;
            Ok(Output::new(&json!({}), "logged"))
        }
    }

    /// A tool that is not called before its user says yes.
    struct Destroying;

    impl Tool for Destroying {
        const NAME: &'static str = "destroy";
        const TITLE: &'static str = "Destroy";
        const DESCRIPTION: &'static str = "Destroy nothing.";
        const EFFECT: Effect = Effect::Destroys;
        type Arguments = Value;

        fn input_schema() -> Value {
            json!({"type": "object"})
        }

        fn output_schema() -> Value {
            json!({})
        }

        async fn run(_: &Services, _: &Call, _: Value) -> Result<Output, ToolFailure> {
            Err(ToolFailure::new("not_confirmed", "ask").with_question("Really?"))
        }
    }

    fn requests() -> SessionRequests {
        let nowhere = [
            "mcp-server",
            "--postgres-port=1",
            "--spark-remote=sc://127.0.0.1:1",
            "--spark-master-rest=http://127.0.0.1:1",
            "--spark-master-ui=http://127.0.0.1:1",
        ];
        let services = Services::new(&Config::parse_from(nowhere)).expect("good settings");
        let catalogue = Catalogue {
            tools: Registry::default().with::<Destroying>().with::<Logging>(),
            ..Catalogue::default()
        };
        let server = McpServer::new(
            Arc::new(catalogue),
            Arc::new(services),
            Arc::default(),
            CancellationToken::new(),
            incoming::find,
        );
        let places = StreamPlaces::new(1, Gauge::default());
        let changes = ChangeStreams::new(places, CancellationToken::new());
        SessionRequests::new(server, Arc::default(), Arc::new(changes))
    }

    /// A request in the session, as rmcp's front hands it on, and the place for its whole answer.
    fn request(session: &SessionId, method: &str, params: &Value) -> Asking {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut message = serde_json::from_value(message).expect("a request");
        let whole = WholeAnswer::default();
        if let ClientJsonRpcMessage::Request(request) = &mut message {
            let mut head = http::Request::new(());
            head.extensions_mut().insert(session.clone());
            head.extensions_mut().insert(whole.clone());
            head.extensions_mut().insert(Incoming {
                session: Some(session.to_string()),
                ..Incoming::default()
            });
            let parts = head.into_parts().0;
            request.request.extensions_mut().insert(parts);
        }
        Asking { message, whole }
    }

    struct Asking {
        message: ClientJsonRpcMessage,
        whole: WholeAnswer,
    }

    /// A session whose client can ask its user.
    fn session() -> SessionId {
        let abilities = ClientAbilities {
            elicitation: true,
            ..ClientAbilities::default()
        };
        SessionId::new(ProtocolVersion::V_2025_11_25, abilities)
    }

    /// The messages that come for a request, the whole answer among them.
    async fn messages(
        requests: &SessionRequests,
        session: &SessionId,
        method: &str,
        params: Value,
    ) -> Vec<Value> {
        let id = SessionText::from(session.to_string());
        let Asking { message, whole } = request(session, method, &params);
        let events = requests.create_stream(&id, message).await;
        let events: Vec<_> = events.expect("a stream").collect().await;
        let told = events.into_iter().filter_map(|event| event.message);
        let told = told.map(|told| serde_json::to_value(&*told).expect("JSON"));
        let whole = whole.take();
        let whole = whole.map(|whole| serde_json::to_value(whole).expect("JSON"));
        told.chain(whole).collect()
    }

    #[tokio::test]
    async fn it_tells_the_log_of_a_session_what_its_client_has_asked_for() {
        let (requests, session) = (requests(), session());
        let call = json!({"name": "log", "arguments": {}});
        let unasked = messages(&requests, &session, "tools/call", call.clone()).await;
        assert_eq!(unasked.len(), 1, "{unasked:?}");
        let level = json!({"level": "info"});
        let set = messages(&requests, &session, "logging/setLevel", level).await;
        assert_eq!(set[0]["result"], json!({}), "{set:?}");
        let told = messages(&requests, &session, "tools/call", call).await;
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(told[0]["method"], json!("notifications/message"));
        let logged = json!({"level": "info", "logger": "portcullis", "data": "info"});
        assert_eq!(told[0]["params"], logged);
        assert_eq!(told[1]["id"], json!(1));
    }

    #[tokio::test]
    async fn it_gives_up_the_question_of_a_client_that_goes_away() {
        let (requests, session) = (requests(), session());
        let id = SessionText::from(session.to_string());
        let call = json!({"name": "destroy", "arguments": {}});
        let asking = request(&session, "tools/call", &call);
        let stream = requests.create_stream(&id, asking.message).await;
        let mut stream = Box::pin(stream.expect("a stream"));
        let first = stream.next().await.expect("a question");
        let question = first.message.as_deref();
        assert!(matches!(question, Some(JsonRpcMessage::Request(_))));
        assert_eq!(requests.questions.count(), 1);
        drop(stream);
        while requests.questions.count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
