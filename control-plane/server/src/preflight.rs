//! Asks an Envoy whether it would take a generation, before any that serves traffic is sent it:
//! `envoy --mode validate` on a configuration of the same resources.
//!
//! It knows nothing of documents: what Envoy says is told as Envoy says it, with the resources that
//! it may be about. Where nobody can be asked, nothing is refused, but the lack of an answer is
//! told: Envoys themselves reject what they cannot take, and the rollout takes it back. A module is
//! another matter: one that never ends stops the Envoy that starts it, which can reject nothing any
//! more. So a new module goes out only if an Envoy has started it in time.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use xds::Snapshot;

use bootstrap::Depth;
use question::Ending;

mod bootstrap;
mod changed;
mod counts;
mod question;
#[cfg(test)]
mod tests;
mod undiscovered;

pub use changed::{ChangedResource, changed, starts_a_module};
pub use counts::PreflightCounts;

/// As many changes are tried again, or rolled back to, soon after.
const REMEMBERED: usize = 64;

/// How long is waited for an Envoy, and before that for the turn to ask it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Where no module is new. A small configuration takes 0.1 s, ten thousand routes 0.8 s. On a
    /// machine that is so busy that 10 s are not enough, nobody is to wait for longer.
    pub without_modules: Duration,
    /// Where a module is new. The largest that is kept (8 MiB) takes 3 s of a processor of its own
    /// to compile; ten times that is a busy machine, and more would have Envoys' main threads stand
    /// still for as long.
    pub with_modules: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            without_modules: Duration::from_secs(10),
            with_modules: Duration::from_secs(30),
        }
    }
}

/// An Envoy that is asked, one question of a kind at a time: a module that takes its time holds up
/// no change of a route.
pub struct Preflight {
    envoy: PathBuf,
    /// The folder of the modules' files, also of those that other Envoys fetch.
    modules: PathBuf,
    patience: Patience,
    without_modules: Semaphore,
    with_modules: Semaphore,
    /// The answers to configurations of these hashes, the newest last.
    answers: Mutex<VecDeque<([u8; 32], Answer)>>,
    counts: PreflightCounts,
}

/// A configuration to ask an Envoy about, encoded.
type Configuration = Result<Vec<u8>, prost::DecodeError>;

/// Envoy's words on a configuration that it would not take; nothing where it would.
type Answer = Option<String>;

/// The knowledge of a change that an Envoy has given beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreflightAnswer {
    /// Envoy would take it; or nothing has changed that Envoy alone can judge: policies are
    /// compiled by the engine that Envoy runs.
    NoObjection,
    /// Envoy would not take it, in its own words.
    Objection(String),
    /// Envoy did not survive a new module, or had not started it in time: what happened.
    ModuleFault(String),
    /// A module is new, and others are asked about all the time: why nobody is asked about it.
    Busy(String),
    /// No Envoy has judged it: why.
    Unjudged(String),
}

impl Preflight {
    /// Asks the Envoy that is this program, which finds modules in this folder.
    #[must_use]
    pub fn by(envoy: PathBuf, modules: PathBuf) -> Self {
        Self {
            envoy,
            modules,
            patience: Patience::default(),
            without_modules: Semaphore::new(1),
            with_modules: Semaphore::new(1),
            answers: Mutex::default(),
            counts: PreflightCounts::default(),
        }
    }

    /// Waits as long as this, and no longer.
    #[must_use]
    pub fn waiting(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The answers that were given so far, by their kinds.
    #[must_use]
    pub fn counts(&self) -> &PreflightCounts {
        &self.counts
    }

    /// Asks whether Envoy would take a snapshot, if more has changed since `before` than policies.
    pub async fn ask(&self, before: &Snapshot, after: &Snapshot) -> PreflightAnswer {
        let Some((configuration, has_new_module)) = self.question(before, after) else {
            return PreflightAnswer::NoObjection;
        };
        let answer = match configuration {
            Ok(configuration) => self.ask_about(&configuration, has_new_module).await,
            Err(error) => PreflightAnswer::Unjudged(format!(
                "no Envoy was asked about it beforehand: {error}"
            )),
        };
        if let PreflightAnswer::Unjudged(reason) | PreflightAnswer::Busy(reason) = &answer {
            tracing::warn!(reason, "a change is not judged beforehand");
        }
        self.counts.count(&answer);
        answer
    }

    /// Whether [`Preflight::ask`] knows its answer without an Envoy.
    #[must_use]
    pub fn knows(&self, before: &Snapshot, after: &Snapshot) -> bool {
        match self.question(before, after) {
            Some((Ok(configuration), _)) => {
                let hash: [u8; 32] = Sha256::digest(configuration).into();
                self.remembered(&hash).is_some()
            }
            Some((Err(_), _)) | None => true,
        }
    }

    /// The configuration to ask an Envoy about, and whether a module is new in it; nothing where it
    /// would have nothing to say.
    fn question(&self, before: &Snapshot, after: &Snapshot) -> Option<(Configuration, bool)> {
        let changed = changed(before, after);
        if changed.is_empty() {
            return None;
        }
        let has_new_module = starts_a_module(&changed);
        let depth = if has_new_module {
            Depth::WithModulesIn(&self.modules)
        } else {
            Depth::WithoutModules
        };
        Some((bootstrap::of(after, &depth), has_new_module))
    }

    async fn ask_about(&self, configuration: &[u8], has_new_module: bool) -> PreflightAnswer {
        let hash: [u8; 32] = Sha256::digest(configuration).into();
        if let Some(answer) = self.remembered(&hash) {
            return answer.into();
        }
        let (turns, patience) = if has_new_module {
            (&self.with_modules, self.patience.with_modules)
        } else {
            (&self.without_modules, self.patience.without_modules)
        };
        let Ok(Ok(_turn)) = timeout(patience, turns.acquire()).await else {
            let reason = format!(
                "other changes were shown to an Envoy for {} s, and this one was not",
                patience.as_secs_f32()
            );
            return if has_new_module {
                PreflightAnswer::Busy(reason)
            } else {
                PreflightAnswer::Unjudged(reason)
            };
        };
        // Whoever was before it may have asked the same.
        if let Some(answer) = self.remembered(&hash) {
            return answer.into();
        }
        let answer = match question::ask(&self.envoy, configuration, patience).await {
            Ok(Ending::Answer(answer)) => answer,
            Ok(ending) if has_new_module => {
                return PreflightAnswer::ModuleFault(format!(
                    "an Envoy that serves nobody {ending} while it started the module"
                ));
            }
            Ok(ending) => {
                return PreflightAnswer::Unjudged(format!(
                    "an Envoy that was asked about it beforehand {ending}"
                ));
            }
            Err(error) => {
                return PreflightAnswer::Unjudged(format!(
                    "no Envoy could be asked about it beforehand: {error}; see to \
                     CONTROL_PLANE_ENVOY"
                ));
            }
        };
        let mut answers = self.answers();
        if answers.len() == REMEMBERED {
            answers.pop_front();
        }
        answers.push_back((hash, answer.clone()));
        answer.into()
    }

    fn remembered(&self, hash: &[u8; 32]) -> Option<Answer> {
        let answers = self.answers();
        let mut known = answers.iter().filter(|(known, _)| known == hash);
        known.next().map(|(_, answer)| answer.clone())
    }

    fn answers(&self) -> MutexGuard<'_, VecDeque<([u8; 32], Answer)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Answer> for PreflightAnswer {
    fn from(answer: Answer) -> Self {
        answer.map_or(Self::NoObjection, Self::Objection)
    }
}
