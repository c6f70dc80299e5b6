//! Resources of an earlier snapshot, shared with the next one where they say the same.

use std::sync::Arc;

use envoy_types::pb::google::protobuf::Any;

use super::Snapshot;
use crate::{InvalidResource, Resource, ResourceType};

/// The resources of an earlier snapshot, or none. What the next one says again is neither read nor
/// hashed a second time, and stands in memory once.
#[derive(Clone, Copy, Debug, Default)]
pub struct EarlierResources<'s>(Option<&'s Snapshot>);

impl<'s> EarlierResources<'s> {
    /// Takes the resources of this snapshot.
    pub fn of(snapshot: &'s Snapshot) -> Self {
        Self(Some(snapshot))
    }

    /// The resource of these bytes, which call it `name`: the earlier one where it has the same.
    ///
    /// # Errors
    /// As [`Resource::from_any`].
    pub fn share(self, name: &str, any: Any) -> Result<Arc<Resource>, InvalidResource> {
        let resource_type = ResourceType::from_type_url(&any.type_url)?;
        let earlier = self
            .0
            .and_then(|snapshot| snapshot.get(resource_type, name));
        match earlier.filter(|earlier| earlier.content() == any.value) {
            Some(earlier) => Ok(Arc::clone(earlier)),
            None => Resource::from_any(any).map(Arc::new),
        }
    }

    /// The earlier resource where it says the same as this one, or else this one.
    #[must_use]
    pub fn in_place_of(self, resource: Resource) -> Arc<Resource> {
        let (resource_type, name) = (resource.resource_type(), resource.name());
        let earlier = self
            .0
            .and_then(|snapshot| snapshot.get(resource_type, name));
        match earlier.filter(|earlier| ***earlier == resource) {
            Some(earlier) => Arc::clone(earlier),
            None => Arc::new(resource),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{cluster, endpoints, snapshot};

    fn taken(earlier: EarlierResources<'_>, resource: &Resource) -> Arc<Resource> {
        let shared = earlier.share(resource.name(), resource.any());
        shared.expect("a resource")
    }

    #[test]
    fn it_gives_the_earlier_resource_where_it_says_the_same() {
        let before = snapshot("before", [cluster("a", 1)]);
        let shared = taken(EarlierResources::of(&before), &cluster("a", 1));
        let earlier = before.get(ResourceType::Cluster, "a").expect("there");
        assert!(Arc::ptr_eq(&shared, earlier));
        let kept = EarlierResources::of(&before).in_place_of(cluster("a", 1));
        assert!(Arc::ptr_eq(&kept, earlier));
    }

    #[test]
    fn it_makes_a_resource_of_what_is_new_or_another() {
        let before = snapshot("before", [cluster("a", 1), endpoints("b", 1)]);
        for new in [cluster("a", 2), cluster("b", 1), endpoints("a", 1)] {
            let made = taken(EarlierResources::of(&before), &new);
            assert_eq!(*made, new);
            assert_eq!(*EarlierResources::of(&before).in_place_of(new.clone()), new);
        }
    }
}
