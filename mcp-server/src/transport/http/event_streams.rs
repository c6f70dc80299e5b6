//! The old pair of requests: an event stream that a client opens and keeps, and a POST for each of
//! its messages, whose answers come on the stream (MCP 2024-11-05, transports, "HTTP with SSE").
//!
//! `GET /sse` goes with `POST /messages?sessionId=…`, `GET /mcp/sse` with `POST
//! /mcp/messages/?sessionId=…`. It is for clients that know nothing newer.

mod outlet;
mod stream;
mod streams;

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use fair_shares::NoPlace;
use futures::Stream;
use http::{HeaderName, HeaderValue, StatusCode};
use http_front::{AnswerBudget, BodyPlace, BodyReader};
use request_envelope::Envelope;
use request_envelope::refusal::{self, INTERNAL_ERROR, INVALID_REQUEST, PARSE_ERROR};
use rmcp::model::ClientJsonRpcMessage;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::allowed_names::AllowedNames;
use super::deadline::{self, RequestDeadline};
use super::incoming::is_event_stream;
use super::principals::PrincipalHeader;
use super::{account, repairs};
use crate::call::AuditMark;
use crate::mcp::{Incoming, WayBack};
use stream::Refused;
pub(super) use streams::Streams;

/// How often a stream without events says that it is there: a proxy, or a client's read time-out,
/// that ends silent connections usually waits for 30 s or more.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The gateway sets it on a POST whose body is its own answer to the message that it refused: the
/// client reads answers on its stream alone. It is no right: whoever has a stream writes to that
/// stream alone, and may call tools on it anyway.
const ANSWERED_BEFORE: HeaderName = HeaderName::from_static("x-portcullis-answered");

/// The routes of the pair.
pub(super) fn routes(
    streams: Arc<Streams>,
    principals: PrincipalHeader,
    allowed_names: AllowedNames,
    reader: BodyReader,
    answers: AnswerBudget,
) -> Router {
    Router::new()
        .route("/messages", post(receive))
        .route("/mcp/messages/", post(receive))
        .layer(from_fn_with_state(reader, receive_whole))
        .route("/sse", get(open_beside_messages))
        .route("/mcp/sse", get(open_below_mcp))
        .layer(map_response(move |response: Response| {
            ready(match is_event_stream(response.headers()) {
                true => answers.count_pieces(response),
                false => response,
            })
        }))
        .layer(from_fn_with_state(allowed_names, admit))
        .layer(from_fn_with_state(principals, account::layer))
        .with_state(streams)
}

/// Middleware: reads the message, and keeps its time.
async fn receive_whole(State(reader): State<BodyReader>, request: Request, next: Next) -> Response {
    let in_time = |request| deadline::keep(request, |request| next.run(request));
    repairs::repair(&reader, request, in_time).await
}

/// Middleware: answers 403 to a `Host` or `Origin` that the streamable endpoint would not hear.
async fn admit(State(names): State<AllowedNames>, request: Request, next: Next) -> Response {
    if names.check(request.uri(), request.headers()).await.is_ok() {
        return next.run(request).await;
    }
    refuse(
        StatusCode::FORBIDDEN,
        "this server does not answer to that `Host` or `Origin`; its operator names those that it \
         does in MCP_ALLOWED_HOSTS and MCP_ALLOWED_ORIGINS",
    )
}

async fn open_beside_messages(State(streams): State<Arc<Streams>>, get: Request) -> Response {
    open(&streams, &get, "/messages")
}

async fn open_below_mcp(State(streams): State<Arc<Streams>>, get: Request) -> Response {
    open(&streams, &get, "/mcp/messages/")
}

/// Opens a stream, whose first event names the path for the client's messages.
fn open(streams: &Arc<Streams>, get: &Request, messages: &str) -> Response {
    let Incoming {
        principal: owner,
        claimant,
        ..
    } = account::note_session(get.extensions(), None);
    let opened = match streams.open(owner, claimant) {
        Ok(opened) => opened,
        Err(none) => {
            let most = streams.places.most();
            let why = match none {
                NoPlace::AllTaken => format!("all {most} event streams of this server are open"),
                NoPlace::ShareTaken => format!(
                    "this caller has its share of the {most} event streams of this server open: \
                     half of what others leave"
                ),
            };
            let message =
                format!("{why}; try again in a few seconds, or connect to /mcp, which needs none");
            return refuse(StatusCode::SERVICE_UNAVAILABLE, &message);
        }
    };
    let path = format!("{messages}?sessionId={}", opened.id);
    let endpoint = Event::default().event("endpoint").data(path);
    respond(opened.events(endpoint))
}

/// The response that is a stream of these events.
pub(super) fn respond(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let mut response = Sse::new(futures::StreamExt::map(events, Ok::<_, Infallible>))
        .keep_alive(KeepAlive::new().interval(HEARTBEAT))
        .into_response();
    // Some proxies collect an answer unless they are told.
    let unbuffered = HeaderValue::from_static("no");
    response
        .headers_mut()
        .insert("x-accel-buffering", unbuffered);
    response
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    session_id: String,
}

/// Takes a message of the client whose stream this is; the answer comes there.
async fn receive(
    State(streams): State<Arc<Streams>>,
    session: Result<Query<Session>, QueryRejection>,
    request: Request,
) -> Response {
    let Ok(Query(Session {
        session_id: session,
    })) = session
    else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "name the stream that the answer is to come on: GET /sse opens one, and its first \
             event has the address for its messages, /messages?sessionId=…",
        );
    };
    let (parts, body) = request.into_parts();
    let principal = account::caller(&parts.extensions);
    let Some(stream) = streams.find(&session, &principal) else {
        return refuse(
            StatusCode::NOT_FOUND,
            "there is no such event stream: it has ended, is another caller's, or is not of this \
             server; open one anew",
        );
    };
    let Ok(body) = axum::body::to_bytes(body, super::MAX_REQUEST_BYTES).await else {
        return refuse(StatusCode::BAD_REQUEST, "the request's body broke off");
    };
    let taken = if parts.headers.contains_key(ANSWERED_BEFORE) {
        match serde_json::from_slice::<Box<RawValue>>(&body) {
            Ok(answer) => stream.say(answer.get()),
            Err(_) => return unreadable(&body),
        }
    } else {
        let Ok(message) = serde_json::from_slice::<ClientJsonRpcMessage>(&body) else {
            return unreadable(&body);
        };
        let deadline = parts.extensions.get::<RequestDeadline>();
        let incoming = Incoming {
            session: Some(session),
            deadline: deadline.map(|deadline| deadline.call),
            takes_short_answers: true,
            way_back: WayBack::Peer,
            // The answer leaves by the stream, which has its own account of it.
            audit: AuditMark::default(),
            ..account::note_session(&parts.extensions, None)
        };
        let body_place = parts.extensions.get::<BodyPlace>();
        let body_place = body_place.cloned().unwrap_or_default();
        stream.take(message, incoming, body_place).await
    };
    match taken {
        Ok(()) => (StatusCode::ACCEPTED, "Accepted").into_response(),
        Err(Refused::Ended) => refuse(
            StatusCode::GONE,
            "the event stream of this session has ended; open one anew",
        ),
    }
}

fn unreadable(body: &Bytes) -> Response {
    let Envelope { id, .. } = Envelope::read(body);
    let (code, message) = match serde_json::from_slice::<serde::de::IgnoredAny>(body) {
        Ok(_) => (INVALID_REQUEST, "the body is no message of JSON-RPC 2.0"),
        Err(_) => (PARSE_ERROR, "the body is not JSON"),
    };
    refusal::answer(StatusCode::BAD_REQUEST, code, message, None, &id)
}

fn refuse(status: StatusCode, message: &str) -> Response {
    let code = match status.is_server_error() {
        true => INTERNAL_ERROR,
        false => INVALID_REQUEST,
    };
    refusal::answer(status, code, message, None, &Value::Null)
}
