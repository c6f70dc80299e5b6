//! The way of one request's messages to its client and back, for rmcp.

use std::collections::HashMap;
use std::sync::Arc;

use rmcp::model::{
    ClientJsonRpcMessage, JsonRpcMessage, RequestId, ServerJsonRpcMessage, ServerNotification,
};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::open_questions::{AskedClient, OpenQuestions, QuestionPlace, TooManyQuestions};

/// The way of one request: rmcp receives the request and the answers to what it asks on the way,
/// and what it sends goes into the answer's stream. It ends behind the answer.
#[derive(Debug)]
pub(super) struct RequestTransport {
    request: Option<ClientJsonRpcMessage>,
    sent: mpsc::Sender<ServerJsonRpcMessage>,
    answered: CancellationToken,
    questions: Arc<OpenQuestions>,
    asked: AskedClient,
    /// The places of the questions that are open, by their ids for rmcp.
    open: HashMap<RequestId, QuestionPlace>,
    answers: mpsc::UnboundedReceiver<ClientJsonRpcMessage>,
    answers_to_here: mpsc::UnboundedSender<ClientJsonRpcMessage>,
}

/// Why a message did not go its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsent {
    /// The client has gone.
    #[error("the client has gone")]
    Gone,
    /// It is a question, and no more of those are taken.
    #[error(transparent)]
    TooManyQuestions(#[from] TooManyQuestions),
}

impl RequestTransport {
    /// The way of this request, to `sent`.
    pub(super) fn new(
        request: ClientJsonRpcMessage,
        asked: AskedClient,
        questions: Arc<OpenQuestions>,
        sent: mpsc::Sender<ServerJsonRpcMessage>,
    ) -> Self {
        let (answers_to_here, answers) = mpsc::unbounded_channel();
        Self {
            request: Some(request),
            sent,
            answered: CancellationToken::new(),
            questions,
            asked,
            open: HashMap::new(),
            answers,
            answers_to_here,
        }
    }

    /// Gives questions the ids under which their answers come back; rmcp numbers those of each
    /// request from zero.
    fn address(&mut self, message: &mut ServerJsonRpcMessage) -> Result<(), TooManyQuestions> {
        match message {
            JsonRpcMessage::Request(question) => {
                let own_id = question.id.clone();
                let answers = self.answers_to_here.clone();
                let asked = self.asked.clone();
                let place = self.questions.open(asked, own_id.clone(), answers)?;
                question.id = place.id();
                self.open.insert(own_id, place);
            }
            JsonRpcMessage::Notification(notification) => {
                if let ServerNotification::CancelledNotification(given_up) =
                    &mut notification.notification
                    && let Some(id) = &mut given_up.params.request_id
                    && let Some(place) = self.open.remove(id)
                {
                    *id = place.id();
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        Ok(())
    }
}

/// Whether a message is the answer, behind which there is nothing.
pub(super) fn is_answer(message: &ServerJsonRpcMessage) -> bool {
    matches!(
        message,
        JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_)
    )
}

impl Transport<RoleServer> for RequestTransport {
    type Error = Unsent;

    fn send(
        &mut self,
        mut message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Unsent>> + Send + 'static {
        let addressed = self.address(&mut message);
        let is_last = is_answer(&message);
        let (sent, answered) = (self.sent.clone(), self.answered.clone());
        async move {
            addressed?;
            let went = sent.send(message).await;
            if is_last {
                answered.cancel();
            }
            went.map_err(|_| Unsent::Gone)
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        if let Some(request) = self.request.take() {
            return Some(request);
        }
        tokio::select! {
            () = self.answered.cancelled() => None,
            answer = self.answers.recv() => {
                let own_id = match &answer {
                    Some(JsonRpcMessage::Response(response)) => Some(&response.id),
                    Some(JsonRpcMessage::Error(error)) => error.id.as_ref(),
                    _ => None,
                };
                if let Some(own_id) = own_id {
                    self.open.remove(own_id);
                }
                answer
            }
        }
    }

    async fn close(&mut self) -> Result<(), Unsent> {
        Ok(())
    }
}
