//! Everything that an Envoy is to have.

mod difference;
mod earlier;
mod supplies;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

pub(crate) use difference::Difference;
use difference::KnownDifferences;
pub use earlier::EarlierResources;
use sha2::{Digest, Sha256};

use crate::{Resource, ResourceType, SecretTable};

/// The name of a snapshot. Two snapshots of one generation differ in their endpoints at most; of a
/// secret they hold the name alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(Arc<str>);

impl Generation {
    /// Takes the name as the caller made it; generations are only compared for equality.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name of what `resources` say, whatever their order: a hash of their contents. Endpoints
    /// do not count: they change when servers come and go, and reach Envoys at once.
    pub fn of<'r>(resources: impl IntoIterator<Item = &'r Resource>) -> Self {
        let contents: BTreeSet<_> = resources
            .into_iter()
            .filter(|resource| resource.resource_type().belongs_to_generations())
            .map(|resource| {
                (
                    resource.resource_type(),
                    resource.name(),
                    resource.version(),
                )
            })
            .collect();
        let mut hasher = Sha256::new();
        for (resource_type, name, version) in contents {
            // Each part is preceded by its length, so that no two sets of parts are written alike.
            for part in [resource_type.type_url(), name, version.as_str()] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
        }
        Self(hex::encode(hasher.finalize()).into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Everything that an Envoy is to have, apart from secrets: immutable, complete, and free of
/// dangling names.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    generation: Generation,
    resources: BTreeMap<ResourceType, Arc<ByName>>,
    /// The names that other resources refer to, by their type.
    referred: BTreeMap<ResourceType, Arc<BTreeSet<Arc<str>>>>,
    differences: KnownDifferences,
}

/// The resources of one type.
type ByName = BTreeMap<Arc<str>, Arc<Resource>>;

impl Snapshot {
    /// The same generation with these endpoints in place of its own of the same names.
    #[must_use]
    pub fn with_endpoints(&self, endpoints: impl IntoIterator<Item = Arc<Resource>>) -> Self {
        let mut snapshot = self.clone();
        let all = snapshot
            .resources
            .entry(ResourceType::Endpoints)
            .or_default();
        let all = Arc::make_mut(all);
        for resource in endpoints {
            if resource.resource_type() == ResourceType::Endpoints {
                all.insert(Arc::clone(resource.name()), resource);
            }
        }
        snapshot
    }

    /// The same generation with those of `secrets` that its resources name.
    pub(crate) fn with_secrets(&self, secrets: &SecretTable) -> Self {
        let named = self.referred(ResourceType::Secret);
        let named: ByName = named
            .filter_map(|name| Some((Arc::clone(name), Arc::clone(secrets.get(name)?))))
            .collect();
        let mut snapshot = self.clone();
        let of_type = snapshot.resources.entry(ResourceType::Secret).or_default();
        *of_type = Arc::new(named);
        snapshot
    }

    /// The names of the secrets that resources of this snapshot refer to.
    pub fn secret_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.referred(ResourceType::Secret)
    }

    /// Starts a snapshot of `generation`.
    pub fn builder(generation: Generation) -> SnapshotBuilder {
        SnapshotBuilder {
            generation,
            resources: Vec::new(),
        }
    }

    /// Which generation it is.
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// The resource of that type and name.
    pub fn get(&self, resource_type: ResourceType, name: &str) -> Option<&Arc<Resource>> {
        step_count::count(1);
        self.resources.get(&resource_type)?.get(name)
    }

    /// Every resource of a type, by name.
    pub fn of_type(&self, resource_type: ResourceType) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources
            .get(&resource_type)
            .into_iter()
            .flat_map(|resources| resources.values())
            .inspect(|_| step_count::count(1))
    }

    /// The names of a type that other resources refer to: an Envoy that has those asks for these.
    pub(crate) fn referred(&self, resource_type: ResourceType) -> impl Iterator<Item = &Arc<str>> {
        let names = self.referred.get(&resource_type).into_iter();
        names
            .flat_map(|names| names.iter())
            .inspect(|_| step_count::count(1))
    }

    /// Whether another resource refers to one of that type and name.
    pub fn is_referred(&self, resource_type: ResourceType, name: &str) -> bool {
        let names = self.referred.get(&resource_type);
        names.is_some_and(|names| names.contains(name))
    }

    /// In what this snapshot differs from an earlier one; worked out once for all who ask.
    pub(crate) fn difference_from(&self, before: &Arc<Self>) -> Arc<Difference> {
        self.differences
            .get_or_insert_with(before, || Difference::between(before, self))
    }

    /// Every resource, in push order, then by name.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources
            .values()
            .flat_map(|resources| resources.values())
    }
}

/// Collects the resources of a [`Snapshot`].
#[derive(Debug)]
pub struct SnapshotBuilder {
    generation: Generation,
    resources: Vec<Arc<Resource>>,
}

impl SnapshotBuilder {
    /// Adds a resource to the snapshot; one that is a part of other snapshots too is shared with
    /// them.
    #[must_use]
    pub fn with(mut self, resource: impl Into<Arc<Resource>>) -> Self {
        self.resources.push(resource.into());
        self
    }

    /// Checks the whole and closes it.
    ///
    /// # Errors
    /// When two resources of a type share a name, or one names another that is not there; secrets
    /// never are.
    pub fn build(self) -> Result<Snapshot, InconsistentSnapshot> {
        let mut snapshot = Snapshot {
            generation: self.generation,
            resources: BTreeMap::new(),
            referred: BTreeMap::new(),
            differences: KnownDifferences::default(),
        };
        for resource in self.resources {
            let resource_type = resource.resource_type();
            let name = Arc::clone(resource.name());
            let same_type = snapshot.resources.entry(resource_type).or_default();
            if Arc::make_mut(same_type)
                .insert(Arc::clone(&name), resource)
                .is_some()
            {
                return Err(InconsistentSnapshot::Duplicate {
                    resource_type,
                    name,
                });
            }
        }
        let mut referred: BTreeMap<ResourceType, BTreeSet<Arc<str>>> = BTreeMap::new();
        for resource in snapshot.resources() {
            for reference in resource.references() {
                let named = match snapshot.get(reference.resource_type, &reference.name) {
                    Some(named) => named.name(),
                    // It is supplied apart.
                    None if reference.resource_type.is_supplied_apart() => &reference.name,
                    None => {
                        return Err(InconsistentSnapshot::Dangling {
                            from_type: resource.resource_type(),
                            from: Arc::clone(resource.name()),
                            to_type: reference.resource_type,
                            to: Arc::clone(&reference.name),
                        });
                    }
                };
                let names = referred.entry(reference.resource_type).or_default();
                names.insert(Arc::clone(named));
            }
        }
        snapshot.referred = referred
            .into_iter()
            .map(|(resource_type, names)| (resource_type, Arc::new(names)))
            .collect();
        Ok(snapshot)
    }
}

/// Why resources make no snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InconsistentSnapshot {
    /// Envoy could only ever have one of them.
    #[error("there are two {resource_type} resources named `{name}`")]
    Duplicate {
        /// The type that both resources have.
        resource_type: ResourceType,
        /// The name that both resources have.
        name: Arc<str>,
    },
    /// Envoy would ask for it and wait in vain.
    #[error("{from_type} `{from}` names {to_type} `{to}`, which is not in the snapshot")]
    Dangling {
        /// The type of the resource that names the other.
        from_type: ResourceType,
        /// The name of the resource that refers.
        from: Arc<str>,
        /// The type of the missing one.
        to_type: ResourceType,
        /// The name that it refers to.
        to: Arc<str>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{cluster, eds_cluster, endpoints, extension, http_listener, route};

    fn build(resources: impl IntoIterator<Item = Resource>) -> Result<Snapshot, String> {
        let mut builder = Snapshot::builder(Generation::new("1"));
        for resource in resources {
            builder = builder.with(resource);
        }
        builder.build().map_err(|error| error.to_string())
    }

    fn refused(resources: impl IntoIterator<Item = Resource>, reason: &str) {
        assert_eq!(build(resources).expect_err("inconsistent"), reason);
    }

    #[test]
    fn it_refuses_two_resources_of_one_name_and_type() {
        refused(
            [cluster("a", 1), cluster("a", 2)],
            "there are two cluster resources named `a`",
        );
        build([cluster("a", 1), endpoints("a", 1)]).expect("they are of different types");
    }

    #[test]
    fn it_refuses_a_name_that_nothing_has() {
        refused(
            [eds_cluster("a", 1)],
            "cluster `a` names endpoints `a`, which is not in the snapshot",
        );
        refused(
            [http_listener("l", "r", "e"), extension("e", "")],
            "listener `l` names route configuration `r`, which is not in the snapshot",
        );
        refused(
            [http_listener("l", "r", "e"), route("r", "")],
            "listener `l` names extension configuration `e`, which is not in the snapshot",
        );
    }

    #[test]
    fn it_gives_resources_in_push_order_and_then_by_name() {
        let snapshot = build([
            extension("e", ""),
            route("r", ""),
            http_listener("l", "r", "e"),
            cluster("b", 1),
            endpoints("a", 1),
            eds_cluster("a", 1),
        ])
        .expect("consistent");
        let names: Vec<_> = snapshot
            .resources()
            .map(|resource| format!("{} {}", resource.resource_type(), resource.name()))
            .collect();
        assert_eq!(
            names,
            [
                "cluster a",
                "cluster b",
                "endpoints a",
                "listener l",
                "route configuration r",
                "extension configuration e"
            ]
        );
    }
}
