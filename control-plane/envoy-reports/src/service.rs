//! The gRPC service to which Envoys report.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use grpc_messages::Messages;
use prost::Message as _;
use tonic::body::Body;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse};
use tonic::codegen::{Body as HttpBody, Bytes, StdError};
use tonic::server::{ClientStreamingService, Grpc, NamedService};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::message::{NoIdentity, ReportAnswer, ReportMessage};
use crate::reports::Reports;

/// The longest message that is read, in bytes: some thirty thousand statistics. A filter has 16,384
/// for tools at most, and Envoy some hundred of its own for each server.
const MOST_MESSAGE_BYTES: usize = 4 << 20;

/// The service `envoy.service.metrics.v3.MetricsService`, which writes down to [`Reports`].
///
/// It reads the messages of its streams in a form of its own, of which the generated service knows
/// nothing.
#[derive(Clone, Debug)]
pub struct ReportsServer(Reports);

impl ReportsServer {
    /// The service that writes down what it is told.
    #[must_use]
    pub fn new(reports: Reports) -> Self {
        Self(reports)
    }
}

impl NamedService for ReportsServer {
    const NAME: &'static str = "envoy.service.metrics.v3.MetricsService";
}

type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

impl<B> tonic::codegen::Service<HttpRequest<B>> for ReportsServer
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<B>) -> Self::Future {
        let reports = self.0.clone();
        Box::pin(async move {
            if request.uri().path() != "/envoy.service.metrics.v3.MetricsService/StreamMetrics" {
                let status = Status::unimplemented("this service has `StreamMetrics` alone");
                return Ok(status.into_http());
            }
            let (head, body) = request.into_parts();
            let stream = StreamMetrics {
                reports,
                messages: Some(Messages::new(Body::new(body), MOST_MESSAGE_BYTES)),
            };
            // Its body is read by `stream`.
            let request = HttpRequest::from_parts(head, Body::empty());
            let mut grpc = Grpc::new(ProstCodec::<ReportAnswer, ReportMessage>::default());
            Ok(grpc.client_streaming(stream, request).await)
        })
    }
}

/// One stream that an Envoy opens.
struct StreamMetrics {
    reports: Reports,
    /// None once it is called.
    messages: Option<Messages>,
}

impl ClientStreamingService<ReportMessage> for StreamMetrics {
    type Response = ReportAnswer;
    type Future = BoxFuture<Response<ReportAnswer>, Status>;

    fn call(&mut self, _request: Request<Streaming<ReportMessage>>) -> Self::Future {
        let (reports, messages) = (self.reports.clone(), self.messages.take());
        Box::pin(async move {
            let Some(messages) = messages else {
                return Err(Status::internal("a stream is read once"));
            };
            let mut closing = reports.closing();
            tokio::select! {
                read = read(&reports, messages) => read?,
                // An error means that nobody is left who could want it.
                _ = closing.wait_for(|closing| *closing) => {
                    return Err(Status::unavailable("the control plane ends"));
                }
            }
            Ok(Response::new(ReportAnswer {}))
        })
    }
}

/// The next message of a stream.
async fn next(messages: &mut Messages) -> Result<Option<ReportMessage>, Status> {
    let bytes = messages.next().await?;
    let message = bytes.map(ReportMessage::decode).transpose();
    message.map_err(|error| Status::internal(error.to_string()))
}

async fn read(reports: &Reports, mut messages: Messages) -> Result<(), Status> {
    let Some(first) = next(&mut messages).await? else {
        return Ok(());
    };
    let id = first.node_id().map_err(|error| {
        Status::invalid_argument(match error {
            NoIdentity::Missing => {
                "the first message names no node: set `node.id` in the bootstrap, different for \
                 each Envoy"
            }
            NoIdentity::Unusable => {
                "`node.id` is longer than 256 bytes, or has control characters: write a short \
                 plain text in the bootstrap"
            }
        })
    })?;
    let mut stream = reports.open(id).map_err(|_| {
        tracing::warn!(
            node = id,
            "more streams of reports are open than there may be"
        );
        Status::resource_exhausted(
            "more streams of reports are open than there may be; give each Envoy a `node.id` of \
             its own",
        )
    })?;
    stream.take(&first);
    drop(first);
    while let Some(message) = next(&mut messages).await? {
        stream.take(&message);
    }
    Ok(())
}
