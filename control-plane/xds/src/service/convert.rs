//! Between Envoy's messages and this crate's terms.

use std::sync::Arc;

use envoy_types::pb::envoy::{
    config::core::v3::{Node, node::UserAgentVersionType},
    service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource},
};
use tonic::Status;

use crate::{
    NodeId, ResourceType, Version,
    fleet::{FirstRequest, Identity},
    session::{Answer, DeltaRequest, DeltaResponse},
};

/// The longest `node.id` and `node.cluster`, in bytes. They are shown, stored and compared; nobody
/// needs longer ones.
const MOST_IDENTITY_BYTES: usize = 256;
/// The most of Envoy's words on a rejection that is kept, in bytes. Envoy quotes the whole faulty
/// resource at times.
const MOST_MESSAGE_BYTES: usize = 4096;

/// Reads from a stream's first request which Envoy is behind it.
pub(super) fn first_request(request: &DeltaDiscoveryRequest) -> Result<FirstRequest, Status> {
    Ok(FirstRequest {
        // A type that is not distributed shows nothing.
        resource_type: resource_type(request)?.unwrap_or(ResourceType::Endpoints),
        reports_resources: !request.initial_resource_versions.is_empty(),
    })
}

/// The type that a request is about; `None` if it is not distributed.
fn resource_type(request: &DeltaDiscoveryRequest) -> Result<Option<ResourceType>, Status> {
    if request.type_url.is_empty() {
        return Err(Status::invalid_argument(
            "a request on the aggregated stream has no `type_url`",
        ));
    }
    Ok(ResourceType::from_type_url(&request.type_url).ok())
}

/// Who a stream's first request says it is.
pub(super) fn identity(node: Option<&Node>) -> Result<Identity, Status> {
    let node = node.filter(|node| !node.id.is_empty()).ok_or_else(|| {
        Status::invalid_argument(
            "the first request names no node: set `node.id` in the bootstrap, different for each \
             Envoy",
        )
    })?;
    if node.id.len() > MOST_IDENTITY_BYTES || node.cluster.len() > MOST_IDENTITY_BYTES {
        return Err(Status::invalid_argument(format!(
            "`node.id` or `node.cluster` is longer than {MOST_IDENTITY_BYTES} bytes: shorten it \
             in the bootstrap"
        )));
    }
    if [&node.id, &node.cluster]
        .into_iter()
        .any(|text| text.chars().any(char::is_control))
    {
        return Err(Status::invalid_argument(
            "`node.id` or `node.cluster` has control characters: write plain text in the bootstrap",
        ));
    }
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
        user_agent: shortened(
            format!("{} {version}", node.user_agent_name).trim(),
            MOST_IDENTITY_BYTES,
        ),
    })
}

/// A request in this crate's terms; `None` if it is about a type that is not distributed, which is
/// left unanswered.
pub(super) fn request(request: DeltaDiscoveryRequest) -> Result<Option<DeltaRequest>, Status> {
    let Some(resource_type) = resource_type(&request)? else {
        tracing::warn!(type_url = %request.type_url, "envoy asked for a type that is not \
                                                      distributed");
        return Ok(None);
    };
    let names = |names: Vec<String>| names.into_iter().map(Arc::from).collect();
    let answer = (!request.response_nonce.is_empty()).then(|| Answer {
        nonce: request.response_nonce,
        rejection: request
            .error_detail
            .map(|status| shortened(&status.message, MOST_MESSAGE_BYTES)),
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

/// As much of a text as fits into `most` bytes, on one line: it is shown in logs and on terminals.
/// Says how much was cut, if anything was.
fn shortened(text: &str, most: usize) -> String {
    let (kept, rest) = text.split_at(text.floor_char_boundary(most));
    let kept = kept.replace(char::is_control, " ");
    if rest.is_empty() {
        return kept;
    }
    format!("{kept} … ({} more bytes were cut)", rest.len())
}

/// A response in Envoy's terms.
pub(super) fn response(response: DeltaResponse) -> DeltaDiscoveryResponse {
    let resources = response.resources.iter().map(|resource| Resource {
        name: resource.name().to_string(),
        version: resource.version().to_string(),
        resource: Some(resource.any().clone()),
        ..Resource::default()
    });
    DeltaDiscoveryResponse {
        resources: resources.collect(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_refuses_a_name_that_would_forge_lines_of_the_log() {
        let identity_of = |id: &str, cluster: &str| {
            identity(Some(&Node {
                id: id.to_owned(),
                cluster: cluster.to_owned(),
                user_agent_name: "envoy\x1b[2J".to_owned(),
                ..Node::default()
            }))
        };
        for (id, cluster) in [
            ("a\nb", "c"),
            ("a\x1b[31m", "c"),
            ("a", "c\r"),
            ("a\u{9b}", "c"),
        ] {
            assert!(identity_of(id, cluster).is_err(), "{id:?} {cluster:?}");
        }
        assert_eq!(identity_of("é 1", "c").unwrap().user_agent, "envoy [2J");
    }

    #[test]
    fn it_keeps_what_an_envoy_says_of_a_rejection_on_one_line() {
        assert_eq!(kept_of("a\nb\x1b[2J"), "a b [2J");
    }

    #[test]
    fn it_says_how_much_it_cut_of_what_an_envoy_says() {
        let kept = kept_of(&"é".repeat(MOST_MESSAGE_BYTES));
        assert!(kept.starts_with(&"é".repeat(MOST_MESSAGE_BYTES / 2)));
        assert!(kept.ends_with("é … (4096 more bytes were cut)"), "{kept}");
    }

    /// The words of an Envoy on a rejection as they are kept.
    fn kept_of(words: &str) -> String {
        let request = DeltaDiscoveryRequest {
            type_url: ResourceType::Cluster.type_url().to_owned(),
            response_nonce: "1".to_owned(),
            error_detail: Some(envoy_types::pb::google::rpc::Status {
                message: words.to_owned(),
                ..Default::default()
            }),
            ..DeltaDiscoveryRequest::default()
        };
        let answer = super::request(request).unwrap().unwrap().answer.unwrap();
        answer.rejection.unwrap()
    }
}
