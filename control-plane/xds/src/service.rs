//! The tonic adapter: Envoy's streams in, sessions driven, responses out.

mod convert;

use std::{pin::Pin, time::Instant};

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    aggregated_discovery_service_server::AggregatedDiscoveryService,
};
use futures::Stream;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    NodeId, Publisher,
    fleet::{Admission, lock},
    publisher::Closing,
};

/// How many responses may wait for the transport. More cannot be useful: there is one in flight per type.
const RESPONSES_QUEUED: usize = 8;

/// The aggregated discovery service of a [`Publisher`].
#[derive(Clone, Debug)]
pub struct Ads {
    publisher: Publisher,
}

impl Ads {
    pub(crate) fn new(publisher: Publisher) -> Self {
        Self { publisher }
    }
}

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = Responses<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        _request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented(
            "this control plane speaks the incremental protocol: set `api_type: DELTA_GRPC` in the bootstrap's `ads_config`",
        ))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let (responses, receiver) = mpsc::channel(RESPONSES_QUEUED);
        let publisher = self.publisher.clone();
        tokio::spawn(async move {
            let outcome = converse(&publisher, request.into_inner(), &responses).await;
            if let Err(status) = outcome {
                // The Envoy may be gone; then nobody is left to tell.
                let _ = responses.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// Serves one stream from its first message to its end.
async fn converse(
    publisher: &Publisher,
    mut requests: Streaming<DeltaDiscoveryRequest>,
    responses: &mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>,
) -> Result<(), Status> {
    let mut closing = publisher.closing();
    let first = tokio::select! {
        first = requests.message() => first?,
        _ = closing.wait_for(|closing| *closing == Closing::Yes) => None,
        () = responses.closed() => None,
    };
    let Some(first) = first else {
        return Ok(());
    };
    let identity = convert::identity(first.node.as_ref())?;
    let id = identity.id.clone();
    tracing::info!(node = %id, user_agent = identity.user_agent, "envoy connected");
    let admission = publisher.connect(identity);
    let stream = admission.stream;
    let outcome = drive(
        publisher, &id, admission, first, requests, responses, closing,
    )
    .await;
    publisher.disconnect(&id, stream);
    match &outcome {
        Ok(()) => tracing::info!(node = %id, "envoy disconnected"),
        Err(status) => tracing::info!(node = %id, status = status.message(), "envoy disconnected"),
    }
    outcome
}

/// The stream's loop: whatever happens, the session takes it in and says what goes out.
async fn drive(
    publisher: &Publisher,
    id: &NodeId,
    mut admission: Admission,
    first: DeltaDiscoveryRequest,
    mut requests: Streaming<DeltaDiscoveryRequest>,
    responses: &mpsc::Sender<Result<DeltaDiscoveryResponse, Status>>,
    mut closing: watch::Receiver<Closing>,
) -> Result<(), Status> {
    let mut reported = None;
    if let Some(snapshot) = admission.assignment.borrow_and_update().clone() {
        lock(&admission.session).assign(snapshot);
    }
    take_request(&admission, first)?;
    loop {
        let now = Instant::now();
        let (due, standing, deadline) = {
            let mut session = lock(&admission.session);
            (
                session.poll(now),
                session.standing(),
                session.next_deadline(),
            )
        };
        for response in due {
            let message = convert::response(response);
            if responses.send(Ok(message)).await.is_err() {
                return Ok(());
            }
        }
        if reported.as_ref() != Some(&standing) {
            publisher.report(id, admission.stream, standing.clone());
            reported = Some(standing);
        }
        tokio::select! {
            request = requests.message() => match request? {
                Some(request) => take_request(&admission, request)?,
                None => return Ok(()),
            },
            changed = admission.assignment.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let assigned = admission.assignment.borrow_and_update().clone();
                if let Some(snapshot) = assigned {
                    lock(&admission.session).assign(snapshot);
                }
            }
            () = wait_until(deadline) => {}
            _ = closing.wait_for(|closing| *closing == Closing::Yes) => {
                return Err(Status::unavailable("the control plane is stopping"));
            }
        }
    }
}

fn take_request(admission: &Admission, request: DeltaDiscoveryRequest) -> Result<(), Status> {
    if let Some(request) = convert::request(request)? {
        if let Some(message) = request
            .answer
            .as_ref()
            .and_then(|answer| answer.rejection.as_ref())
        {
            tracing::warn!(stream = admission.stream.0, resource_type = %request.resource_type, message, "envoy rejected a response");
        }
        lock(&admission.session).request(request, Instant::now());
    }
    Ok(())
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
