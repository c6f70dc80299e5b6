//! Where calls go, and which changes of that count as looser.
//!
//! Whoever has written gates has told the control plane to decide by numbers: a call that fails at
//! its new target goes back to the one that it had. That is so only where the target is still what
//! it was; anything else said of it is compared by nobody.

use std::collections::BTreeSet;

use gateway_document::{ClusterName, GatewayDocument, HttpRoute, Server, Target};

use super::by_key;

/// The changes of where calls go that count as looser.
pub(super) enum TargetChanges {
    /// Each change of them counts.
    Count,
    /// Only those to other clusters than these, which are what they were. A cluster is named as
    /// rules and routes name it, a spread over several as [`gateway_document::Rule::split`] does.
    CountBut(BTreeSet<String>),
}

impl TargetChanges {
    /// The changes that count where those are left to numbers that lead back to what Envoys still
    /// have.
    pub(super) fn left_to_numbers(from: &GatewayDocument, to: &GatewayDocument) -> Self {
        let clusters_before = by_key(&from.clusters, |cluster| &cluster.name);
        let clusters = to.clusters.iter().filter(|cluster| {
            let before = clusters_before.get(&cluster.name);
            before.is_some_and(|before| before == cluster)
        });
        let servers = to.servers.iter().filter(|(name, server)| {
            let before = from.servers.get(*name);
            before.is_some_and(|before| is_reached_as_before(before, server))
        });
        let mut known: BTreeSet<String> = clusters
            .map(|cluster| cluster.name.to_string())
            .chain(servers.map(|(name, _)| name.to_string()))
            .collect();
        let is_known = |target: &Target| {
            let mut names = target.weights.keys();
            names.all(|name| known.contains(name.as_str()))
        };
        let splits = to.tools.iter().filter_map(|rule| {
            let target = rule.route.as_ref()?;
            (target.cluster.is_none() && is_known(target)).then(|| rule.split())
        });
        let splits: Vec<String> = splits.collect();
        known.extend(splits);
        Self::CountBut(known)
    }

    /// Whether it counts that something goes to these again and not to others.
    pub(super) fn count<'a>(&self, targets: impl IntoIterator<Item = &'a str>) -> bool {
        match self {
            Self::Count => true,
            Self::CountBut(known) => targets.into_iter().any(|target| !known.contains(target)),
        }
    }

    /// Whether a difference of these routes counts.
    pub(super) fn count_in_routes(&self, before: &[HttpRoute], after: &[HttpRoute]) -> bool {
        let counts = |(before, after): (&HttpRoute, &HttpRoute)| {
            let to = after.to.clone();
            let goes_there = HttpRoute {
                to,
                ..before.clone()
            };
            let clusters = after.to.clusters().into_keys().map(ClusterName::as_str);
            before != after && (goes_there != *after || self.count(clusters))
        };
        before.len() != after.len() || before.iter().zip(after).any(counts)
    }
}

/// Whether calls reach a server as they did.
fn is_reached_as_before(before: &Server, after: &Server) -> bool {
    let Server {
        url,
        endpoints,
        credentials,
        max_connections,
        upstream,
        // They are about its tools and how the gateway lists them.
        protocol: _,
        tool_prefix: _,
        catalogue: _,
        requires: _,
        pin: _,
        labels: _,
    } = after;
    *url == before.url
        && *endpoints == before.endpoints
        && *credentials == before.credentials
        && *max_connections == before.max_connections
        && *upstream == before.upstream
}

#[cfg(test)]
mod tests;
