//! Where a message goes once it may pass.

use std::collections::BTreeMap;

use crate::wire::Credentials;

/// A target of the policy that gave it; means nothing to another policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(u32);

/// A server, and the cluster and path by which a message reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) server: String,
    pub(crate) cluster: String,
    pub(crate) path: String,
    /// The fate of the credentials that the caller sends to the gateway.
    pub(crate) credentials: Credentials,
}

/// All targets of a policy, each once.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    all: Vec<Target>,
    /// By server and cluster, which say all the rest.
    ids: BTreeMap<(String, String), TargetId>,
}

impl Targets {
    /// The target of a server by a cluster, which `make` describes if it is new.
    pub(crate) fn id_of(
        &mut self,
        (server, cluster): (&str, &str),
        make: impl FnOnce() -> Target,
    ) -> TargetId {
        let key = (server.to_owned(), cluster.to_owned());
        *self.ids.entry(key).or_insert_with(|| {
            let id = TargetId(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
            self.all.push(make());
            id
        })
    }

    /// The id of a target that is there.
    pub(crate) fn find(&self, (server, cluster): (&str, &str)) -> Option<TargetId> {
        let key = (server.to_owned(), cluster.to_owned());
        self.ids.get(&key).copied()
    }

    /// The targets, by their ids.
    pub(crate) fn all(&self) -> &[Target] {
        &self.all
    }
}

impl TargetId {
    pub(crate) fn of(self, targets: &[Target]) -> Option<&Target> {
        targets.get(usize::try_from(self.0).ok()?)
    }
}
