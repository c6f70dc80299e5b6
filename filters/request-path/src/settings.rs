//! The settings by which a request is judged: one configuration, compiled, and the room of its VM.

use std::sync::Arc;

use mcp_message::MessageBounds;
use policy_engine::slots::HashKey;
use policy_engine::{BodyLimits, Policy};

use crate::look_alikes::LookAlikes;
use crate::passed_on::PassedOnBudget;
use crate::request_budget::RequestBudget;
use crate::warning_pace::WarningPace;

/// The bytes that the requests of one VM may take, all together; clones share them.
#[derive(Clone, Default)]
pub struct Budgets {
    requests: RequestBudget,
    passed_on: PassedOnBudget,
}

/// All by which the requests of one configuration are judged.
pub struct Settings {
    pub(crate) policy: Arc<Policy>,
    pub(crate) hash_key: HashKey,
    pub(crate) limits: MessageBounds,
    pub(crate) endpoint_look_alikes: LookAlikes,
    pub(crate) request_budget: RequestBudget,
    pub(crate) passed_on: PassedOnBudget,
    pub(crate) warnings: WarningPace,
}

/// The bounds of messages on a listener whose bodies have these.
pub(crate) fn message_bounds(body: BodyLimits) -> MessageBounds {
    MessageBounds {
        max_bytes: body.max_body_bytes,
        max_depth: usize::try_from(body.max_depth).unwrap_or(usize::MAX),
        ..MessageBounds::default()
    }
}

impl Settings {
    /// The settings of a policy, with room for its bodies. `hash_key` places the buckets of its
    /// limits, and is the same in all VMs of a process.
    #[must_use]
    pub fn new(policy: impl Into<Arc<Policy>>, hash_key: HashKey, budgets: &Budgets) -> Self {
        let policy = policy.into();
        let limits = message_bounds(policy.limits());
        let Budgets {
            requests,
            passed_on,
        } = budgets.clone();
        requests.admit(limits.max_bytes);
        passed_on.admit(limits.max_bytes);
        Self {
            endpoint_look_alikes: LookAlikes::of(policy.endpoint_paths()),
            policy,
            hash_key,
            limits,
            request_budget: requests,
            passed_on,
            warnings: WarningPace::default(),
        }
    }

    /// The policy, which says what the ids in effects mean.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}
