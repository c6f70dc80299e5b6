//! The messages of one connection, watched on their way: an error gets its line in the audit log
//! where it leaves, if nobody has written one.

use std::collections::HashMap;
use std::time::Instant;

use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ErrorCode, ErrorData, GetExtensions as _,
    GetMeta as _, JsonRpcMessage, RequestId,
};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

use crate::call::Revision;
use crate::mcp::audit::{self, TurnedAway};
use crate::mcp::{Incoming, RequestedMethod, name_of_method};

/// A request that has not been answered.
#[derive(Debug)]
struct OpenRequest {
    incoming: Incoming,
    method: String,
    is_stateless: bool,
    begun: Instant,
}

/// The messages of `T`, watched.
#[derive(Debug)]
pub(super) struct AttendedMessages<T> {
    messages: T,
    /// Makes what is known of a request that came with nothing.
    describe: fn() -> Incoming,
    open: HashMap<RequestId, OpenRequest>,
}

impl<T> AttendedMessages<T> {
    /// Watches `messages`; requests that come without an [`Incoming`] get one of `describe`.
    pub(super) fn new(messages: T, describe: fn() -> Incoming) -> Self {
        Self {
            messages,
            describe,
            open: HashMap::new(),
        }
    }

    fn note(&mut self, message: &mut ClientJsonRpcMessage) {
        match message {
            JsonRpcMessage::Request(request) => {
                let method = request.request.method().to_owned();
                let version = request.request.get_meta().protocol_version();
                let extensions = request.request.extensions_mut();
                let incoming = match extensions.get::<Incoming>() {
                    Some(incoming) => incoming.clone(),
                    None => {
                        let incoming = (self.describe)();
                        extensions.insert(incoming.clone());
                        incoming
                    }
                };
                let open = OpenRequest {
                    incoming,
                    method,
                    is_stateless: Revision::named(version).is_stateless(),
                    begun: Instant::now(),
                };
                self.open.insert(request.id.clone(), open);
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(given_up) =
                    &notification.notification
                    && let Some(id) = &given_up.params.request_id
                {
                    // Nobody answers it any more.
                    self.open.remove(id);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
    }

    fn settle(&mut self, message: &mut TxJsonRpcMessage<RoleServer>) {
        match message {
            JsonRpcMessage::Response(answer) => drop(self.open.remove(&answer.id)),
            JsonRpcMessage::Error(answer) => {
                let open = answer.id.as_ref().and_then(|id| self.open.remove(id));
                if let Some(open) = open {
                    open.end(&mut answer.error);
                }
            }
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => {}
        }
    }
}

impl OpenRequest {
    fn end(self, error: &mut ErrorData) {
        if self.incoming.audit.is_set() {
            return;
        }
        let asked = RequestedMethod {
            name: &self.method,
            is_stateless: self.is_stateless,
        };
        asked.explain(error);
        write_refusal(&self.incoming, &self.method, self.begun, error.code);
    }
}

/// Writes the line of a request that is refused with this code, unless it has one.
pub(super) fn write_refusal(incoming: &Incoming, method: &str, begun: Instant, code: ErrorCode) {
    let how = match code {
        ErrorCode::METHOD_NOT_FOUND => TurnedAway::Unknown,
        _ => TurnedAway::Refused,
    };
    let method = name_of_method(method);
    audit::write_if_missing(incoming, method, begun.elapsed(), (how, code.0.into()));
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for AttendedMessages<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        mut message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), T::Error>> + Send + 'static {
        self.settle(&mut message);
        self.messages.send(message)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let mut message = self.messages.receive().await?;
        self.note(&mut message);
        Some(message)
    }

    async fn close(&mut self) -> Result<(), T::Error> {
        self.messages.close().await
    }
}
