//! How often an Envoy was asked beforehand, by what came of it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::PreflightAnswer;

/// The answers since the process started, those out of memory included.
#[derive(Debug, Default)]
pub struct PreflightCounts([AtomicU64; 5]);

/// The kinds of answers as metrics name them, in the order of [`place`].
const KINDS: [&str; 5] = ["taken", "refused", "module_fault", "busy", "unjudged"];

impl PreflightCounts {
    pub(super) fn count(&self, answer: &PreflightAnswer) {
        if let Some(count) = self.0.get(place(answer)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each kind of answer, with how often it was given.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        KINDS.into_iter().zip(counts)
    }
}

fn place(answer: &PreflightAnswer) -> usize {
    match answer {
        PreflightAnswer::NoObjection => 0,
        PreflightAnswer::Objection(_) => 1,
        PreflightAnswer::ModuleFault(_) => 2,
        PreflightAnswer::Busy(_) => 3,
        PreflightAnswer::Unjudged(_) => 4,
    }
}
