//! Keeps the store's rejections as the Envoys' are, and the record of the last rejected generation
//! complete.

use std::collections::BTreeMap;

use store::{StoredRejection, StoredRejectionChange};
use time::OffsetDateTime;
use xds::{Publisher, RejectedContent, RejectionChange, ResourceType, Version};

use super::Gateway;
use super::acceptance::RejectedResource;

impl Gateway {
    /// Stores what Envoys rejected since the last call, and what no longer matters.
    pub(super) async fn store_rejections(&self) {
        let changes = self.publisher.take_rejection_changes();
        for change in &changes {
            if let RejectionChange::Rejected { node, content } = change {
                self.note(node, content);
                self.tell_rejection(node, content);
            }
        }
        let changes: Vec<StoredRejectionChange> = changes.into_iter().map(stored).collect();
        if !changes.is_empty()
            && let Err(error) = self.store.change_rejections(&changes).await
        {
            tracing::error!(%error, "a restart will not know what an Envoy rejected");
        }
    }

    /// Takes a late rejection of the last rejected generation into its record.
    fn note(&self, node: &xds::NodeId, content: &RejectedContent) {
        let mut state = self.write();
        let Some(rejection) = &mut state.rejection else {
            return;
        };
        let resource = rejection.snapshot.get(content.resource_type, &content.name);
        if resource.is_none_or(|resource| *resource.version() != content.version) {
            return;
        }
        let resources = rejection.nodes.entry(node.clone()).or_default();
        let noted = RejectedResource {
            resource_type: content.resource_type,
            name: content.name.clone(),
            message: content.message.trim().to_owned(),
        };
        if !resources.contains(&noted) {
            resources.push(noted);
        }
    }
}

fn stored(change: RejectionChange) -> StoredRejectionChange {
    match change {
        RejectionChange::Rejected { node, content } => {
            StoredRejectionChange::Rejected(StoredRejection {
                node: node.as_str().to_owned(),
                type_url: content.resource_type.type_url().to_owned(),
                name: content.name.to_string(),
                version: content.version.as_str().to_owned(),
                message: content.message.to_string(),
                run_on: content.run_on.map(|version| version.as_str().to_owned()),
                at: OffsetDateTime::now_utc(),
            })
        }
        RejectionChange::Ended {
            node,
            resource_type,
            name,
        } => StoredRejectionChange::Ended {
            node: node.as_str().to_owned(),
            type_url: resource_type.type_url().to_owned(),
            name: name.to_string(),
        },
    }
}

/// Tells the publisher what Envoys rejected before this process started.
pub(super) fn remember(publisher: &Publisher, stored: Vec<StoredRejection>) {
    let mut by_node: BTreeMap<String, Vec<RejectedContent>> = BTreeMap::new();
    for mut rejection in stored {
        let node = std::mem::take(&mut rejection.node);
        by_node.entry(node).or_default().extend(content(rejection));
    }
    for (node, contents) in by_node {
        publisher.remember(&node, contents);
    }
}

/// A stored rejection's content; nothing where it is of a type that this version does not
/// distribute, and so does not send either.
fn content(stored: StoredRejection) -> Option<RejectedContent> {
    Some(RejectedContent {
        resource_type: ResourceType::from_type_url(&stored.type_url).ok()?,
        name: stored.name.into(),
        version: Version::reported(&stored.version),
        message: stored.message.into(),
        run_on: stored.run_on.as_deref().map(Version::reported),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_a_rejection_as_it_was_stored() {
        for run_on in [None, Some(Version::reported("1"))] {
            let rejected = RejectedContent {
                resource_type: ResourceType::Secret,
                name: "s".into(),
                version: Version::reported("2"),
                message: "no such key".into(),
                run_on,
            };
            let change = stored(RejectionChange::Rejected {
                node: xds::NodeId::new("a"),
                content: rejected.clone(),
            });
            let StoredRejectionChange::Rejected(kept) = change else {
                panic!("{change:?}");
            };
            assert_eq!(kept.node, "a");
            assert_eq!(content(kept), Some(rejected));
        }
    }
}
