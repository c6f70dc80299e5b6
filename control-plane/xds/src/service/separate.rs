//! The services of one type each, for an Envoy whose bootstrap names them one by one.

use envoy_types::pb::envoy::service::{
    cluster::v3::cluster_discovery_service_server::ClusterDiscoveryService,
    discovery::v3::{
        DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
    },
    endpoint::v3::endpoint_discovery_service_server::EndpointDiscoveryService,
    extension::v3::extension_config_discovery_service_server::ExtensionConfigDiscoveryService,
    listener::v3::listener_discovery_service_server::ListenerDiscoveryService,
    route::v3::route_discovery_service_server::RouteDiscoveryService,
    secret::v3::secret_discovery_service_server::SecretDiscoveryService,
};
use tonic::{Request, Response, Status, Streaming};

use super::{DiscoveryServices, ResponseStream};
use crate::ResourceType;

/// Envoy polls by this only where its bootstrap says `api_type: REST`, over HTTP and not gRPC.
fn refuse_to_be_polled<T>() -> Result<T, Status> {
    Err(Status::unimplemented(
        "this control plane is not polled: set `api_type: GRPC` or `DELTA_GRPC` in the bootstrap",
    ))
}

/// Implements the service of one type.
macro_rules! serve_one_type {
    (
        $service:ident, $resource_type:ident,
        $world:ident -> $world_responses:ident,
        $incremental:ident -> $incremental_responses:ident,
        $poll:ident
    ) => {
        #[tonic::async_trait]
        impl $service for DiscoveryServices {
            type $world_responses = ResponseStream<DiscoveryResponse>;
            type $incremental_responses = ResponseStream<DeltaDiscoveryResponse>;

            async fn $world(
                &self,
                request: Request<Streaming<DiscoveryRequest>>,
            ) -> Result<Response<Self::$world_responses>, Status> {
                self.open(Some(ResourceType::$resource_type), request)
            }

            async fn $incremental(
                &self,
                request: Request<Streaming<DeltaDiscoveryRequest>>,
            ) -> Result<Response<Self::$incremental_responses>, Status> {
                self.open(Some(ResourceType::$resource_type), request)
            }

            async fn $poll(
                &self,
                _request: Request<DiscoveryRequest>,
            ) -> Result<Response<DiscoveryResponse>, Status> {
                refuse_to_be_polled()
            }
        }
    };
}

serve_one_type!(
    ClusterDiscoveryService, Cluster,
    stream_clusters -> StreamClustersStream,
    delta_clusters -> DeltaClustersStream,
    fetch_clusters
);
serve_one_type!(
    EndpointDiscoveryService, Endpoints,
    stream_endpoints -> StreamEndpointsStream,
    delta_endpoints -> DeltaEndpointsStream,
    fetch_endpoints
);
serve_one_type!(
    SecretDiscoveryService, Secret,
    stream_secrets -> StreamSecretsStream,
    delta_secrets -> DeltaSecretsStream,
    fetch_secrets
);
serve_one_type!(
    ListenerDiscoveryService, Listener,
    stream_listeners -> StreamListenersStream,
    delta_listeners -> DeltaListenersStream,
    fetch_listeners
);
serve_one_type!(
    RouteDiscoveryService, Route,
    stream_routes -> StreamRoutesStream,
    delta_routes -> DeltaRoutesStream,
    fetch_routes
);
serve_one_type!(
    ExtensionConfigDiscoveryService, ExtensionConfig,
    stream_extension_configs -> StreamExtensionConfigsStream,
    delta_extension_configs -> DeltaExtensionConfigsStream,
    fetch_extension_configs
);
