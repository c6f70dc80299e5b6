//! Envoy's host calls.
//!
//! The SDK's wrappers panic on any status that they do not expect, and read headers into one
//! allocation for each name and value; these read one block, and take a failed call for "nothing
//! there".

mod abi;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use policy_engine::UnixNanos;

use crate::{
    Answering, Clock, Conflict, HeaderPairs, LocalReply, MetricId, MetricKind, Metrics,
    NoRandomness, RequestBody, RequestHeaders, SharedData, SharedValue, StreamId, Version,
};

/// The version that a compare-and-set names for a value that was not there. Envoy takes zero for
/// "store anyway", and numbers versions upwards from one.
const ABSENT: Version = Version(u32::MAX);

/// The request that Envoy is asking about: its calls know which, so this has no state.
#[derive(Debug, Clone, Copy, Default)]
pub struct Envoy;

impl RequestHeaders for Envoy {
    fn header_pairs(&self) -> HeaderPairs {
        HeaderPairs::from_block(abi::request_header_pairs().unwrap_or_default())
    }

    fn set_header(&self, name: &str, value: &str) {
        abi::replace_request_header(name.as_bytes(), value.as_bytes());
    }

    fn remove_header(&self, name: &[u8]) {
        abi::remove_request_header(name);
    }
}

impl RequestBody for Envoy {
    fn body(&self, from: usize, length: usize) -> Vec<u8> {
        abi::request_body(from, length).unwrap_or_default()
    }

    fn replace_body(&self, bytes: &[u8]) {
        abi::replace_request_body(bytes);
    }
}

impl Answering for Envoy {
    fn reply(&self, reply: &LocalReply<'_>) {
        let headers = HeaderPairs::of(
            reply
                .headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes())),
        );
        abi::send_local_response(reply.status, reply.details, headers.block(), reply.body);
    }

    fn reply_to(&self, other: StreamId, own: StreamId, reply: &LocalReply<'_>) {
        if abi::set_effective_context(other.0) {
            self.reply(reply);
            abi::set_effective_context(own.0);
        }
    }

    fn note(&self, name: &str, value: &[u8]) {
        abi::set_property(name, value);
    }
}

impl SharedData for Envoy {
    fn read(&self, key: &str) -> SharedValue {
        match abi::shared_data(key) {
            Some((bytes, version)) => SharedValue {
                bytes,
                version: Version(version),
            },
            None => SharedValue {
                bytes: Vec::new(),
                version: ABSENT,
            },
        }
    }

    fn compare_and_set(&self, key: &str, bytes: &[u8], version: Version) -> Result<(), Conflict> {
        if abi::set_shared_data(key, bytes, version.0) {
            Ok(())
        } else {
            Err(Conflict)
        }
    }
}

impl Metrics for Envoy {
    fn define_metric(&self, kind: MetricKind, name: &str) -> Option<MetricId> {
        abi::define_metric(kind, name).map(MetricId)
    }

    fn increment(&self, metric: MetricId) {
        abi::increment_metric(metric.0);
    }

    fn record(&self, metric: MetricId, value: u64) {
        abi::record_metric(metric.0, value);
    }
}

impl Clock for Envoy {
    fn now(&self) -> UnixNanos {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        thread_local!(static START: Instant = Instant::now());
        START.with(Instant::elapsed)
    }
}

/// Random bytes from the host.
///
/// # Errors
/// The host gives no random bytes.
pub fn random(bytes: &mut [u8; 16]) -> Result<(), NoRandomness> {
    getrandom::fill(bytes).map_err(|_| NoRandomness)
}
