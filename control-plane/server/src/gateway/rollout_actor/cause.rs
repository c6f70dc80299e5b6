//! Why a generation is taken back, and how that is put on record.

use std::collections::BTreeMap;

use store::AuditEntry;

use super::super::acceptance::Rejections;
use super::super::author::Author;
use super::super::loosening::Looser;
use super::super::rollouts::RolloutState;
use crate::generation::Built;

/// The entry on the audit trail when Envoys reject a revision.
const REJECTED: &str = "rejected by Envoy";
/// The entry when Envoys of a wave do not answer.
const UNANSWERED: &str = "left unanswered by Envoy";
/// The entry when what Envoys of a wave report goes beyond a gate.
const BREACHED: &str = "stopped by a gate";
/// The entry when Envoys of a wave end with a revision and do not come back.
const LOST: &str = "lost with an Envoy";

/// Why a generation is taken back.
#[derive(Debug)]
pub(super) enum Cause {
    /// Envoys rejected these resources of it, or crashed with it.
    Rejected(Rejections),
    /// These Envoys of a wave left it unanswered, with what they say all the same.
    Silent(BTreeMap<String, Vec<String>>),
    /// The reports of Envoys of a wave go beyond a gate, in these words.
    Breached(String),
    /// Envoys of a wave ended soon after they took it, in these words.
    Lost(String),
    /// An operator ended its rollout.
    Aborted {
        /// The operator who ended it.
        by: Author,
        /// Whether going back may allow more.
        may_loosen: bool,
    },
}

impl Cause {
    /// The rejections that count against it.
    pub(super) fn rejections(&self) -> Rejections {
        match self {
            Self::Rejected(nodes) => nodes.clone(),
            Self::Silent(_) | Self::Breached(_) | Self::Lost(_) | Self::Aborted { .. } => {
                Rejections::new()
            }
        }
    }

    /// How much looser the generation may be that Envoys go back to. Whoever has written gates
    /// leaves it to numbers where calls go.
    pub(super) fn tolerates(&self) -> Looser {
        match self {
            Self::Aborted {
                may_loosen: true, ..
            } => Looser::More,
            Self::Breached(_) => Looser::Targets,
            Self::Rejected(_) | Self::Silent(_) | Self::Lost(_) | Self::Aborted { .. } => {
                Looser::Not
            }
        }
    }

    /// The entry for the audit trail, with the reason in the words of who caused it.
    pub(super) fn to_entry(&self, rejected: &Built) -> AuditEntry {
        let ours = |what: &str, reason| AuditEntry {
            who: "control plane".to_owned(),
            what: what.to_owned(),
            revision: Some(rejected.revision),
            origin: String::new(),
            reason,
        };
        match self {
            Self::Rejected(nodes) => ours(REJECTED, words_of(nodes)),
            Self::Silent(nodes) => ours(UNANSWERED, silence_of(nodes)),
            Self::Breached(words) => ours(BREACHED, words.clone()),
            Self::Lost(words) => ours(LOST, words.clone()),
            Self::Aborted { by, .. } => by.deed_on_rollout(rejected.revision),
        }
    }

    /// How its rollout has ended whose Envoys go back.
    pub(super) fn ending(&self) -> RolloutState {
        match self {
            Self::Aborted { .. } => RolloutState::Aborted,
            Self::Rejected(_) | Self::Silent(_) | Self::Breached(_) | Self::Lost(_) => {
                RolloutState::TakenBack
            }
        }
    }
}

/// The Envoys of a wave that did not answer, as far as they are put on record.
fn silence_of(nodes: &BTreeMap<String, Vec<String>>) -> String {
    /// As many names as somebody looks at; `GET /api/v1/rollouts` shows all of them.
    const MOST_NAMES: usize = 20;
    let names: Vec<String> = nodes
        .iter()
        .take(MOST_NAMES)
        .map(|(name, words)| match words.first() {
            Some(word) => format!("`{name}` ({word})"),
            None => format!("`{name}`"),
        })
        .collect();
    let more = match nodes.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "Envoys of a wave did not answer within the deadline: {}{more}",
        names.join(", ")
    )
}

/// The most bytes of Envoys' words on one rejection that are put on record: the words of two Envoys
/// in full, and those of a hundred that say what Envoy mostly says. The trail is kept for ever.
const MOST_WORDS: usize = 10_000;

/// The words with which Envoys rejected a generation, as far as they are put on record.
fn words_of(nodes: &Rejections) -> String {
    let mut texts = nodes.iter().flat_map(|(node, resources)| {
        let crash = resources
            .is_empty()
            .then(|| format!("Envoy `{node}` was lost twice within a minute of being sent it"));
        let words = resources.iter().map(move |rejected| {
            format!(
                "Envoy `{node}`, {} `{}`: {}",
                rejected.resource_type, rejected.name, rejected.message
            )
        });
        crash.into_iter().chain(words)
    });
    let mut words = texts.next().unwrap_or_default();
    while let Some(text) = texts.next() {
        if words.len() + text.len() > MOST_WORDS {
            let left_out = 1 + texts.count();
            return format!(
                "{words}; {left_out} more rejections are left out here: `GET /api/v1/nodes` shows \
                 them until the next change"
            );
        }
        words = format!("{words}; {text}");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::RejectedResource;
    use xds::{NodeId, ResourceType};

    fn rejected_by(count: usize, words: &str) -> Rejections {
        let resource = RejectedResource {
            resource_type: ResourceType::Listener,
            name: "mcp".into(),
            message: words.to_owned(),
        };
        (0..count)
            .map(|number| (NodeId::new(&format!("{number:04}")), vec![resource.clone()]))
            .collect()
    }

    #[test]
    fn it_puts_so_many_words_on_record_and_says_what_is_left_out() {
        assert_eq!(
            words_of(&rejected_by(2, "no")),
            "Envoy `0000`, listener `mcp`: no; Envoy `0001`, listener `mcp`: no"
        );
        for (count, words) in [(2_000, "port in use"), (20, &*"x".repeat(4096))] {
            let recorded = words_of(&rejected_by(count, words));
            assert!(recorded.len() < 2 * MOST_WORDS, "{} bytes", recorded.len());
            let shown = recorded.matches("Envoy `").count();
            let left_out = format!("; {} more rejections are left out", count - shown);
            assert!(shown > 0 && recorded.contains(&left_out), "{recorded}");
        }
    }
}
