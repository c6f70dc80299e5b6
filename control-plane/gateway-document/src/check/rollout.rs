//! Checks how a change reaches the Envoys.

use crate::document::{Reach, Rollout};
use crate::names::GroupName;
use crate::near_names::did_you_mean;
use crate::problem::{Pointer, Problems};

/// The most waves of a rollout. Nobody watches more of them; each costs the fleet a look.
const MOST_WAVES: usize = 20;

pub(super) fn check(rollout: &Rollout, at: &Pointer, problems: &mut Problems) {
    if !(100..=60_000).contains(&rollout.ack_deadline.milliseconds()) {
        problems.add(at.at("ack_deadline"), "write a time from `100ms` to `1m`");
    }
    for (name, group) in &rollout.groups {
        if group.cluster.is_none() && group.labels.is_empty() {
            problems.add(
                at.at("groups").at(name),
                "the group has every Envoy; write the `cluster` or the `labels` of those that it \
                 is to have",
            );
        }
    }
    waves(rollout, &at.at("waves"), problems);
    if rollout.gates.is_some() && !rollout.is_watched() {
        problems.add(
            at.at("gates"),
            "a change reaches everyone at once, and nothing is left to keep it from; write `waves` \
             that reach fewer Envoys first, or a `soak`",
        );
    }
}

fn waves(rollout: &Rollout, at: &Pointer, problems: &mut Problems) {
    if rollout.waves.is_empty() {
        problems.add(
            at.clone(),
            "a change that reaches nobody is none; leave `waves` out, or write `[100%]`",
        );
    }
    if rollout.waves.len() > MOST_WAVES {
        problems.add(at.clone(), format!("write at most {MOST_WAVES} waves"));
        return;
    }
    for (index, wave) in rollout.waves.iter().enumerate() {
        let at = at.at(index);
        let (before, after) = rollout.waves.split_at(index);
        if wave.reach == Reach::ALL && after.len() > 1 {
            problems.add(
                at.clone(),
                "it reaches all Envoys, and nothing is left for the waves behind it; make it the \
                 last one",
            );
        }
        let mut before = before.iter().map(|wave| &wave.reach);
        match &wave.reach {
            Reach::Group(name) if !rollout.groups.contains_key(name) => {
                let known = rollout.groups.keys().map(GroupName::as_str);
                let meant = did_you_mean(name.as_str(), known);
                let meant = meant.map(|meant| format!("; {meant}")).unwrap_or_default();
                problems.add(
                    at,
                    format!(
                        "there is no node group `{name}`; write it under `rollout.groups`, or \
                         write one that is there{meant}"
                    ),
                );
            }
            reach if before.any(|earlier| is_within(reach, earlier)) => problems.add(
                at,
                format!(
                    "an earlier wave reaches as many Envoys as `{reach}` or more; leave one of \
                     them out"
                ),
            ),
            _ => {}
        }
    }
}

/// Whether a wave reaches nobody after another one, whatever the fleet is.
fn is_within(reach: &Reach, earlier: &Reach) -> bool {
    match (reach, earlier) {
        (Reach::Envoys(count), Reach::Envoys(earlier)) => count <= earlier,
        (Reach::Percent(share), Reach::Percent(earlier)) => share <= earlier,
        (Reach::Group(name), Reach::Group(earlier)) => name == earlier,
        _ => false,
    }
}
