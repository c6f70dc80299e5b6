//! Between Envoy's messages and this crate's terms.

use std::{collections::BTreeMap, sync::Arc};

use envoy_types::pb::{
    envoy::config::core::v3::{Node, node::UserAgentVersionType},
    google::{protobuf::value::Kind, rpc},
};
use tonic::Status;

use super::message::Message;
use crate::{
    NodeDescription, NodeId, ResourceType, Version,
    fleet::{FirstRequest, Identity},
    session::{Answer, DeltaRequest, WorldRequest},
};

/// The longest `node.id` and `node.cluster`, in bytes. They are shown, stored and compared; nobody
/// needs longer ones.
const MOST_IDENTITY_BYTES: usize = 256;
/// The longest name of a resource, in bytes. Ours have tens; a position shows the name each time.
const MOST_RESOURCE_NAME_BYTES: usize = 4096;
/// The longest key and the longest value of a label, in bytes: the length that names may have
/// elsewhere. Meshes put whole documents into `node.metadata`, which select nothing.
const MOST_LABEL_BYTES: usize = 256;
/// How many labels an Envoy may have. A selector names a few; each one is kept for every Envoy.
const MOST_LABELS: usize = 64;
/// The most of Envoy's words on a rejection that is kept, in bytes, however many of its streams
/// say something. Envoy quotes the whole faulty resource at times.
pub(super) const MOST_MESSAGE_BYTES: usize = 4096;

/// Reads from the first request of a stream what it shows of the Envoy behind it. `only` is the one
/// type that the stream is about, if it is not the aggregated one.
pub(super) fn first_request(
    message: &Message,
    only: Option<ResourceType>,
) -> Result<FirstRequest, Status> {
    Ok(FirstRequest {
        // A type that is not distributed shows nothing.
        resource_type: resource_type(message, only)?.unwrap_or(ResourceType::Endpoints),
        reports_resources: match message {
            Message::Incremental(request) => !request.initial_resource_versions.is_empty(),
            Message::World(request) => !request.version_info.is_empty(),
        },
    })
}

/// The type that a request is about; `None` if it is not distributed, and the request is left
/// unanswered.
pub(super) fn resource_type(
    message: &Message,
    only: Option<ResourceType>,
) -> Result<Option<ResourceType>, Status> {
    let type_url = message.type_url();
    match only {
        Some(only) if type_url.is_empty() || type_url == only.type_url() => Ok(Some(only)),
        Some(only) => Err(Status::invalid_argument(format!(
            "this service is about `{}` and nothing else: ask the service of the other type, or \
             use the aggregated one",
            only.type_url()
        ))),
        None if type_url.is_empty() => Err(Status::invalid_argument(
            "a request on the aggregated stream has no `type_url`",
        )),
        None => Ok(ResourceType::from_type_url(type_url).ok()),
    }
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
        .any(|text| text.contains(shown_text::is_obeyed))
    {
        return Err(Status::invalid_argument(
            "`node.id` or `node.cluster` has control characters, or marks that turn the direction \
             of text: write plain text in the bootstrap",
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
        description: Arc::new(NodeDescription {
            cluster: node.cluster.clone(),
            labels: labels(node),
        }),
        user_agent: shortened(
            format!("{} {version}", node.user_agent_name).trim(),
            MOST_IDENTITY_BYTES,
        ),
    })
}

/// A request in this crate's terms.
#[derive(Debug)]
pub(super) enum Asked {
    Incremental(DeltaRequest),
    World(WorldRequest),
}

impl Asked {
    pub(super) fn resource_type(&self) -> ResourceType {
        match self {
            Self::Incremental(request) => request.resource_type,
            Self::World(request) => request.resource_type,
        }
    }

    pub(super) fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Incremental(request) => request.answer.as_ref(),
            Self::World(request) => request.answer.as_ref(),
        }
    }
}

/// The texts at the top level of the metadata, as far as they may select Envoys: short ones, the
/// first by their keys.
fn labels(node: &Node) -> BTreeMap<String, String> {
    let fields = node.metadata.iter().flat_map(|metadata| &metadata.fields);
    let mut labels: BTreeMap<String, String> = fields
        .filter_map(|(key, value)| match &value.kind {
            Some(Kind::StringValue(text)) => Some((key, text)),
            _ => None,
        })
        .filter(|(key, text)| key.len() <= MOST_LABEL_BYTES && text.len() <= MOST_LABEL_BYTES)
        .filter(|(key, text)| {
            ![key, text]
                .iter()
                .any(|text| text.contains(shown_text::is_obeyed))
        })
        .map(|(key, text)| (key.clone(), text.clone()))
        .collect();
    if let Some((surplus, _)) = labels.iter().nth(MOST_LABELS) {
        let surplus = surplus.clone();
        labels.split_off(&surplus);
    }
    labels
}

/// A request in this crate's terms; `resource_type` is the type that it is about.
pub(super) fn asked(message: Message, resource_type: ResourceType) -> Result<Asked, Status> {
    Ok(match message {
        Message::Incremental(request) => Asked::Incremental(DeltaRequest {
            resource_type,
            subscribe: names(request.resource_names_subscribe)?,
            unsubscribe: names(request.resource_names_unsubscribe)?,
            initial_versions: request
                .initial_resource_versions
                .into_iter()
                .map(|(name, version)| Ok((checked(name)?, Version::reported(&version))))
                .collect::<Result<_, Status>>()?,
            answer: answer(request.response_nonce, request.error_detail),
        }),
        Message::World(request) => Asked::World(WorldRequest {
            resource_type,
            names: names(request.resource_names)?,
            accepted: (!request.version_info.is_empty())
                .then(|| Version::reported(&request.version_info)),
            answer: answer(request.response_nonce, request.error_detail),
        }),
    })
}

fn names(names: Vec<String>) -> Result<Vec<Arc<str>>, Status> {
    names.into_iter().map(checked).collect()
}

fn checked(name: String) -> Result<Arc<str>, Status> {
    if name.len() > MOST_RESOURCE_NAME_BYTES {
        return Err(Status::invalid_argument(format!(
            "the name of a resource is longer than {MOST_RESOURCE_NAME_BYTES} bytes: nothing that \
             this control plane distributes has such a name"
        )));
    }
    Ok(name.into())
}

/// The answer to the response of that nonce, if there is one. Nothing but `error` tells a rejection
/// (envoy#14841).
fn answer(nonce: String, error: Option<rpc::Status>) -> Option<Answer> {
    (!nonce.is_empty()).then(|| Answer {
        nonce,
        rejection: error.map(|status| shortened(&status.message, MOST_MESSAGE_BYTES)),
    })
}

/// As much of a text as fits into `most` bytes, on one line: it is shown in logs and on terminals.
/// Says how much was cut, if anything was.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let (kept, rest) = text.split_at(text.floor_char_boundary(most));
    let kept = shown_text::on_one_line(kept);
    if rest.is_empty() {
        return kept;
    }
    format!("{kept} … ({} more bytes were cut)", rest.len())
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::google::protobuf::{Struct, Value};

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
            ("a", "\u{202e}c"),
        ] {
            assert!(identity_of(id, cluster).is_err(), "{id:?} {cluster:?}");
        }
        assert_eq!(identity_of("é 1", "c").unwrap().user_agent, "envoy [2J");
    }

    #[test]
    fn it_reads_the_short_texts_of_the_metadata_as_labels() {
        let kinds = [
            ("region", Kind::StringValue("eu".to_owned())),
            ("long", Kind::StringValue("x".repeat(MOST_LABEL_BYTES + 1))),
            ("lines", Kind::StringValue("a\nb".to_owned())),
            ("number", Kind::NumberValue(1.0)),
        ];
        let many = (0..MOST_LABELS)
            .map(|number| (format!("z{number:03}"), Kind::StringValue(String::new())));
        let kinds = kinds.map(|(key, kind)| (key.to_owned(), kind));
        let fields = kinds
            .into_iter()
            .chain(many)
            .map(|(key, kind)| (key, Value { kind: Some(kind) }))
            .collect();
        let node = Node {
            id: "a".to_owned(),
            cluster: "edge".to_owned(),
            metadata: Some(Struct { fields }),
            ..Node::default()
        };
        let description = identity(Some(&node)).unwrap().description;
        assert_eq!(description.cluster, "edge");
        assert_eq!(description.labels.len(), MOST_LABELS);
        let first = description.labels.first_key_value().unwrap();
        assert_eq!(first, (&"region".to_owned(), &"eu".to_owned()));
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
        let error = rpc::Status {
            message: words.to_owned(),
            ..rpc::Status::default()
        };
        let answer = answer("1".to_owned(), Some(error)).unwrap();
        answer.rejection.unwrap()
    }
}
