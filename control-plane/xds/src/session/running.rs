//! Whether an Envoy runs a part of a generation, asked of the session for that part alone.

use std::sync::Arc;

use super::{
    Session,
    subscription::{Demand, Reply},
};
use crate::{DeliveryState, Generation, ResourceType, Snapshot, Version};

/// The resources of some types in which a generation differs from another one, as it has them.
#[derive(Debug)]
pub(crate) struct OwnContents {
    generation: Generation,
    contents: Vec<OwnContent>,
}

#[derive(Debug)]
struct OwnContent {
    resource_type: ResourceType,
    name: Arc<str>,
    /// Nothing where the generation has none of that name.
    version: Option<Version>,
}

impl OwnContents {
    /// Takes what `snapshot` has and `other` has not, or has otherwise, out of the difference of
    /// the two, which all who ask share.
    pub(crate) fn of(
        snapshot: &Arc<Snapshot>,
        other: &Arc<Snapshot>,
        types: &[ResourceType],
    ) -> Self {
        let difference = snapshot.difference_from(other);
        let version_in = |snapshot: &Snapshot, of, name: &str| {
            let resource = snapshot.get(of, name);
            resource.map(|resource| resource.version().clone())
        };
        let names = types.iter().flat_map(|resource_type| {
            let names = difference.names(*resource_type);
            names.map(|name| (*resource_type, name))
        });
        let contents = names.filter_map(|(resource_type, name)| {
            let version = version_in(snapshot, resource_type, name);
            let is_own = version != version_in(other, resource_type, name);
            is_own.then(|| OwnContent {
                resource_type,
                name: Arc::clone(name),
                version,
            })
        });
        Self {
            generation: snapshot.generation().clone(),
            contents: contents.collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.contents.is_empty()
    }
}

/// The versions of one resource that an Envoy may run.
struct Versions<'s> {
    acked: Option<&'s Version>,
    /// The version that it was sent, unless it rejected that.
    sent: Option<&'s Version>,
}

impl Session {
    /// Whether the Envoy has, or is being sent, one of these contents. What it costs grows with
    /// their number, not with that of the Envoy's resources.
    pub(crate) fn runs_one_of(&self, own: &OwnContents) -> bool {
        own.contents.iter().any(|content| {
            step_count::count(1);
            let theirs = self.versions(content.resource_type, &content.name);
            match &content.version {
                Some(version) => theirs.is_some_and(|theirs| {
                    theirs.acked == Some(version) || theirs.sent == Some(version)
                }),
                None => {
                    let has_one = theirs.is_some_and(|theirs| theirs.acked.is_some());
                    self.was_given(&own.generation) && !has_one
                }
            }
        })
    }

    fn versions(&self, resource_type: ResourceType, name: &Arc<str>) -> Option<Versions<'_>> {
        if let Some(positions) = &self.ended {
            let place = positions
                .binary_search_by(|one| (one.resource_type, &one.name).cmp(&(resource_type, name)));
            let position = &positions[place.ok()?];
            let is_rejected = matches!(position.state, DeliveryState::Rejected { .. });
            return Some(Versions {
                acked: position.acked.as_ref(),
                sent: position.sent.as_ref().filter(|_| !is_rejected),
            });
        }
        let tracked = self.subscriptions.get(&resource_type)?.tracked.get(name)?;
        // One of a batch that was rejected may have been taken, and is sent again.
        let is_rejected =
            tracked.demand == Demand::Answered && matches!(tracked.reply, Reply::Rejected { .. });
        Some(Versions {
            acked: tracked.acked.as_ref(),
            sent: tracked.sent.as_ref().filter(|_| !is_rejected),
        })
    }

    fn was_given(&self, generation: &Generation) -> bool {
        let pushed = self.last_push.as_ref().map(|push| &push.generation);
        pushed == Some(generation) || self.in_force.as_ref() == Some(generation)
    }
}
