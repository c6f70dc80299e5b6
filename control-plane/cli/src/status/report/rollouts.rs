//! The rollouts between the revision in force and the newest one, as a report has them. Pure.

use serde::Serialize;
use serde_json::Value;

use super::items;
use crate::answer::{text, to_the_second};

/// The state of a rollout that Envoys rejected, and that those who run it keep.
const KEPT: &str = "kept";
/// The advice for one that is kept.
const DECIDE: &str = "going back may allow more, so Envoys that run it keep it until you decide: \
    write another change, or `portcullis rollback --allow-loosening`";

/// The newest revision that is stored, and why it is not in force, or not everywhere.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Newest {
    pub(super) revision: u64,
    /// One of the states of a rollout, or `waiting` for the one before it.
    pub(super) state: String,
    pub(super) reason: String,
}

/// A rollout in waves, or of one that is watched.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Rollout {
    id: String,
    state: String,
    paused: bool,
    /// The wave in hand, from 1.
    wave: u64,
    of: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    soak_until: Option<String>,
    /// The numbers that its Envoys have still to report before the wave may end.
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<String>,
}

impl Rollout {
    /// A rollout, if it reaches some Envoys before others, or is watched.
    pub(super) fn in_waves(rollout: &Value) -> Option<Self> {
        let number = |field: &str| rollout[field].as_u64().unwrap_or_default();
        let given = |field: &str| {
            let text = rollout[field].as_str().filter(|text| !text.is_empty());
            text.map(str::to_owned)
        };
        let soak_until = given("soak_until");
        (number("of") > 1 || soak_until.is_some()).then(|| Self {
            id: text(&rollout["id"]),
            state: text(&rollout["state"]),
            paused: rollout["paused"] == true,
            wave: number("wave"),
            of: number("of"),
            soak_until,
            gate: given("gate"),
        })
    }

    pub(super) fn words(&self) -> String {
        let Self {
            id,
            state,
            wave,
            of,
            ..
        } = self;
        let state = state.replace('_', " ");
        let paused = if self.paused { ", paused" } else { "" };
        let until = self.soak_until.as_deref().map(to_the_second);
        let until = until.map(|until| format!("watched until {until}"));
        let rest = self.gate.clone().or(until);
        let rest = rest.map(|rest| format!("; {rest}")).unwrap_or_default();
        format!("rollout `{id}`: {state}{paused}, wave {wave} of {of}{rest}")
    }
}

/// The rollout that goes on, if one does.
pub(super) fn in_hand(rollouts: &Value) -> Option<&Value> {
    items(rollouts, "rollouts").find(|rollout| rollout["ended_at"].is_null())
}

/// The newest revision, and why it is not in force; none where it is. One that was rejected, and
/// that Envoys keep, waits for an operator.
pub(super) fn newest(version: &Value, rollouts: &Value) -> Option<Newest> {
    let revision = version["newest_revision"].as_u64()?;
    let own = items(rollouts, "rollouts").find(|rollout| rollout["revision"] == revision);
    if version["revision"] == revision {
        let kept = own.filter(|own| own["state"] == KEPT)?;
        let reason = match text(&kept["reason"]).as_str() {
            "" => DECIDE.to_owned(),
            reason => format!("{reason}; {DECIDE}"),
        };
        return Some(Newest {
            revision,
            state: KEPT.to_owned(),
            reason,
        });
    }
    let (state, reason) = match (own, in_hand(rollouts)) {
        (Some(own), _) => (text(&own["state"]), text(&own["reason"])),
        (None, Some(before)) => {
            let id = text(&before["id"]);
            let reason = format!("behind the rollout `{id}`: `portcullis rollout show`");
            ("waiting".to_owned(), reason)
        }
        (None, None) => ("not_in_force".to_owned(), String::new()),
    };
    let reason = match reason.as_str() {
        "" => "`portcullis audit` says what became of it".to_owned(),
        _ => reason,
    };
    Some(Newest {
        revision,
        state,
        reason,
    })
}
