//! The parts of snapshots that an Envoy may be given whatever it runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{ByName, KnownDifferences, Snapshot};
use crate::ResourceType;

impl Snapshot {
    /// The endpoints and the names of the secrets that an Envoy needs which runs one of two
    /// snapshots, nobody knows which. Those of a cluster that is another one in the two are left
    /// out: they may be for one of them alone, where it asks for TLS, say. Of endpoints that both
    /// have the first one's count.
    #[must_use]
    pub fn supplies_of(one: &Self, other: &Self) -> Self {
        let version = |snapshot: &Self, name: &str| {
            let cluster = snapshot.get(ResourceType::Cluster, name);
            cluster.map(|cluster| cluster.version().clone())
        };
        let is_one_cluster = |name: &str| {
            let (first, second) = (version(one, name), version(other, name));
            first.is_none() || second.is_none() || first == second
        };
        let all = [other, one].into_iter();
        let all = all.flat_map(|snapshot| snapshot.of_type(ResourceType::Endpoints));
        let endpoints: ByName = all
            .filter(|endpoints| is_one_cluster(endpoints.name()))
            .map(|endpoints| (Arc::clone(endpoints.name()), Arc::clone(endpoints)))
            .collect();
        let secrets = one.secret_names().chain(other.secret_names());
        let secrets: BTreeSet<_> = secrets.cloned().collect();
        Self {
            generation: one.generation.clone(),
            resources: BTreeMap::from([(ResourceType::Endpoints, Arc::new(endpoints))]),
            referred: BTreeMap::from([(ResourceType::Secret, Arc::new(secrets))]),
            differences: KnownDifferences::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixtures::{eds_cluster, endpoints, snapshot},
        snapshot::Generation,
    };

    #[test]
    fn it_has_the_first_endpoints_of_each_cluster_that_is_not_another_one() {
        let one = snapshot(
            "one",
            [
                eds_cluster("same", 1),
                endpoints("same", 2),
                eds_cluster("other", 2),
                endpoints("other", 2),
                eds_cluster("new", 1),
                endpoints("new", 1),
            ],
        );
        let other = snapshot(
            "other",
            [
                eds_cluster("same", 1),
                endpoints("same", 1),
                eds_cluster("other", 1),
                endpoints("other", 1),
                eds_cluster("old", 1),
                endpoints("old", 1),
            ],
        );
        let supplies = Snapshot::supplies_of(&one, &other);
        assert_eq!(*supplies.generation(), Generation::new("one"));
        let names: Vec<&str> = supplies.resources().map(|one| &**one.name()).collect();
        assert_eq!(names, ["new", "old", "same"]);
        let same = supplies.get(ResourceType::Endpoints, "same");
        assert_eq!(same, one.get(ResourceType::Endpoints, "same"));
    }
}
