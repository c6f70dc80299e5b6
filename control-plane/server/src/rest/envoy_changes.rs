//! The difference between two generations as Envoy sees it.

use std::collections::BTreeMap;

use serde_json::Value;
use xds::{Resource, Snapshot};

use super::nodes::word;
use crate::descriptors::{self, DecodeError};
use crate::difference::{ResourceChange, between};

/// The resources of Envoy that differ between two snapshots, with the fields that do. Only those
/// are decoded.
pub(super) fn between_snapshots(
    before: &Snapshot,
    after: &Snapshot,
) -> Result<Vec<ResourceChange>, DecodeError> {
    let mut kinds: BTreeMap<&str, Pair> = BTreeMap::new();
    for resource in before.resources() {
        if differs(resource, after) {
            let pair = kinds.entry(word(resource.resource_type())).or_default();
            pair.before.push(decoded(resource)?);
        }
    }
    for resource in after.resources() {
        if differs(resource, before) {
            let pair = kinds.entry(word(resource.resource_type())).or_default();
            pair.after.push(decoded(resource)?);
        }
    }
    let changes = kinds
        .iter()
        .flat_map(|(kind, pair)| between(kind, &pair.before, &pair.after));
    Ok(changes.collect())
}

/// The resources of one type that differ, in the one snapshot and in the other.
#[derive(Default)]
struct Pair {
    before: Vec<(String, Value)>,
    after: Vec<(String, Value)>,
}

fn differs(resource: &Resource, other: &Snapshot) -> bool {
    let same = other.get(resource.resource_type(), resource.name());
    same.is_none_or(|same| same.version() != resource.version())
}

fn decoded(resource: &Resource) -> Result<(String, Value), DecodeError> {
    let content = descriptors::to_json(&resource.any())?;
    Ok((resource.name().to_string(), content))
}
