//! One gRPC stream as an Envoy has it, in either variant of the protocol.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::client::in_time;

/// One gRPC stream as an Envoy has it: requests of the type `Q` go out, responses of the type `R`
/// come in.
pub struct EnvoyStream<Q, R> {
    requests: mpsc::Sender<Q>,
    responses: Streaming<R>,
}

impl<Q, R> EnvoyStream<Q, R> {
    /// Opens the stream by what a service's client does with the requests.
    pub async fn open(
        call: impl AsyncFnOnce(ReceiverStream<Q>) -> Result<tonic::Response<Streaming<R>>, Status>,
    ) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(8);
        let responses = in_time(call(ReceiverStream::new(receiver))).await?;
        Ok(Self {
            requests,
            responses: responses.into_inner(),
        })
    }

    pub async fn send(&self, request: Q) {
        in_time(self.requests.send(request))
            .await
            .expect("the stream is open");
    }

    pub async fn receive(&mut self) -> R {
        self.next().await.expect("no error")
    }

    /// The next response, or the status that ends the stream.
    pub async fn next(&mut self) -> Result<R, Status> {
        let response = in_time(self.responses.message()).await?;
        Ok(response.expect("a response"))
    }

    /// The status that ends the stream.
    pub async fn refusal(&mut self) -> Status {
        loop {
            if let Err(status) = in_time(self.responses.message()).await {
                return status;
            }
        }
    }
}
