//! How Envoy treats the endpoints of a cluster.

use envoy_types::pb::envoy::config::cluster::v3::OutlierDetection;
use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::cluster::LbPolicy;
use envoy_types::pb::envoy::config::core::v3::HealthCheck;
use envoy_types::pb::envoy::config::core::v3::health_check::{
    HealthChecker, HttpHealthCheck, TcpHealthCheck,
};
use envoy_types::pb::envoy::r#type::v3::Int64Range;
use gateway_document::{Balancing, HealthCheck as DocumentCheck, Outliers, Span, Upstream};

use super::{number, span, truth};

pub(super) fn lb_policy(balancing: Balancing) -> LbPolicy {
    match balancing {
        Balancing::LeastRequest => LbPolicy::LeastRequest,
        Balancing::RoundRobin => LbPolicy::RoundRobin,
        Balancing::Random => LbPolicy::Random,
        Balancing::RingHash => LbPolicy::RingHash,
        Balancing::Maglev => LbPolicy::Maglev,
    }
}

/// The bounds of what a cluster may have open at once, each of which is `connections` unless it is
/// given.
pub(super) fn thresholds(connections: u32, upstream: &Upstream) -> Thresholds {
    Thresholds {
        max_connections: number(connections),
        // Those that wait for a connection: with none, a short peak would be refused.
        max_pending_requests: number(upstream.max_pending_requests.unwrap_or(connections)),
        max_requests: number(upstream.max_requests.unwrap_or(connections)),
        max_retries: upstream.max_retries.and_then(number),
        ..Default::default()
    }
}

pub(super) fn health_check(check: &DocumentCheck) -> HealthCheck {
    let checker = match &check.path {
        Some(path) => HealthChecker::HttpHealthCheck(HttpHealthCheck {
            path: path.to_string(),
            expected_statuses: check
                .statuses
                .iter()
                .map(|status| Int64Range {
                    start: i64::from(*status),
                    end: i64::from(*status) + 1,
                })
                .collect(),
            ..Default::default()
        }),
        None => HealthChecker::TcpHealthCheck(TcpHealthCheck::default()),
    };
    HealthCheck {
        timeout: span(check.timeout),
        interval: span(check.interval),
        // Envoy would ask endpoints that nobody has called yet but once a minute.
        no_traffic_interval: span(check.interval),
        unhealthy_threshold: number(check.unhealthy_after),
        healthy_threshold: number(check.healthy_after),
        health_checker: Some(checker),
        ..Default::default()
    }
}

pub(super) fn outlier_detection(outliers: &Outliers) -> OutlierDetection {
    OutlierDetection {
        consecutive_5xx: number(outliers.consecutive_5xx),
        interval: span(outliers.interval),
        base_ejection_time: span(outliers.ejection_time),
        max_ejection_time: span(outliers.ejection_time.max(LONGEST_EJECTION)),
        max_ejection_percent: number(outliers.max_ejected_percent),
        always_eject_one_host: truth(true),
        // By what the document says and nothing else.
        enforcing_consecutive_5xx: number(100),
        enforcing_success_rate: number(0),
        enforcing_consecutive_gateway_failure: number(0),
        ..Default::default()
    }
}

/// Envoy's own bound on how long an endpoint is out that fails again and again; it takes no bound
/// below the first time.
const LONGEST_EJECTION: Span = Span::from_seconds(300);
