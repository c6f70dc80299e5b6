//! The client status discovery service: where every Envoy stands, as standard tools read it.
//!
//! It answers from the fleet's facts, as `GET /api/v1/nodes` does. It never shows contents: those
//! are the operator's, and Envoy's own dump shows a filter that it rejected as if it ran.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use envoy_types::pb::{
    envoy::{
        admin::v3::{ClientResourceStatus, UpdateFailureState},
        config::core::v3::{Node, node::UserAgentVersionType},
        service::status::v3::{
            ClientConfig, ClientStatusRequest, ClientStatusResponse, ConfigStatus,
            client_config::GenericXdsConfig,
            client_status_discovery_service_server::ClientStatusDiscoveryService,
        },
        r#type::matcher::v3::{NodeMatcher, StringMatcher, string_matcher::MatchPattern},
    },
    google::protobuf::Timestamp,
};
use futures::StreamExt as _;
use prost::Message as _;
use tonic::{Request, Response, Status, Streaming};

use super::{
    DiscoveryServices, ResponseStream,
    ending::stopping,
    transit::{alone_in_transit, in_transit},
};
use crate::{
    DeliveryState, NodeState, Publisher, ResourceState,
    connections::{ConnectionHandle, Purpose, UnreadResponse},
};

/// The longest answer, in bytes. Clients refuse messages of more than 4 MiB unless told otherwise.
const MOST_ANSWER_BYTES: usize = 3 << 20;
/// How many Envoys a request may name. Each name is compared with each Envoy's, at 64 and 3 000
/// Envoys in some milliseconds; tools name one.
const MOST_MATCHERS: usize = 64;
/// The longest question, in bytes: [`MOST_MATCHERS`] of the longest names three times over. tonic
/// keeps a buffer of up to twice that for each stream, of which a connection may have a thousand.
pub(crate) const MOST_QUESTION_BYTES: usize = 48 << 10;

#[tonic::async_trait]
impl ClientStatusDiscoveryService for DiscoveryServices {
    type StreamClientStatusStream = ResponseStream<ClientStatusResponse>;

    async fn stream_client_status(
        &self,
        request: Request<Streaming<ClientStatusRequest>>,
    ) -> Result<Response<Self::StreamClientStatusStream>, Status> {
        let publisher = self.publisher.clone();
        let mut closing = publisher.closing();
        let connection = request.extensions().get::<ConnectionHandle>().cloned();
        // It may ask again after hours.
        let user = connection.as_ref().map(ConnectionHandle::user);
        let answers = request.into_inner().then(move |request| {
            let (publisher, connection) = (publisher.clone(), connection.clone());
            // What waits is the question as it is kept, and not as it was read.
            let question = request.and_then(|request| Question::try_from(&request));
            async move {
                let question = match question {
                    Ok(question) => question,
                    Err(refusal) => return (Err(refusal), None),
                };
                let unread = room(connection.as_ref()).await;
                (answer(&publisher, &question), unread)
            }
        });
        let answers = answers.take_until(async move {
            stopping(&mut closing).await;
            drop(user);
        });
        Ok(in_transit(answers))
    }

    async fn fetch_client_status(
        &self,
        request: Request<ClientStatusRequest>,
    ) -> Result<Response<ClientStatusResponse>, Status> {
        let connection = request.extensions().get::<ConnectionHandle>().cloned();
        let question = Question::try_from(&request.into_inner())?;
        let unread = room(connection.as_ref()).await;
        let answer = answer(&self.publisher, &question)?;
        Ok(alone_in_transit(answer, unread))
    }
}

/// Waits until there is memory for another answer of the largest size.
async fn room(connection: Option<&ConnectionHandle>) -> Option<UnreadResponse> {
    Some(connection?.room(MOST_ANSWER_BYTES, Purpose::Status).await)
}

fn answer(publisher: &Publisher, question: &Question) -> Result<ClientStatusResponse, Status> {
    let matchers = &question.0;
    let is_meant =
        |id: &str| matchers.is_empty() || matchers.iter().any(|matcher| matcher.matches(id));
    let mut response = ClientStatusResponse::default();
    let mut bytes = 0;
    for node in publisher.states(|id| is_meant(id.as_str())) {
        let config = config_of(node);
        bytes += config.encoded_len();
        if bytes > MOST_ANSWER_BYTES {
            return Err(Status::resource_exhausted(
                "the answer would be larger than clients read: name fewer Envoys by \
                 `node_matchers`, or ask `GET /api/v1/nodes`",
            ));
        }
        response.config.push(config);
    }
    Ok(response)
}

/// Which Envoys are asked about; none for all.
#[derive(Debug)]
struct Question(Vec<NodeIdMatcher>);

impl TryFrom<&ClientStatusRequest> for Question {
    type Error = Status;

    fn try_from(request: &ClientStatusRequest) -> Result<Self, Status> {
        if request.node_matchers.len() > MOST_MATCHERS {
            return Err(Status::invalid_argument(format!(
                "`node_matchers` are more than {MOST_MATCHERS}: name fewer Envoys, or none for all"
            )));
        }
        let matchers = request.node_matchers.iter();
        Ok(Self(
            matchers
                .map(NodeIdMatcher::try_from)
                .collect::<Result<_, _>>()?,
        ))
    }
}

/// Which `node.id` a request is about.
#[derive(Debug)]
struct NodeIdMatcher {
    /// Of small letters, where `ignore_case`.
    pattern: Option<MatchPattern>,
    ignore_case: bool,
}

impl TryFrom<&NodeMatcher> for NodeIdMatcher {
    type Error = Status;

    fn try_from(matcher: &NodeMatcher) -> Result<Self, Status> {
        if !matcher.node_metadatas.is_empty() {
            return Err(Status::invalid_argument(
                "`node_metadatas` is not supported, since no metadata of Envoys is kept: match by \
                 `node_id`",
            ));
        }
        let Some(StringMatcher {
            match_pattern,
            ignore_case,
        }) = &matcher.node_id
        else {
            return Ok(Self {
                pattern: None,
                ignore_case: false,
            });
        };
        // Once, and not for each Envoy: whoever asks may write kilobytes.
        let text = |text: &String| folded(text, *ignore_case).into_owned();
        let pattern = match match_pattern {
            Some(MatchPattern::SafeRegex(_) | MatchPattern::Custom(_)) => {
                return Err(Status::invalid_argument(
                    "`node_id` is matched by `exact`, `prefix`, `suffix` or `contains` alone",
                ));
            }
            Some(MatchPattern::Exact(exact)) => Some(MatchPattern::Exact(text(exact))),
            Some(MatchPattern::Prefix(prefix)) => Some(MatchPattern::Prefix(text(prefix))),
            Some(MatchPattern::Suffix(suffix)) => Some(MatchPattern::Suffix(text(suffix))),
            Some(MatchPattern::Contains(part)) => Some(MatchPattern::Contains(text(part))),
            None => None,
        };
        Ok(Self {
            pattern,
            ignore_case: *ignore_case,
        })
    }
}

impl NodeIdMatcher {
    fn matches(&self, id: &str) -> bool {
        let id = folded(id, self.ignore_case);
        match &self.pattern {
            Some(MatchPattern::Exact(text)) => id == *text,
            Some(MatchPattern::Prefix(text)) => id.starts_with(text),
            Some(MatchPattern::Suffix(text)) => id.ends_with(text),
            Some(MatchPattern::Contains(text)) => id.contains(text),
            Some(MatchPattern::SafeRegex(_) | MatchPattern::Custom(_)) => false,
            None => true,
        }
    }
}

/// A text as it is compared.
fn folded(text: &str, ignore_case: bool) -> Cow<'_, str> {
    match ignore_case {
        true => Cow::Owned(text.to_lowercase()),
        false => Cow::Borrowed(text),
    }
}

fn config_of(state: NodeState) -> ClientConfig {
    let (name, version) = match state.user_agent.rsplit_once(' ') {
        Some((name, version)) => (name.to_owned(), Some(version.to_owned())),
        None => (state.user_agent, None),
    };
    ClientConfig {
        node: Some(Node {
            id: state.id.as_str().to_owned(),
            cluster: state.description.cluster.clone(),
            user_agent_name: name,
            user_agent_version_type: version.map(UserAgentVersionType::UserAgentVersion),
            ..Node::default()
        }),
        generic_xds_configs: state.resources.into_iter().map(status_of).collect(),
        ..ClientConfig::default()
    }
}

fn status_of(resource: ResourceState) -> GenericXdsConfig {
    use ClientResourceStatus as Client;
    let (config_status, client_status) = match &resource.state {
        DeliveryState::Acked => (ConfigStatus::Synced, Client::Acked),
        DeliveryState::Pending | DeliveryState::Blocked { .. } => {
            (ConfigStatus::NotSent, Client::Requested)
        }
        DeliveryState::Sent => (ConfigStatus::Stale, Client::Requested),
        DeliveryState::Rejected { .. } => (ConfigStatus::Error, Client::Nacked),
        DeliveryState::Unknown => (ConfigStatus::Stale, Client::Unknown),
    };
    let text = |version: Option<crate::Version>| {
        version
            .map(|version| version.to_string())
            .unwrap_or_default()
    };
    let since = timestamp(resource.since);
    let error_state = match resource.state {
        DeliveryState::Rejected { message } => Some(UpdateFailureState {
            last_update_attempt: since,
            details: message,
            version_info: text(resource.sent),
            ..UpdateFailureState::default()
        }),
        DeliveryState::Acked
        | DeliveryState::Pending
        | DeliveryState::Sent
        | DeliveryState::Unknown
        | DeliveryState::Blocked { .. } => None,
    };
    GenericXdsConfig {
        type_url: resource.resource_type.type_url().to_owned(),
        name: resource.name.to_string(),
        version_info: text(resource.acked),
        last_updated: since,
        config_status: config_status.into(),
        client_status: client_status.into(),
        error_state,
        ..GenericXdsConfig::default()
    }
}

fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp {
        seconds: since.as_secs().try_into().ok()?,
        nanos: since.subsec_nanos().try_into().ok()?,
    })
}
