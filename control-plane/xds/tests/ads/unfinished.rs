//! Messages that are begun and not finished, beside an Envoy that does its work.

use std::convert::Infallible;

use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Code,
    body::Body,
    codegen::{Bytes, Service as _, http::Request},
    transport::Channel,
};
use xds::{ResourceType, ServerLimits, SimulatedClock};

use crate::client::{Client, PATIENCE, Running, cluster, in_time, snapshot};

/// The longest message that is read, in bytes.
const LONGEST: u32 = 4 << 20;

/// The client's side of a stream that it writes byte by byte.
#[derive(Clone)]
struct RawWriter(mpsc::Sender<Result<Frame<Bytes>, Infallible>>);

/// A stream that is not sent yet.
struct RawStream {
    channel: Channel,
    request: Request<Body>,
}

fn raw_stream(channel: Channel, running: &Running) -> (RawWriter, RawStream) {
    let (bytes, receiver) = mpsc::channel(1);
    let address = running.authority().expect("an address");
    let method = "envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
    let body = Body::new(StreamBody::new(ReceiverStream::new(receiver)));
    let request = Request::post(format!("http://{address}/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let stream = RawStream {
        channel,
        request: request.body(body).expect("a request"),
    };
    (RawWriter(bytes), stream)
}

impl RawWriter {
    /// Writes bytes; nothing happens where the server has ended the stream.
    async fn write(&self, bytes: Vec<u8>) {
        let _ = self.0.send(Ok(Frame::data(bytes.into()))).await;
    }
}

impl RawStream {
    /// The status with which the server ends the stream; none where it ends the connection.
    async fn status(mut self) -> Option<Code> {
        std::future::poll_fn(|context| self.channel.poll_ready(context))
            .await
            .ok()?;
        let response = self.channel.call(self.request).await.ok()?;
        let body = response.into_body().collect().await.ok()?;
        let code = body.trailers()?.get("grpc-status")?;
        Some(Code::from_bytes(code.as_bytes()))
    }
}

#[tokio::test]
async fn it_refuses_a_client_that_begins_more_than_it_finishes_and_serves_the_others() {
    let running = Running::start().await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut good = Client::settled(&running, "good", ResourceType::Cluster, &[], 1).await;
    let channel = running.channel().await;
    let streams = (0..8).map(|_| {
        let (writer, stream) = raw_stream(channel.clone(), &running);
        tokio::spawn(async move {
            let prefix = [&[0][..], &LONGEST.to_be_bytes()].concat();
            writer.write(prefix).await;
            for _ in 0..LONGEST / 8192 - 1 {
                writer.write(vec![0; 8192]).await;
            }
            // It never comes to the end.
            writer.0.closed().await;
        });
        tokio::spawn(stream.status())
    });
    // Two of the longest fit into what one connection may begin.
    let mut refused = 0;
    let mut streams: Vec<_> = streams.collect();
    while refused < 6 {
        let (ended, _, rest) = in_time(futures::future::select_all(streams)).await;
        assert_eq!(ended.expect("no panic"), Some(Code::ResourceExhausted));
        refused += 1;
        streams = rest;
    }
    running.publish(snapshot("2", [cluster("a", 2)]));
    let response = good.receive().await;
    good.ack(&response).await;
    running.answers("2").await;
}

#[tokio::test]
async fn it_ends_a_connection_on_which_a_message_trickles_in() {
    let clock = SimulatedClock::default();
    let limits = ServerLimits {
        stream_age: PATIENCE * 1_000_000,
        ..ServerLimits::default()
    };
    let running = Running::within(limits, clock.clock()).await;
    running.publish(snapshot("1", [cluster("a", 1)]));
    let mut good = Client::settled(&running, "good", ResourceType::Cluster, &[], 1).await;
    // Its connection is an Envoy's, too, so that it is not ended for having none.
    let channel = running.channel().await;
    let same = Client::on(channel.clone(), "same").await.expect("a stream");
    same.subscribe(ResourceType::Cluster, &[]).await;
    let (writer, trickling) = raw_stream(channel, &running);
    let ended = tokio::spawn(trickling.status());
    in_time(async {
        let mut next = vec![0, 0, 64, 0, 0];
        while !ended.is_finished() {
            writer.write(std::mem::replace(&mut next, vec![0])).await;
            clock.advance(PATIENCE / 120);
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(ended.await.expect("no panic"), None);
    running.publish(snapshot("2", [cluster("a", 2)]));
    let response = good.receive().await;
    good.ack(&response).await;
    running.answers("2").await;
}
