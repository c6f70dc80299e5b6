//! The place of an Envoy in the fleet as it describes it, and the selection of Envoys by that.

use std::collections::BTreeMap;

/// The place of an Envoy in the fleet, as it describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeDescription {
    /// Its `node.cluster`, possibly empty.
    pub cluster: String,
    /// The texts at the top level of its `node.metadata`, by their keys.
    pub labels: BTreeMap<String, String>,
}

impl NodeDescription {
    /// The memory that its texts take up.
    pub(crate) fn bytes(&self) -> usize {
        let labels = self.labels.iter();
        self.cluster.len()
            + labels
                .map(|(key, value)| key.len() + value.len())
                .sum::<usize>()
    }
}

/// Selects the Envoys of a group by what they say of themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSelector {
    /// The `node.cluster` that they have, if that matters.
    pub cluster: Option<String>,
    /// The labels that they have, all of them; others do not matter.
    pub labels: BTreeMap<String, String>,
}

impl NodeSelector {
    /// Whether the Envoy that describes itself so is one of the group.
    pub fn selects(&self, node: &NodeDescription) -> bool {
        let has_cluster = self
            .cluster
            .as_ref()
            .is_none_or(|cluster| *cluster == node.cluster);
        has_cluster
            && self
                .labels
                .iter()
                .all(|(key, value)| node.labels.get(key) == Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn it_selects_by_cluster_and_by_every_label_that_is_named() {
        let node = NodeDescription {
            cluster: "edge".to_owned(),
            labels: labels(&[("region", "eu"), ("tier", "canary")]),
        };
        for (cluster, named, selected) in [
            (None, labels(&[]), true),
            (Some("edge"), labels(&[]), true),
            (Some("core"), labels(&[]), false),
            (None, labels(&[("region", "eu")]), true),
            (None, labels(&[("region", "us")]), false),
            (None, labels(&[("region", "eu"), ("rack", "1")]), false),
            (
                Some("edge"),
                labels(&[("region", "eu"), ("tier", "canary")]),
                true,
            ),
            (Some("core"), labels(&[("region", "eu")]), false),
        ] {
            let selector = NodeSelector {
                cluster: cluster.map(str::to_owned),
                labels: named,
            };
            assert_eq!(selector.selects(&node), selected, "{selector:?}");
        }
    }
}
