//! A service whose calls count as users of their connection for as long as they last.

use std::task::{Context, Poll};

use futures::{FutureExt as _, future::BoxFuture};
use tonic::{
    codegen::{Service, http::Request},
    server::NamedService,
};

use crate::connections::ConnectionHandle;

/// A service whose calls count as users of their connection for as long as they last. An Envoy may
/// report its traffic on another connection than it takes its configuration from.
#[derive(Clone, Debug)]
pub(super) struct InUse<S>(pub(super) S);

impl<S: NamedService> NamedService for InUse<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<B>> for InUse<S>
where
    S: Service<Request<B>, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let connection = request.extensions().get::<ConnectionHandle>();
        let user = connection.map(ConnectionHandle::user);
        let answer = self.0.call(request);
        async move {
            let answer = answer.await;
            drop(user);
            answer
        }
        .boxed()
    }
}
