//! One JSON-RPC request to an MCP server over streamable HTTP, in either era of the protocol.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway_document::ServerAbout;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::connection::{Answer, Connector, MOST_BYTES_AFTER_HEAD};
use super::era::Era;
use super::list_error::ListError;
use super::sse::EventReader;
use super::way::Way;
use crate::aside;
use crate::secrets::SecretKeeper;

/// The tools of one server, as it listed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The URL of the endpoint that answered.
    pub endpoint: String,
    /// The revision of MCP that was spoken.
    pub protocol: String,
    /// The words of the server about itself.
    pub about: ServerAbout,
    /// Its tools in its order.
    pub tools: Vec<store::RawTool>,
}

/// Asks servers for their tools.
#[derive(Debug, Clone)]
pub struct CatalogueClient {
    connector: Connector,
    pub(super) secrets: Option<Arc<SecretKeeper>>,
    /// How the server in hand is reached.
    pub(super) way: Arc<Way>,
    /// How long one endpoint may take for its whole list.
    pub(super) list_within: Duration,
}

/// A reply longer than this is not a list of tools.
const MOST_BYTES: usize = 16 << 20;
const _: () = assert!(2 * MOST_BYTES <= MOST_BYTES_AFTER_HEAD);
/// A reply that is longer is looked through aside: that takes a millisecond and more, in which no
/// Envoy and no operator would be answered. Few lists are longer.
const LONG: usize = 100 << 10;
/// How long one endpoint may take for the whole list, however many answers that is. Each answer has
/// a time of its own, and a server that uses up each of them would be listed for hours, while
/// nobody is told that it is slow. A list of 16 MiB at 3 Mbit/s comes within it.
pub(super) const LIST_WITHIN: Duration = Duration::from_secs(60);

/// A result, and the headers that came with it.
pub(super) struct Reply {
    pub(super) result: Box<RawValue>,
    pub(super) headers: HeaderMap,
}

impl Default for CatalogueClient {
    fn default() -> Self {
        Self::new()
    }
}

impl CatalogueClient {
    /// A client that connects directly, as Envoy does.
    #[must_use]
    pub fn new() -> Self {
        Self::reaching(|_| true)
    }

    /// A client that finds nobody at a port of which `ports` does not say that it is there.
    #[must_use]
    pub fn reaching(ports: fn(u16) -> bool) -> Self {
        Self {
            connector: Connector::new(ports),
            secrets: None,
            way: Arc::default(),
            list_within: LIST_WITHIN,
        }
    }

    /// The same client with the secrets of a gateway.
    #[must_use]
    pub fn believing(mut self, secrets: Arc<SecretKeeper>) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Sends a request and waits for its result.
    pub(super) async fn call(
        &self,
        url: &str,
        era: &Era,
        method: &'static str,
        params: Value,
    ) -> Result<Reply, ListError> {
        const ID: i64 = 1;
        let body =
            json!({"jsonrpc": "2.0", "id": ID, "method": method, "params": era.complete(params)});
        let response = self.post(url, era, method, &body).await?;
        let headers = response.headers.clone();
        let text = read_reply(response, url, method, ID).await?;
        let unreadable = |reason: String| ListError::Unreadable {
            url: url.to_owned(),
            method,
            reason,
        };
        let (message, is_repeated) = look_through(text, Arc::clone(&self.way)).await;
        // The words of the parser repeat those that it does not understand.
        let message = message.map_err(|error| unreadable(self.way.words(&error.to_string())))?;
        match (message.result, message.error) {
            (Some(_), None) if is_repeated => Err(ListError::Repeats {
                url: url.to_owned(),
                method,
            }),
            (Some(result), None) => Ok(Reply { result, headers }),
            (_, Some(error)) => Err(self.refused(url, method, &error)),
            (None, None) => Err(unreadable("neither a result nor an error".to_owned())),
        }
    }

    fn refused(&self, url: &str, method: &'static str, error: &ErrorObject) -> ListError {
        ListError::Refused {
            url: url.to_owned(),
            method,
            code: error.code,
            message: self.way.words(&error.message),
        }
    }

    /// Sends a notification; its answer has no content.
    pub(super) async fn notify(
        &self,
        url: &str,
        era: &Era,
        method: &'static str,
    ) -> Result<(), ListError> {
        self.post(
            url,
            era,
            method,
            &json!({"jsonrpc": "2.0", "method": method}),
        )
        .await?;
        Ok(())
    }

    /// Ends a session. A server that cannot, forgets it by itself.
    pub(super) async fn end(&self, url: &str, era: &Era) {
        if let Era::Session {
            session: Some(_), ..
        } = era
        {
            let asked = self.send(url, Method::DELETE, era.headers(""), Bytes::new());
            if let Err(error) = asked.await {
                tracing::debug!(url, %error, "could not end the session");
            }
        }
    }

    /// Sends a request on the way to the server in hand.
    async fn send(
        &self,
        url: &str,
        method: Method,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, ListError> {
        if let Some(credential) = &self.way.credential {
            headers.insert(&credential.header, credential.value.clone());
        }
        let request = Request::builder().method(method).uri(url);
        let mut request = request.body(Full::new(body)).map_err(|error| {
            let url = url.to_owned();
            let source = Box::new(error);
            ListError::Unreachable { url, source }
        })?;
        *request.headers_mut() = headers;
        let answer = self.connector.send(self.way.tls.as_ref(), request).await;
        answer.map_err(|error| ListError::at(url, error))
    }

    /// Sends a message; gives the response where it is a success.
    pub(super) async fn post(
        &self,
        url: &str,
        era: &Era,
        method: &'static str,
        body: &Value,
    ) -> Result<Answer, ListError> {
        let body = Bytes::from(body.to_string());
        let asked = self.send(url, Method::POST, era.headers(method), body);
        let response = asked.await?;
        let status = response.status;
        if status.is_success() {
            return Ok(response);
        }
        // Errors of the protocol come with a status of their own and JSON-RPC in the body, from
        // which more is learnt.
        let text = read_body(response, url, method).await.unwrap_or_default();
        let bytes = text.len();
        let read = move || serde_json::from_slice::<Message>(&text);
        match aside_if_long(bytes, read).await {
            Ok(Message {
                error: Some(error), ..
            }) => Err(self.refused(url, method, &error)),
            _ => Err(ListError::Status {
                url: url.to_owned(),
                method,
                status,
            }),
        }
    }
}

#[derive(Deserialize)]
struct Message {
    /// As it is written: a server may answer with anything.
    id: Option<Box<RawValue>>,
    result: Option<Box<RawValue>>,
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
struct ErrorObject {
    code: i64,
    message: String,
}

/// The one message that answers the request: the body, or the event of a stream that carries the
/// id.
async fn read_reply(
    mut response: Answer,
    url: &str,
    method: &'static str,
    id: i64,
) -> Result<Vec<u8>, ListError> {
    let content_type = response
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|value| value.starts_with("text/event-stream")) {
        return read_body(response, url, method).await;
    }
    let mut events = EventReader::default();
    let mut read = 0;
    while let Some(chunk) = next_chunk(&mut response, url).await? {
        read = within_bounds(read + chunk.len(), url, method)?;
        for event in events.push(&chunk) {
            // Notifications and requests of the server may come first.
            let bytes = event.len();
            let look = move || Some(event).filter(|event| answers(event, id));
            if let Some(event) = aside_if_long(bytes, look).await {
                return Ok(event);
            }
        }
    }
    Err(ListError::Unreadable {
        url: url.to_owned(),
        method,
        reason: "the event stream ended without a reply".to_owned(),
    })
}

/// Whether an event of a stream is the answer to the request with this id.
fn answers(event: &[u8], id: i64) -> bool {
    serde_json::from_slice::<Message>(event).is_ok_and(|message| {
        let is_its = message.id.is_some_and(|own| own.get() == id.to_string());
        is_its && (message.result.is_some() || message.error.is_some())
    })
}

/// Reads a reply, and tells whether it repeats the credential that the server was shown.
async fn look_through(text: Vec<u8>, way: Arc<Way>) -> (serde_json::Result<Message>, bool) {
    let bytes = text.len();
    let look = move || (serde_json::from_slice(&text), way.is_repeated_in(&text));
    aside_if_long(bytes, look).await
}

/// Works on so many bytes of a server's, aside if they are many.
async fn aside_if_long<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes <= LONG {
        work()
    } else {
        aside::run_on_answer(work).await
    }
}

async fn read_body(
    mut response: Answer,
    url: &str,
    method: &'static str,
) -> Result<Vec<u8>, ListError> {
    let mut body = Vec::new();
    while let Some(chunk) = next_chunk(&mut response, url).await? {
        within_bounds(body.len() + chunk.len(), url, method)?;
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

async fn next_chunk(response: &mut Answer, url: &str) -> Result<Option<Bytes>, ListError> {
    let chunk = response.chunk().await;
    chunk.map_err(|error| ListError::at(url, error))
}

fn within_bounds(bytes: usize, url: &str, method: &'static str) -> Result<usize, ListError> {
    if bytes <= MOST_BYTES {
        return Ok(bytes);
    }
    Err(ListError::Unreadable {
        url: url.to_owned(),
        method,
        reason: format!("the reply is longer than {MOST_BYTES} bytes"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_looks_through_a_long_reply_aside_from_the_threads_that_serve() {
        let reply = |bytes: usize| {
            let text = format!(r#"{{"id":1,"result":"{}"}}"#, "x".repeat(bytes));
            Box::pin(look_through(text.into_bytes(), Arc::default()))
        };
        let (message, is_repeated) = reply(10).await;
        assert!(message.is_ok() && !is_repeated);
        assert!(futures::poll!(reply(10)).is_ready());
        // It is not read by the thread that asks for it, which goes on meanwhile.
        let mut long = reply(8 << 20);
        assert!(futures::poll!(&mut long).is_pending());
        assert!(long.await.0.is_ok());
    }
}
