//! One open stream: its client's messages go to rmcp, and rmcp's to its events.

use std::sync::Arc;
use std::time::Instant;

use http_front::BodyPlace;
use rmcp::model::{
    ClientJsonRpcMessage, ErrorData, GetExtensions as _, JsonRpcMessage, ServerJsonRpcMessage,
};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::outlet::{Ended, Outlet};
use crate::mcp::Incoming;
use crate::transport::attended_messages::write_refusal;

/// Why a message of a client was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The stream has ended.
    Ended,
}

impl From<Ended> for Refused {
    fn from(_: Ended) -> Self {
        Self::Ended
    }
}

/// A message of a client that waits for rmcp.
#[derive(Debug)]
struct Posted {
    message: ClientJsonRpcMessage,
    _body_place: BodyPlace,
}

/// The near end of one stream: what its client posts goes in here.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    messages: mpsc::Sender<Posted>,
    outlet: Outlet,
    calls: Arc<Semaphore>,
    most_calls: usize,
}

impl Stream {
    /// A stream whose client may have `most_calls` requests unanswered, and what serves it.
    pub(super) fn new(
        outlet: Outlet,
        most_calls: usize,
        stopping: CancellationToken,
    ) -> (Self, StreamTransport) {
        let (messages, received) = mpsc::channel(most_calls);
        let transport = StreamTransport {
            received,
            outlet: outlet.clone(),
            stopping,
        };
        let stream = Self {
            messages,
            outlet,
            calls: Arc::new(Semaphore::new(most_calls)),
            most_calls,
        };
        (stream, transport)
    }

    /// Takes a message with what HTTP knows of it, and the place of the body that it came in: that
    /// is kept until a request has been answered. One request too many is answered so.
    ///
    /// # Errors
    /// [`Refused`].
    pub(super) async fn take(
        &self,
        mut message: ClientJsonRpcMessage,
        incoming: Incoming,
        body_place: BodyPlace,
    ) -> Result<(), Refused> {
        if let JsonRpcMessage::Request(request) = &mut message {
            let Ok(place) = Arc::clone(&self.calls).try_acquire_owned() else {
                let message = format!(
                    "{} requests of this stream are unanswered; wait for one of them",
                    self.most_calls
                );
                let error = ErrorData::internal_error(message, None);
                let method = request.request.method();
                write_refusal(&incoming, method, Instant::now(), error.code);
                let answer = ServerJsonRpcMessage::error(error, Some(request.id.clone()));
                return self.outlet.put(to_text(&answer)).map_err(Refused::from);
            };
            let extensions = request.request.extensions_mut();
            extensions.insert(incoming);
            // Whoever answers the request has its extensions until then.
            extensions.insert(Arc::new(place));
            extensions.insert(body_place.clone());
        }
        let posted = Posted {
            message,
            _body_place: body_place,
        };
        self.messages.send(posted).await.map_err(|_| Refused::Ended)
    }

    /// Writes an answer that was made elsewhere.
    ///
    /// # Errors
    /// [`Refused`].
    pub(super) fn say(&self, answer: &str) -> Result<(), Refused> {
        // An event's data ends at a line's end, and JSON has none but between its tokens.
        let one_line = answer.replace(['\r', '\n'], " ");
        self.outlet.put(one_line).map_err(Refused::from)
    }
}

fn to_text(message: &ServerJsonRpcMessage) -> String {
    serde_json::to_string(message)
        .unwrap_or_else(|error| unreachable!("a message of MCP has string keys alone: {error}"))
}

/// The far end of one stream, for rmcp.
#[derive(Debug)]
pub(super) struct StreamTransport {
    received: mpsc::Receiver<Posted>,
    outlet: Outlet,
    stopping: CancellationToken,
}

impl Transport<RoleServer> for StreamTransport {
    type Error = Ended;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Ended>> + Send + 'static {
        let put = self.outlet.put(to_text(&message));
        async move { put }
    }

    /// Ends when the server stops: rmcp then waits a few seconds for the calls that run.
    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        tokio::select! {
            posted = self.received.recv() => posted.map(|posted| posted.message),
            () = self.stopping.cancelled() => None,
        }
    }

    async fn close(&mut self) -> Result<(), Ended> {
        Ok(())
    }
}
