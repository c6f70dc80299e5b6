//! The answer to a change, and to whoever waits for it.

use std::collections::BTreeSet;

use gateway_document::{Warning, WithheldTool};
use serde::Serialize;
use store::RevisionNumber;
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::acceptance::{EnvoyAnswer, Outcome};
use super::first_lists::UnlistedServer;
use super::secret_watch::UnusableSecret;
use crate::generation::Built;

/// A report on a change: its outcome, and the answer of each Envoy.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WriteReport {
    /// The revision that the change made.
    pub revision: u64,
    /// The generation that the Envoys were sent.
    pub generation: String,
    /// The outcome as a whole.
    pub outcome: Outcome,
    /// The revision that is in force now: another one, where an Envoy rejected the change or a
    /// later one took its place; none while no Envoy has acknowledged it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_force: Option<u64>,
    /// Whether Envoys that run a rejected change keep it, until an operator decides.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// The answer of each connected Envoy.
    pub envoys: Vec<EnvoyAnswer>,
    /// The tools that are listed and cannot be called all the same, or not everywhere.
    #[schema(value_type = Vec<Object>)]
    pub withheld: Vec<WithheldTool>,
    /// The rules that have no effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub warnings: Vec<Warning>,
    /// Why no Envoy has judged the change before those that serve traffic, where one was to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unjudged: Option<String>,
    /// The servers that the change registers or moves, and that did not list their tools. They are
    /// asked again and again; until they answer, nobody can call their tools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<UnlistedServer>,
    /// The secrets that cannot be read, and that the change is not to blame for. Where one is
    /// `missing`, an Envoy that was never given it does not serve what names it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unusable_secrets: Vec<UnusableSecret>,
    /// Where a rollback has gone, and from where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way_back: Option<WayBack>,
}

/// Where a way back leads, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct WayBack {
    /// The revision whose document is to be in force again.
    pub to: u64,
    /// The revision that changes are made to: what it changed is undone, too.
    pub from: u64,
    /// The newest revision, where it was taken back already, so that `from` is an earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<u64>,
}

impl WriteReport {
    /// A report with what can be told without the Envoys.
    pub(super) fn new(built: &Built, outcome: Outcome, envoys: Vec<EnvoyAnswer>) -> Self {
        let withheld: BTreeSet<_> = built.withheld().map(|(_, withheld)| withheld).collect();
        Self {
            revision: built.revision.0,
            generation: built.generation().as_str().to_owned(),
            outcome,
            in_force: None,
            kept: false,
            envoys,
            withheld: withheld.into_iter().cloned().collect(),
            warnings: built.warnings.clone(),
            unjudged: None,
            unlisted: Vec::new(),
            unusable_secrets: Vec::new(),
            way_back: None,
        }
    }
}

/// A write that is stored, and whose author waits until it is judged.
#[derive(Debug)]
pub(super) struct WaitingWrite {
    pub(super) revision: RevisionNumber,
    /// The report if Envoys are never sent it. What it was made of is not kept for that.
    pub(super) superseded: WriteReport,
    pub(super) answer: oneshot::Sender<WriteReport>,
}
