//! The messages of a stream of reports, of which no more is read than is kept.
//!
//! They are wire-compatible with `envoy.service.metrics.v3.StreamMetricsMessage`. A whole message
//! would be a hundred times as large in memory as on the wire if its sender wanted it to be; here a
//! statistic is a slice of the message until its name has been looked at.

use bytes::Bytes;
use prost::Message;

use crate::statistic::Statistic;

/// The longest statistic that is read, in bytes: a histogram of twenty bounds has a thousand. What
/// is longer is none of the statistics that are kept.
const MOST_FAMILY_BYTES: usize = 16 << 10;
/// The longest `node.id`, in bytes, as the discovery services take it.
const MOST_ID_BYTES: usize = 256;
/// The most bounds of a histogram that are read. Envoy's own have nineteen.
const MOST_BOUNDS: usize = 64;

/// One message of a stream.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReportMessage {
    #[prost(message, optional, tag = "1")]
    identifier: Option<Identifier>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    families: Vec<Bytes>,
}

/// The answer to a stream, which says nothing.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReportAnswer {}

#[derive(Clone, PartialEq, Message)]
struct Identifier {
    #[prost(message, optional, tag = "1")]
    node: Option<Node>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct FamilyName {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Family {
    #[prost(message, repeated, tag = "4")]
    metrics: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, optional, tag = "2")]
    gauge: Option<Amount>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Amount>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Amount {
    #[prost(double, tag = "1")]
    value: f64,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(message, repeated, tag = "3")]
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, tag = "1")]
    cumulative_count: u64,
    #[prost(double, tag = "2")]
    upper_bound: f64,
}

/// The value of a statistic.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A counter or a gauge as it stands.
    Number(u64),
    /// How many values since the last message were at or below each bound, the bounds ascending.
    Distribution(Vec<(f64, u64)>),
}

/// Why the first message of a stream names no Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoIdentity {
    /// It says nothing of it.
    Missing,
    /// The `node.id` is too long, or no plain text.
    Unusable,
}

impl ReportMessage {
    /// The `node.id` of the Envoy, which only the first message of a stream has.
    pub(crate) fn node_id(&self) -> Result<&str, NoIdentity> {
        let identifier = self.identifier.as_ref();
        let node = identifier.and_then(|identifier| identifier.node.as_ref());
        match node.map(|node| node.id.as_str()) {
            None | Some("") => Err(NoIdentity::Missing),
            Some(id) if id.len() > MOST_ID_BYTES || id.chars().any(char::is_control) => {
                Err(NoIdentity::Unusable)
            }
            Some(id) => Ok(id),
        }
    }

    /// Hands each statistic that is kept to `keep`, one after the other.
    pub(crate) fn for_each(&self, mut keep: impl FnMut(&str, Statistic<'_>, Value)) {
        for bytes in &self.families {
            if bytes.len() > MOST_FAMILY_BYTES {
                continue;
            }
            let Ok(FamilyName { name }) = FamilyName::decode(bytes.clone()) else {
                continue;
            };
            let Ok(name) = std::str::from_utf8(&name) else {
                continue;
            };
            let Some(statistic) = Statistic::of(name) else {
                continue;
            };
            if let Some(value) = Value::read(bytes) {
                keep(name, statistic, value);
            }
        }
    }
}

impl Value {
    /// The value of the one metric that Envoy reports of each name.
    fn read(family: &Bytes) -> Option<Self> {
        let Family { metrics } = Family::decode(family.clone()).ok()?;
        let metric = metrics.into_iter().next()?;
        if let Some(Histogram { buckets }) = metric.histogram {
            let mut bounds: Vec<(f64, u64)> = buckets
                .into_iter()
                .take(MOST_BOUNDS)
                .map(|bucket| (bucket.upper_bound, bucket.cumulative_count))
                .collect();
            bounds.retain(|(bound, _)| bound.is_finite());
            let ascends = bounds.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
            return ascends.then_some(Self::Distribution(bounds));
        }
        let amount = metric.counter.or(metric.gauge)?;
        Some(Self::Number(whole(amount.value)))
    }
}

/// The nearest whole number that is not negative; Envoy's own numbers are whole.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion ends at the bounds of the type"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 4] = [
        "cluster.data.upstream_rq_time",
        "http.mcp.downstream_rq_5xx",
        "wasmcustom.portcullis_calls.server.data.tool.query",
        "server.live",
    ];

    /// A statistic of that name, followed by whatever its sender likes.
    fn family(name: &str, rest: &[u8]) -> Bytes {
        let mut bytes = FamilyName {
            name: Bytes::copy_from_slice(name.as_bytes()),
        }
        .encode_to_vec();
        bytes.extend_from_slice(rest);
        bytes.into()
    }

    proptest! {
        #[test]
        fn it_reads_whatever_an_envoy_sends_without_keeping_what_it_does_not_know(
            raw in vec(any::<u8>(), 0..200),
            rests in vec((0..NAMES.len(), vec(any::<u8>(), 0..60)), 0..8),
            counts in vec((any::<f64>(), any::<u64>()), 0..100),
        ) {
            let buckets = counts.into_iter().map(|(upper_bound, cumulative_count)| Bucket {
                cumulative_count,
                upper_bound,
            });
            let whole = Family {
                metrics: vec![Metric {
                    histogram: Some(Histogram { buckets: buckets.collect() }),
                    ..Metric::default()
                }],
            };
            let families = rests.iter().map(|(name, rest)| family(NAMES[*name], rest));
            let message = ReportMessage {
                identifier: None,
                families: families.chain([family(NAMES[0], &whole.encode_to_vec())]).collect(),
            };
            let read = ReportMessage::decode(message.encode_to_vec().as_slice()).unwrap();
            let raw = ReportMessage::decode(raw.as_slice()).unwrap_or_default();
            for message in [read, raw] {
                prop_assert!(message.node_id().is_err() || message.identifier.is_some());
                message.for_each(|name, _, value| {
                    assert_ne!(name, "server.live");
                    if let Value::Distribution(values) = value {
                        assert!(values.len() <= MOST_BOUNDS);
                        assert!(values.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
                    }
                });
            }
        }
    }
}
