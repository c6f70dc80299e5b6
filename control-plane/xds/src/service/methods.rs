//! The gRPC methods of the discovery services: one service for everything, and one for each type.

use std::convert::Infallible;

use axum::Router;
use tonic::{
    Status,
    body::Body,
    codegen::http::{Request, Response},
    service::Routes,
};
use tower::service_fn;

use super::{DiscoveryServices, message::Variant};
use crate::{ResourceType, resource_type::MethodNames};

/// The service that is about everything.
const AGGREGATED: MethodNames = MethodNames {
    service: "envoy.service.discovery.v3.AggregatedDiscoveryService",
    subject: "AggregatedResources",
};

impl DiscoveryServices {
    /// Adds the methods of every discovery service.
    pub(crate) fn add_to(&self, routes: Routes) -> Routes {
        let types = ResourceType::ALL.into_iter().map(Some);
        let router = types
            .chain([None])
            .fold(routes.into_axum_router(), |router, only| {
                self.with_methods(router, only)
            });
        router.into()
    }

    /// Adds the methods of the service of one type, or of the aggregated one.
    fn with_methods(&self, router: Router, only: Option<ResourceType>) -> Router {
        let names = only.map_or(&AGGREGATED, ResourceType::method_names);
        let path = |verb: &str| format!("/{}/{verb}{}", names.service, names.subject);
        let with_stream = |router: Router, verb, variant| {
            let services = self.clone();
            let open = service_fn(move |request: Request<axum::body::Body>| {
                let response = services.open(only, variant, request.map(Body::new));
                async move { Ok::<_, Infallible>(response) }
            });
            router.route_service(&path(verb), open)
        };
        let router = with_stream(router, "Stream", Variant::World);
        let router = with_stream(router, "Delta", Variant::Incremental);
        router.route_service(&path("Fetch"), service_fn(refuse_to_be_polled))
    }
}

/// Envoy polls by this only where its bootstrap says `api_type: REST`, over HTTP and not gRPC.
async fn refuse_to_be_polled(
    _request: Request<axum::body::Body>,
) -> Result<Response<Body>, Infallible> {
    let status = Status::unimplemented(
        "this control plane is not polled: set `api_type: GRPC` or `DELTA_GRPC` in the bootstrap",
    );
    Ok(status.into_http())
}
