//! gRPC server reflection: tools that know none of Envoy's messages learn those of the client
//! status discovery service.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use envoy_types::pb::envoy::service::status::v3::client_status_discovery_service_server as csds;
use futures::{FutureExt as _, future::BoxFuture};
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use tonic::{
    Status,
    body::Body,
    codegen::{
        Service,
        http::{Request, Response},
    },
    server::NamedService,
    service::Routes,
};
use tonic_reflection::server::{Builder, Error};

/// The longest question, in bytes: it names a file or a type. tonic keeps a buffer of twice that
/// for each conversation.
const MOST_MESSAGE_BYTES: usize = 16 << 10;
/// Conversations about messages at once. A tool has one, for a moment; each may leave half a
/// megabyte unread, which is in no other budget.
const MOST_CONVERSATIONS: usize = 16;

/// Adds the services, in both versions that tools ask for. `descriptors` is an encoded
/// `FileDescriptorSet`.
///
/// # Errors
/// When the descriptors are not readable.
pub(super) fn add_reflection(routes: Routes, descriptors: &[u8]) -> Result<Routes, Error> {
    let builder = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(descriptors)
            .with_service_name(csds::SERVICE_NAME)
    };
    let places = Arc::new(Semaphore::new(MOST_CONVERSATIONS));
    let v1 = builder().build_v1()?;
    let v1alpha = builder().build_v1alpha()?;
    Ok(routes
        .add_service(Few {
            service: v1.max_decoding_message_size(MOST_MESSAGE_BYTES),
            places: Arc::clone(&places),
        })
        .add_service(Few {
            service: v1alpha.max_decoding_message_size(MOST_MESSAGE_BYTES),
            places,
        }))
}

/// A service of which a few calls may last at once, to the end of their responses.
#[derive(Clone, Debug)]
struct Few<S> {
    service: S,
    places: Arc<Semaphore>,
}

impl<S: NamedService> NamedService for Few<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Few<S>
where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        >,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let refusal = Status::resource_exhausted("too many ask at once: try again in a minute");
            return futures::future::ready(Ok(refusal.into_http())).boxed();
        };
        let answer = self.service.call(request);
        async move {
            let answer = answer.await?;
            Ok(answer.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    // The place is taken for as long as there is a body.
                    let _ = &place;
                    frame
                }))
            }))
        }
        .boxed()
    }
}
