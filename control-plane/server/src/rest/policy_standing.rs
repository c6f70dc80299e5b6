//! How far a policy is that was written: whether Envoys go by it, or by the one before.

use std::sync::Arc;

use policy_engine::Explanation;
use serde::Serialize;
use utoipa::ToSchema;

use crate::gateway::Gateway;
use crate::generation::Built;

/// How far a policy is on its way to the Envoys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PolicyStanding {
    /// Envoys go by it.
    InForce,
    /// Envoys are given it, and not all of them go by it: it is watched in a wave, say, or was
    /// rejected where there is nothing to go back to.
    InPart,
    /// No Envoy is given it yet: it waits for the change before it.
    Waiting,
}

/// The policy of an earlier revision, by which Envoys go that were not given a newer one.
#[derive(Serialize, ToSchema)]
pub(super) struct PolicyBefore {
    /// The revision that has it.
    revision: u64,
    /// The policy of that revision; none where the tool could not be called anywhere.
    #[schema(value_type = Option<Object>)]
    policy: Option<Explanation>,
}

/// The generations between a change and the Envoys.
pub(super) struct OnTheWay {
    latest: Arc<Built>,
    current: Arc<Built>,
    accepted: Option<Arc<Built>>,
}

impl OnTheWay {
    pub(super) fn of(gateway: &Gateway) -> Self {
        let state = gateway.read();
        Self {
            latest: Arc::clone(&state.desired.built),
            current: Arc::clone(&state.current),
            accepted: state.accepted.clone(),
        }
    }

    /// The generation that changes are made to.
    pub(super) fn latest(&self) -> &Built {
        &self.latest
    }

    /// The generation that Envoys accepted, or are judging.
    pub(super) fn current(&self) -> &Built {
        &self.current
    }

    /// How far the generation is that Envoys accepted, or are judging.
    pub(super) fn standing_of_current(&self) -> PolicyStanding {
        let accepted = self.accepted.as_ref();
        match accepted.is_some_and(|built| built.generation() == self.current.generation()) {
            true => PolicyStanding::InForce,
            false => PolicyStanding::InPart,
        }
    }

    /// How far the latest policy of the tool is that clients call by this name, and those before
    /// it, where Envoys go by them.
    pub(super) fn standing_of(&self, tool: &str) -> StandingOfTool {
        let latest = policy_of(&self.latest, tool);
        let is_latest = |built: &Arc<Built>| {
            Arc::ptr_eq(built, &self.latest) || policy_of(built, tool) == latest
        };
        let is_accepted = self.accepted.as_ref().is_some_and(is_latest);
        let standing = match (is_accepted, is_latest(&self.current)) {
            (true, true) => PolicyStanding::InForce,
            (false, false) => PolicyStanding::Waiting,
            _ => PolicyStanding::InPart,
        };
        let before = |built: &Arc<Built>| PolicyBefore {
            revision: built.revision.0,
            policy: policy_of(built, tool).cloned(),
        };
        let accepted = self.accepted.as_ref().filter(|_| !is_accepted);
        let is_new = |current: &&Arc<Built>| {
            let accepted = self.accepted.as_ref();
            accepted.is_none_or(|it| policy_of(it, tool) != policy_of(current, tool))
        };
        let current = Some(&self.current).filter(|_| standing == PolicyStanding::Waiting);
        StandingOfTool {
            standing,
            in_force: accepted.map(before),
            in_part: current.filter(is_new).map(before),
        }
    }
}

/// How far the policy of a tool is.
pub(super) struct StandingOfTool {
    pub(super) standing: PolicyStanding,
    /// The policy before it, where that is in force.
    pub(super) in_force: Option<PolicyBefore>,
    /// The policy that is on its way between the two.
    pub(super) in_part: Option<PolicyBefore>,
}

fn policy_of<'a>(built: &'a Built, tool: &str) -> Option<&'a Explanation> {
    built.tool(tool).ok()?.policy()
}
