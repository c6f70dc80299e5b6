//! Between Envoy's messages and this crate's terms.

use std::sync::Arc;

use envoy_types::pb::envoy::{
    config::core::v3::{Node, node::UserAgentVersionType},
    service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource},
};
use tonic::Status;

use crate::{
    NodeId, ResourceType, Version,
    fleet::Identity,
    session::{Answer, DeltaRequest, DeltaResponse},
};

/// Who a stream's first request says it is.
pub(super) fn identity(node: Option<&Node>) -> Result<Identity, Status> {
    let node = node.filter(|node| !node.id.is_empty()).ok_or_else(|| {
        Status::invalid_argument(
            "the first request names no node: set `node.id` in the bootstrap, different for each Envoy",
        )
    })?;
    let version = match &node.user_agent_version_type {
        Some(UserAgentVersionType::UserAgentVersion(version)) => version.clone(),
        Some(UserAgentVersionType::UserAgentBuildVersion(build)) => build
            .version
            .map(|version| {
                format!(
                    "{}.{}.{}",
                    version.major_number, version.minor_number, version.patch
                )
            })
            .unwrap_or_default(),
        None => String::new(),
    };
    Ok(Identity {
        id: NodeId::new(&node.id),
        cluster: node.cluster.clone(),
        user_agent: format!("{} {version}", node.user_agent_name)
            .trim()
            .to_owned(),
    })
}

/// A request in this crate's terms; `None` if it is about a type that is not distributed, which is left unanswered.
pub(super) fn request(request: DeltaDiscoveryRequest) -> Result<Option<DeltaRequest>, Status> {
    if request.type_url.is_empty() {
        return Err(Status::invalid_argument(
            "a request on the aggregated stream has no `type_url`",
        ));
    }
    let resource_type = match ResourceType::from_type_url(&request.type_url) {
        Ok(resource_type) => resource_type,
        Err(unknown) => {
            tracing::warn!(%unknown, "envoy asked for something else");
            return Ok(None);
        }
    };
    let names = |names: Vec<String>| names.into_iter().map(Arc::from).collect();
    let answer = (!request.response_nonce.is_empty()).then(|| Answer {
        nonce: request.response_nonce,
        rejection: request.error_detail.map(|status| status.message),
    });
    Ok(Some(DeltaRequest {
        resource_type,
        subscribe: names(request.resource_names_subscribe),
        unsubscribe: names(request.resource_names_unsubscribe),
        initial_versions: request
            .initial_resource_versions
            .into_iter()
            .map(|(name, version)| (Arc::from(name), Version::reported(&version)))
            .collect(),
        answer,
    }))
}

/// A response in Envoy's terms.
pub(super) fn response(response: DeltaResponse) -> DeltaDiscoveryResponse {
    let resource = response.resource.map(|resource| Resource {
        name: resource.name().to_string(),
        version: resource.version().to_string(),
        resource: Some(resource.any().clone()),
        ..Resource::default()
    });
    DeltaDiscoveryResponse {
        resources: resource.into_iter().collect(),
        type_url: response.resource_type.type_url().to_owned(),
        removed_resources: response
            .removed
            .into_iter()
            .map(|name| name.to_string())
            .collect(),
        nonce: response.nonce,
        ..DeltaDiscoveryResponse::default()
    }
}
