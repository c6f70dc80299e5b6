//! One stream from its first message to its end.

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse,
};
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};

use super::convert;
use crate::{
    NodeId, Publisher,
    fleet::{Admission, StreamEnd, TooManyStreams, lock},
    publisher::Closing,
    session::{DeltaResponse, Standing, TooManyNames},
};

type Responses = mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>;

/// Serves a stream. Its end by the Envoy is `Ok`; an error is to be told to the Envoy.
pub(super) async fn hold(
    publisher: &Publisher,
    mut requests: Streaming<DeltaDiscoveryRequest>,
    responses: &Responses,
) -> Result<(), Status> {
    let mut closing = publisher.closing();
    let first = tokio::select! {
        first = requests.message() => first?,
        stopping = stopping(&mut closing) => return Err(stopping),
    };
    let Some(first) = first else {
        return Ok(());
    };
    let identity = convert::identity(first.node.as_ref())?;
    let shows = convert::first_request(&first)?;
    let id = identity.id.clone();
    let user_agent = identity.user_agent.clone();
    let admission = publisher
        .connect(identity, shows)
        .map_err(|TooManyStreams| {
            Status::resource_exhausted(
                "too many streams are open under this `node.id`: give each Envoy a `node.id` of \
                 its own in its bootstrap",
            )
        })?;
    tracing::info!(node = %id, user_agent, "envoy connected");
    let conversation = Conversation {
        publisher,
        admission,
        id: id.clone(),
        requests,
        responses,
        closing,
        reported: None,
        end: StreamEnd::ByEnvoy,
    };
    let outcome = conversation.run(first).await;
    match &outcome {
        Ok(()) => tracing::info!(node = %id, "envoy disconnected"),
        Err(status) => tracing::info!(node = %id, reason = status.message(), "stream ended"),
    }
    outcome
}

struct Conversation<'a> {
    publisher: &'a Publisher,
    admission: Admission,
    id: NodeId,
    requests: Streaming<DeltaDiscoveryRequest>,
    responses: &'a Responses,
    closing: watch::Receiver<Closing>,
    reported: Option<Standing>,
    end: StreamEnd,
}

/// The Envoy counts as gone however the conversation ends, be it by a panic.
impl Drop for Conversation<'_> {
    fn drop(&mut self) {
        self.publisher
            .disconnect(&self.id, self.admission.stream, self.end);
    }
}

impl Conversation<'_> {
    /// Whatever happens, the session takes it in and says what goes out.
    async fn run(mut self, first: DeltaDiscoveryRequest) -> Result<(), Status> {
        self.take_assignment();
        self.take_request(first)?;
        loop {
            let (due, standing, deadline) = {
                let mut session = lock(&self.admission.session);
                let due = session.poll(self.publisher.clock().now());
                (due, session.standing().clone(), session.next_deadline())
            };
            self.report(standing);
            for response in due {
                self.send(response).await?;
            }
            tokio::select! {
                request = self.requests.message() => match request? {
                    Some(request) => self.take_request(request)?,
                    None => return Ok(()),
                },
                changed = self.admission.assignment.changed() => match changed {
                    Ok(()) => self.take_assignment(),
                    Err(_) => return Ok(()),
                },
                () = self.publisher.clock().wait_until(deadline) => {}
                stopping = stopping(&mut self.closing) => {
                    self.end = StreamEnd::ByUs;
                    return Err(stopping);
                }
            }
        }
    }

    fn take_assignment(&mut self) {
        let assigned = self.admission.assignment.borrow_and_update().clone();
        if let Some(snapshot) = assigned.snapshot {
            lock(&self.admission.session).assign(snapshot, assigned.ack_deadline, assigned.number);
        }
    }

    fn take_request(&self, request: DeltaDiscoveryRequest) -> Result<(), Status> {
        let Some(request) = convert::request(request)? else {
            return Ok(());
        };
        let answer = request.answer.as_ref();
        if let Some(message) = answer.and_then(|answer| answer.rejection.as_ref()) {
            tracing::warn!(
                node = %self.id,
                resource_type = %request.resource_type,
                message,
                "envoy rejected a response"
            );
        }
        lock(&self.admission.session)
            .request(request, self.publisher.clock().now())
            .map_err(|TooManyNames| {
                Status::resource_exhausted(
                    "the stream asks for more names than this control plane keeps for one envoy",
                )
            })
    }

    fn report(&mut self, standing: Standing) {
        if self.reported.as_ref() == Some(&standing) {
            self.publisher.tell_change();
        } else {
            self.publisher
                .report(&self.id, self.admission.stream, standing.clone());
            self.reported = Some(standing);
        }
    }

    /// Waits for the transport if the Envoy is slow; that holds up this conversation and no other.
    async fn send(&mut self, response: DeltaResponse) -> Result<(), Status> {
        let message = convert::response(response);
        tokio::select! {
            sent = self.responses.send(Ok(message)) => {
                sent.map_err(|_| Status::cancelled("the envoy has left"))
            }
            stopping = stopping(&mut self.closing) => {
                self.end = StreamEnd::ByUs;
                Err(stopping)
            }
        }
    }
}

async fn stopping(closing: &mut watch::Receiver<Closing>) -> Status {
    // An error means that the publisher is gone, which is a stop too.
    let _ = closing.wait_for(|closing| *closing == Closing::Yes).await;
    Status::unavailable("the control plane is stopping: reconnect")
}
