//! A pipeline as somebody wrote it: steps, what each waits for, and parameters.

mod graph;
mod parameters;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bounds;

pub use parameters::{InvalidParameters, ParameterDefinition, ParameterType, Parameters};

/// A graph of steps with a name. Its JSON is what the store keeps as a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineDefinition {
    /// The name that callers run it by.
    pub name: String,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Values that each run may bring along.
    #[serde(default, skip_serializing_if = "ParametersByName::is_empty")]
    pub parameters: ParametersByName,
    /// The work, in any order: `after` says what waits for what.
    pub steps: Vec<StepDefinition>,
}

/// The parameters of a pipeline by name.
pub type ParametersByName = std::collections::BTreeMap<String, ParameterDefinition>;

/// One step of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepDefinition {
    /// The name of the step, unique in its pipeline.
    pub name: String,
    /// Which runner does it; the words are those of the program around this crate.
    pub kind: String,
    /// The work, in the terms of that runner.
    #[serde(default)]
    pub config: Value,
    /// Names of the steps that must be over before this one begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Whether the run fails when this step does. An optional step that fails is skipped.
    #[serde(default = "yes")]
    pub required: bool,
    /// Seconds that one attempt may take.
    #[serde(default = "an_hour")]
    pub timeout_s: u32,
    /// How often and how soon a failed attempt is repeated.
    #[serde(default)]
    pub retry: Retry,
}

/// How often and how soon a failed attempt is repeated. The pause doubles with each failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Attempts in all, the first one included.
    pub attempts: u16,
    /// Seconds before the second attempt.
    pub backoff_s: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 1,
            backoff_s: 5,
        }
    }
}

/// No pause grows longer: whoever waits for a service to come back looks at least this often.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// A week: a step that takes longer is not one step.
const LONGEST_TIMEOUT_S: u32 = 7 * 24 * 3600;

/// With doubling pauses the twentieth attempt comes after most of a day.
const MOST_ATTEMPTS: u16 = 20;

fn yes() -> bool {
    true
}

fn an_hour() -> u32 {
    3600
}

impl Retry {
    /// The pause after this many failed attempts.
    pub fn pause(self, failures: u32) -> Duration {
        let first = Duration::from_secs(u64::from(self.backoff_s));
        let doublings = failures.saturating_sub(1).min(31);
        first
            .saturating_mul(1_u32 << doublings)
            .min(LONGEST_PAUSE.max(first))
    }
}

/// Why a pipeline cannot be stored. Each sentence names the place in the words of authors, whose
/// `stages` the steps are, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPipeline {
    /// A name that could not be told from others, or not be written down.
    #[error(
        "{path}: `{name}` is no name; take a letter, then up to 63 letters, digits, `_` or `-`"
    )]
    Name {
        /// The place of the name, such as `stages[2].name`.
        path: String,
        /// The name, as written.
        name: String,
    },
    /// Two steps of one name.
    #[error("stages[{step}].name: there is a stage `{name}` before; give each its own name")]
    Twice {
        /// The place of the second one.
        step: usize,
        /// The name of both.
        name: String,
    },
    /// A step waits for one that is not there.
    #[error(
        "stages[{step}].after: there is no stage `{name}`; name another stage of this pipeline"
    )]
    Dangling {
        /// The place of the step that waits.
        step: usize,
        /// The name that no step has.
        name: String,
    },
    /// Steps wait for each other.
    #[error("stages wait for each other in a circle, so that none can begin: {}", .0.join(" → "))]
    Circle(Vec<String>),
    /// A number is outside of its range.
    #[error("{path}: must be from {least} to {most}")]
    Range {
        /// The place of the number.
        path: String,
        /// The least that it may be.
        least: u64,
        /// The most that it may be.
        most: u64,
    },
    /// There is more of something than is stored.
    #[error("{path}: {found} {unit}, and at most {most} are taken")]
    TooMuch {
        /// The place of it.
        path: String,
        /// How much there is.
        found: usize,
        /// The unit of both numbers.
        unit: &'static str,
        /// The most that is taken.
        most: usize,
    },
    /// Text that PostgreSQL cannot keep.
    #[error("the definition holds a NUL character in some text; take it out")]
    Nul,
    /// A default that does not fit the parameter's own type.
    #[error("parameters.{name}.default: must be {expected}")]
    Default {
        /// The name of the parameter.
        name: String,
        /// Its type, in words.
        expected: &'static str,
    },
}

impl PipelineDefinition {
    /// Looks for everything that would keep a run from working as written.
    ///
    /// # Errors
    /// [`InvalidPipeline`], the first fault.
    pub fn check(&self) -> Result<(), InvalidPipeline> {
        check_name("name", &self.name)?;
        let bytes = serde_json::to_vec(self).map_or(usize::MAX, |json| json.len());
        at_most("definition", bytes, "bytes", bounds::DEFINITION_BYTES)?;
        if serde_json::to_value(self).is_ok_and(|json| bounds::holds_nul(&json)) {
            return Err(InvalidPipeline::Nul);
        }
        at_most(
            "parameters",
            self.parameters.len(),
            "parameters",
            bounds::PARAMETERS,
        )?;
        for (name, parameter) in &self.parameters {
            check_name("parameters", name)?;
            parameter.check_default(name)?;
        }
        within("stages", self.steps.len() as u64, 1, bounds::STEPS as u64)?;
        let mut names = BTreeSet::new();
        for (number, step) in self.steps.iter().enumerate() {
            step.check(number)?;
            if !names.insert(step.name.as_str()) {
                return Err(InvalidPipeline::Twice {
                    step: number,
                    name: step.name.clone(),
                });
            }
        }
        graph::check(&self.steps)
    }

    /// For each step the places of those that it waits for. Only of a definition that was checked.
    pub(crate) fn dependencies(&self) -> Vec<Vec<usize>> {
        graph::dependencies(&self.steps)
    }
}

impl StepDefinition {
    fn check(&self, number: usize) -> Result<(), InvalidPipeline> {
        let path = |field: &str| format!("stages[{number}].{field}");
        check_name(&path("name"), &self.name)?;
        check_name(&path("kind"), &self.kind)?;
        at_most(
            &path("after"),
            self.after.len(),
            "stages",
            bounds::STEPS_BEFORE,
        )?;
        let most = u64::from(LONGEST_TIMEOUT_S);
        within(&path("timeout_s"), u64::from(self.timeout_s), 1, most)?;
        let (attempts, backoff) = (self.retry.attempts, self.retry.backoff_s);
        let most = u64::from(MOST_ATTEMPTS);
        within(&path("retry.attempts"), u64::from(attempts), 1, most)?;
        let most = LONGEST_PAUSE.as_secs();
        within(&path("retry.backoff_s"), u64::from(backoff), 0, most)
    }
}

fn check_name(path: &str, name: &str) -> Result<(), InvalidPipeline> {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic());
    let goes_on = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if begins && goes_on && name.len() <= bounds::NAME_LETTERS {
        return Ok(());
    }
    Err(InvalidPipeline::Name {
        path: path.to_owned(),
        name: bounds::cut(name.escape_debug().to_string(), bounds::NAME_LETTERS),
    })
}

fn at_most(
    path: &str,
    found: usize,
    unit: &'static str,
    most: usize,
) -> Result<(), InvalidPipeline> {
    if found <= most {
        return Ok(());
    }
    Err(InvalidPipeline::TooMuch {
        path: path.to_owned(),
        found,
        unit,
        most,
    })
}

fn within(path: &str, found: u64, least: u64, most: u64) -> Result<(), InvalidPipeline> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(InvalidPipeline::Range {
        path: path.to_owned(),
        least,
        most,
    })
}

#[cfg(test)]
mod tests;
