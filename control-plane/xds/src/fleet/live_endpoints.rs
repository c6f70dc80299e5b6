//! Lays what is known of endpoints at the moment over whatever snapshot an Envoy is given: which of
//! them get no requests, and which get fewer.
//!
//! A mark belongs to no snapshot. It holds for the generation that is tried, for the one before it
//! and for those that newcomers get, so that a dead endpoint leaves all of them at once, whatever
//! waits for a soak.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use envoy_types::pb::{
    envoy::config::{
        core::v3::HealthStatus,
        endpoint::v3::{ClusterLoadAssignment, LbEndpoint, lb_endpoint::HostIdentifier},
    },
    google::protobuf::UInt32Value,
};
use prost::Message as _;

use crate::{Resource, ResourceType, Snapshot};

/// How many snapshots are kept with the marks laid over them: those that a fleet is given at the
/// same time. With fewer, Envoys of one wave would be given different copies of one snapshot.
const MOST_KEPT: usize = 16;

/// The finding about one endpoint at the moment, beyond what a snapshot says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointMark {
    /// It gets no requests.
    Out,
    /// It gets so many eighths of the requests that its weight gives it, from 1 to 8.
    Share(u32),
}

impl EndpointMark {
    /// The parts of a full share. Eighths: a share that halves three times is small enough to spare
    /// a slow endpoint, and large enough to see that it has recovered.
    pub const FULL_SHARE: u32 = 8;
}

/// The marks of endpoints: by their cluster, and by the host name that the cluster gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointMarks(BTreeMap<String, BTreeMap<String, EndpointMark>>);

impl EndpointMarks {
    /// Marks one endpoint of a cluster.
    pub fn set(&mut self, cluster: &str, host: &str, mark: EndpointMark) {
        let cluster = self.0.entry(cluster.to_owned()).or_default();
        cluster.insert(host.to_owned(), mark);
    }

    /// The endpoints with these marks, if any of them differs by that.
    ///
    /// The last endpoints that take requests are not taken out: a wrong mark must not cut off a
    /// cluster whose endpoints are others than those that were looked at.
    fn lay_over(&self, resource: &Resource) -> Option<Resource> {
        let marks = self.0.get(&**resource.name())?;
        step_count::count(1);
        let bytes = resource.content();
        let mut assignment = ClusterLoadAssignment::decode(bytes).ok()?;
        let mark = |endpoint: &LbEndpoint| marks.get(host_of(endpoint)?).copied();
        let stays = |endpoint: &LbEndpoint| mark(endpoint) != Some(EndpointMark::Out);
        let mut all = assignment
            .endpoints
            .iter()
            .flat_map(|one| &one.lb_endpoints);
        let has_one = all.any(|endpoint| takes_requests(endpoint) && stays(endpoint));
        let share = |endpoint: &LbEndpoint| match mark(endpoint) {
            Some(EndpointMark::Share(share)) => share.clamp(1, EndpointMark::FULL_SHARE),
            Some(EndpointMark::Out) | None => EndpointMark::FULL_SHARE,
        };
        for locality in &mut assignment.endpoints {
            if has_one {
                locality.lb_endpoints.retain(stays);
            }
        }
        let mut all = assignment
            .endpoints
            .iter()
            .flat_map(|one| &one.lb_endpoints);
        if all.any(|endpoint| share(endpoint) != EndpointMark::FULL_SHARE) {
            let every = assignment.endpoints.iter_mut();
            for endpoint in every.flat_map(|one| &mut one.lb_endpoints) {
                let weight = endpoint.load_balancing_weight.map_or(1, |one| one.value);
                let value = weight.saturating_mul(share(endpoint));
                endpoint.load_balancing_weight = Some(UInt32Value { value });
            }
        }
        let marked = Resource::encode(&assignment).ok()?;
        (marked.version() != resource.version()).then_some(marked)
    }
}

/// The host name that a cluster gives an endpoint.
fn host_of(endpoint: &LbEndpoint) -> Option<&str> {
    match endpoint.host_identifier.as_ref()? {
        HostIdentifier::Endpoint(endpoint) => Some(&endpoint.hostname),
        HostIdentifier::EndpointName(name) => Some(name),
    }
}

/// Whether the snapshot itself lets the endpoint have requests.
fn takes_requests(endpoint: &LbEndpoint) -> bool {
    !matches!(
        endpoint.health_status(),
        HealthStatus::Unhealthy | HealthStatus::Draining | HealthStatus::Timeout
    )
}

/// The marks, and the snapshots that they were laid over last: each once, so that Envoys which
/// share a snapshot go on sharing one.
#[derive(Debug, Default)]
pub(super) struct LiveEndpoints {
    marks: EndpointMarks,
    laid_over: VecDeque<(Arc<Snapshot>, Arc<Snapshot>)>,
}

impl LiveEndpoints {
    /// Replaces the marks. Tells whether they are others.
    pub(super) fn replace(&mut self, marks: EndpointMarks) -> bool {
        if self.marks == marks {
            return false;
        }
        self.marks = marks;
        self.laid_over.clear();
        true
    }

    /// The snapshot with the marks: the very one, where nothing in it is marked.
    pub(super) fn over(&mut self, snapshot: &Arc<Snapshot>) -> Arc<Snapshot> {
        let mut known = self.laid_over.iter();
        if let Some((_, live)) = known.find(|(other, _)| Arc::ptr_eq(other, snapshot)) {
            return Arc::clone(live);
        }
        let marked: Vec<_> = self
            .marks
            .0
            .keys()
            .filter_map(|name| snapshot.get(ResourceType::Endpoints, name))
            .filter_map(|resource| self.marks.lay_over(resource))
            .map(Arc::new)
            .collect();
        if marked.is_empty() {
            return Arc::clone(snapshot);
        }
        let live = Arc::new(snapshot.with_endpoints(marked));
        if self.laid_over.len() == MOST_KEPT {
            self.laid_over.pop_front();
        }
        self.laid_over
            .push_back((Arc::clone(snapshot), Arc::clone(&live)));
        live
    }
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::config::endpoint::v3::{Endpoint, LocalityLbEndpoints};

    use super::*;
    use crate::fixtures::{cluster, eds_cluster, snapshot};

    fn endpoint(host: &str, weight: Option<u32>, health: HealthStatus) -> LbEndpoint {
        LbEndpoint {
            host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
                hostname: host.to_owned(),
                ..Endpoint::default()
            })),
            load_balancing_weight: weight.map(|value| UInt32Value { value }),
            health_status: health.into(),
            ..LbEndpoint::default()
        }
    }

    fn assignment(endpoints: Vec<LbEndpoint>) -> Resource {
        let assignment = ClusterLoadAssignment {
            cluster_name: "c".to_owned(),
            endpoints: vec![LocalityLbEndpoints {
                lb_endpoints: endpoints,
                ..LocalityLbEndpoints::default()
            }],
            ..ClusterLoadAssignment::default()
        };
        Resource::encode(&assignment).expect("it is one")
    }

    fn healthy(host: &str) -> LbEndpoint {
        endpoint(host, None, HealthStatus::Unknown)
    }

    fn base(endpoints: Vec<LbEndpoint>) -> Arc<Snapshot> {
        snapshot("1", [eds_cluster("c", 1), assignment(endpoints)])
    }

    fn live(marks: &[(&str, EndpointMark)]) -> LiveEndpoints {
        let mut all = EndpointMarks::default();
        for (host, mark) in marks {
            all.set("c", host, *mark);
        }
        let mut live = LiveEndpoints::default();
        live.replace(all);
        live
    }

    /// The hosts of a snapshot with their weights; 0 where there is none.
    fn hosts(snapshot: &Snapshot) -> Vec<(String, u32)> {
        let resource = snapshot
            .get(ResourceType::Endpoints, "c")
            .expect("it has it");
        let assignment = ClusterLoadAssignment::decode(resource.content());
        let localities = assignment.expect("they are endpoints").endpoints;
        let all = localities.iter().flat_map(|one| &one.lb_endpoints);
        all.map(|endpoint| {
            let weight = endpoint.load_balancing_weight.map_or(0, |one| one.value);
            (host_of(endpoint).unwrap_or_default().to_owned(), weight)
        })
        .collect()
    }

    fn named(hosts: &[(&str, u32)]) -> Vec<(String, u32)> {
        let hosts = hosts.iter();
        hosts
            .map(|(host, weight)| ((*host).to_owned(), *weight))
            .collect()
    }

    #[test]
    fn it_leaves_out_an_endpoint_that_is_out_and_keeps_the_generation() {
        let base = base(vec![healthy("a:1"), healthy("b:1")]);
        let over = live(&[("a:1", EndpointMark::Out)]).over(&base);
        assert_eq!(hosts(&over), named(&[("b:1", 0)]));
        assert_eq!(over.generation(), base.generation());
    }

    #[test]
    fn it_never_takes_out_the_last_endpoint_that_takes_requests() {
        let unhealthy = endpoint("b:1", None, HealthStatus::Unhealthy);
        for endpoints in [vec![healthy("a:1")], vec![healthy("a:1"), unhealthy]] {
            let base = base(endpoints);
            let over = live(&[("a:1", EndpointMark::Out)]).over(&base);
            assert!(Arc::ptr_eq(&over, &base));
        }
    }

    #[test]
    fn it_gives_a_slow_endpoint_a_share_of_what_its_weight_gives_it() {
        let weighted = endpoint("b:1", Some(3), HealthStatus::Unknown);
        let base = base(vec![healthy("a:1"), weighted, healthy("c:1")]);
        let marks = [
            ("b:1", EndpointMark::Share(2)),
            ("c:1", EndpointMark::Share(8)),
        ];
        let over = live(&marks).over(&base);
        assert_eq!(hosts(&over), named(&[("a:1", 8), ("b:1", 6), ("c:1", 8)]));
    }

    #[test]
    fn it_gives_the_very_snapshot_where_nothing_is_marked_and_one_copy_where_something_is() {
        let base = base(vec![healthy("a:1"), healthy("b:1")]);
        let full = live(&[("a:1", EndpointMark::Share(8))]).over(&base);
        assert!(Arc::ptr_eq(&full, &base));
        let other = snapshot("2", [cluster("c", 1)]);
        let mut out = live(&[("a:1", EndpointMark::Out)]);
        assert!(Arc::ptr_eq(&out.over(&other), &other));
        assert!(Arc::ptr_eq(&out.over(&base), &out.over(&base)));
    }
}
