//! Tells the steps of a rollout: each wave, what it waits for, what an operator wants, its end.

use serde_json::{Value, json};

use crate::gateway::rollouts::{Rollout, RolloutState};

/// The particulars of each step that a rollout has taken between two looks.
pub(super) fn steps(before: Option<&Rollout>, now: Option<&Rollout>) -> Vec<Value> {
    let Some(now) = now else {
        return Vec::new();
    };
    let before = before.filter(|before| before.id == now.id);
    let told = |state: &str| {
        let mut data = json!({
            "rollout": now.id,
            "revision": now.revision.0,
            "generation": now.generation.as_str(),
            "state": state,
            "wave": now.wave + 1,
            "of": now.waves.len(),
        });
        if !now.reason.is_empty() {
            data["reason"] = now.reason.as_str().into();
        }
        data
    };
    let was_paused = before.is_some_and(|before| before.is_paused);
    if !now.is_watched() && now.is_going_on() {
        // That it has begun is told of the generation.
        return Vec::new();
    }
    let mut steps = Vec::new();
    if now.is_going_on() && was_paused != now.is_paused {
        steps.push(told(if now.is_paused { "paused" } else { "resumed" }));
    }
    let is_same = before.is_some_and(|before| (before.state, before.wave) == (now.state, now.wave));
    if !is_same && let Some(word) = word(now.state) {
        steps.push(told(word));
    }
    steps
}

/// The word for a state; nothing for those that are told of the generation, waves or not.
fn word(state: RolloutState) -> Option<&'static str> {
    match state {
        RolloutState::WaitingForEnvoys => Some("waiting_for_envoys"),
        RolloutState::RollingOut => Some("rolling_out"),
        RolloutState::Soaking => Some("soaking"),
        RolloutState::TakenBack => Some("taken_back"),
        RolloutState::Aborted => Some("aborted"),
        RolloutState::Superseded => Some("superseded"),
        RolloutState::Accepted | RolloutState::Kept => None,
    }
}
