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

/// The policy by which Envoys go that were not given a newer one.
#[derive(Serialize, ToSchema)]
pub(super) struct PolicyBefore {
    /// The revision that Envoys accepted last.
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

    /// How far the latest policy of the tool is that clients call by this name, and the one before
    /// it, where Envoys go by that.
    pub(super) fn standing_of(&self, tool: &str) -> (PolicyStanding, Option<PolicyBefore>) {
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
        let before = self.accepted.as_ref().map(|accepted| PolicyBefore {
            revision: accepted.revision.0,
            policy: policy_of(accepted, tool).cloned(),
        });
        (standing, before.filter(|_| !is_accepted))
    }
}

fn policy_of<'a>(built: &'a Built, tool: &str) -> Option<&'a Explanation> {
    built.tool(tool).ok()?.policy
}
