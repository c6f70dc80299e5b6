//! From a generation to the Envoys' verdict, and back where it is bad.

use std::collections::BTreeSet;
use std::sync::Arc;

use gateway_document::{Warning, WithheldTool};
use serde::Serialize;
use store::AuditEntry;
use time::OffsetDateTime;

use super::Gateway;
use super::notices;
use super::state::Rejection;
use super::verdict::{EnvoyAnswer, Judgement, Outcome, Rejections, judge};
use crate::generation::Built;

/// What became of a change.
#[derive(Debug, Clone, Serialize)]
pub struct WriteReport {
    /// The revision that the change made.
    pub revision: u64,
    /// The generation that the Envoys were sent.
    pub generation: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The revision that is in force now: another one, where an Envoy rejected the change.
    pub in_force: u64,
    /// What each connected Envoy answered.
    pub envoys: Vec<EnvoyAnswer>,
    /// The tools that are listed and cannot be called all the same, or not everywhere.
    pub withheld: Vec<WithheldTool>,
    /// The rules that have no effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// What is put on the audit trail when Envoys reject a revision.
pub(super) const REJECTED: &str = "rejected by Envoy";

impl Gateway {
    /// Publishes a generation, waits for the Envoys within the document's deadline, and acts on what they say. The
    /// caller holds `changing`.
    pub(super) async fn roll_out(&self, built: Arc<Built>) -> WriteReport {
        let baseline = {
            let mut state = self.write();
            let before = std::mem::replace(&mut state.current, Arc::clone(&built));
            notices::log(Some(&before), &built);
            state.accepted.clone().unwrap_or(before)
        };
        self.show_document(&built);
        self.publisher.publish(Arc::clone(&built.snapshot));
        let deadline = built.document.rollout.ack_deadline.duration();
        let nodes = self.publisher.settled(built.generation(), deadline).await;
        let Judgement {
            outcome,
            envoys,
            rejections,
        } = judge(&nodes, built.generation(), Some(&baseline.snapshot));
        tracing::info!(
            revision = built.revision.0, generation = %built.generation(), ?outcome, envoys = envoys.len(), "rolled out"
        );
        match outcome {
            Outcome::Rejected => self.fall_back(&built, rejections).await,
            Outcome::Accepted | Outcome::Partial => self.remember_accepted(&built).await,
            Outcome::Pending | Outcome::NoEnvoys | Outcome::Unchanged => {}
        }
        WriteReport {
            in_force: self.current().revision.0,
            ..report(&built, outcome, envoys)
        }
    }

    /// Follows what Envoys say after a change was answered: late acknowledgements, and late rejections. Never returns.
    pub async fn follow(&self) {
        let mut changes = self.publisher.changes();
        loop {
            changes.changed().await;
            let _changing = self.changing.lock().await;
            let (current, accepted, judged) = {
                let state = self.read();
                let judged = state
                    .rejection
                    .as_ref()
                    .map(|rejection| rejection.generation.clone());
                (Arc::clone(&state.current), state.accepted.clone(), judged)
            };
            let accepted = accepted.as_ref();
            if accepted.is_some_and(|accepted| accepted.generation() == current.generation())
                || judged.as_ref() == Some(current.generation())
            {
                continue;
            }
            let baseline = accepted.map(|accepted| &*accepted.snapshot);
            let judgement = judge(&self.publisher.nodes(), current.generation(), baseline);
            match judgement.outcome {
                Outcome::Rejected => self.fall_back(&current, judgement.rejections).await,
                Outcome::Accepted | Outcome::Partial => self.remember_accepted(&current).await,
                Outcome::Pending | Outcome::NoEnvoys | Outcome::Unchanged => {}
            }
        }
    }

    /// Takes the Envoys back to what they accepted last; with nothing to go back to, the rejection is only recorded.
    async fn fall_back(&self, rejected: &Arc<Built>, nodes: Rejections) {
        let texts: Vec<String> = nodes
            .iter()
            .flat_map(|(node, resources)| resources.iter().map(move |resource| (node, resource)))
            .map(|(node, rejected)| {
                format!(
                    "Envoy `{node}`, {} `{}`: {}",
                    rejected.resource_type, rejected.name, rejected.message
                )
            })
            .collect();
        let reason = texts.join("; ");
        tracing::warn!(revision = rejected.revision.0, generation = %rejected.generation(), "{reason}");
        let entry = AuditEntry {
            who: "control plane".to_owned(),
            what: REJECTED.to_owned(),
            revision: Some(rejected.revision),
            origin: String::new(),
            reason,
        };
        if let Err(error) = self.store.record(&entry).await {
            tracing::error!(%error, "the rejection is not on the audit trail");
        }
        let accepted = {
            let mut state = self.write();
            state.rejection = Some(Rejection {
                revision: rejected.revision,
                generation: rejected.generation().clone(),
                at: OffsetDateTime::now_utc(),
                nodes,
            });
            let Some(accepted) = state.accepted.clone() else {
                return;
            };
            state.current = Arc::clone(&accepted);
            accepted
        };
        self.publisher.publish(Arc::clone(&accepted.snapshot));
        self.show_document(&accepted);
        let deadline = accepted.document.rollout.ack_deadline.duration();
        self.publisher
            .settled(accepted.generation(), deadline)
            .await;
    }

    async fn remember_accepted(&self, built: &Arc<Built>) {
        self.write().accepted = Some(Arc::clone(built));
        // It may not be of one mind with us: an Envoy that is broken in itself does not count here.
        self.publisher.restore_accepted(Arc::clone(&built.snapshot));
        if let Err(error) = self.store.set_accepted(&built.parts()).await {
            tracing::error!(%error, "the accepted generation is not stored; after a restart an older one counts");
        }
    }

    fn show_document(&self, built: &Built) {
        self.document.send_if_modified(|document| {
            let changed = *document != built.document;
            *document = Arc::clone(&built.document);
            changed
        });
    }
}

pub(super) fn report(built: &Built, outcome: Outcome, envoys: Vec<EnvoyAnswer>) -> WriteReport {
    let withheld: BTreeSet<_> = built.withheld().map(|(_, withheld)| withheld).collect();
    WriteReport {
        revision: built.revision.0,
        generation: built.generation().as_str().to_owned(),
        outcome,
        in_force: built.revision.0,
        envoys,
        withheld: withheld.into_iter().cloned().collect(),
        warnings: built.warnings.clone(),
    }
}
