//! The reasons for which a change is refused, and their words.

use gateway_document::{ParseError, Problem};
use store::{RevisionNumber, RevisionSummary, StoreError};
use thiserror::Error;

use crate::gateway::acceptance::{EnvoyAnswer, EnvoyVerdict};
use crate::gateway::report::WriteReport;
use crate::generation::{BuildError, FindToolError};
use crate::sections::SectionError;
use crate::timestamp::timestamp;

/// Why a change was refused. Nothing has changed, except where an Envoy rejected it.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// It was made to a revision that is no longer the latest.
    #[error("{}", stale(.0))]
    Stale(Box<RevisionSummary>),
    /// Somebody else stored a revision at the same moment.
    #[error("{0}")]
    Conflict(String),
    /// The text is not a document, or not a policy.
    #[error("what was sent cannot be read: {0}")]
    Malformed(#[from] ParseError),
    /// It does not hold together.
    #[error("the change is not valid")]
    Invalid(Vec<Problem>),
    /// It is about a tool that there is not, or about several.
    #[error(transparent)]
    Tool(#[from] FindToolError),
    /// There is nothing to remove.
    #[error(
        "the tool `{0}` has no policy of its own; its policy comes from other rules and the \
         defaults"
    )]
    NoRule(String),
    /// It is about one resource of the document, and that is not as it would have to be.
    #[error(transparent)]
    Section(#[from] SectionError),
    /// It goes back to this revision, which might pass what is refused now.
    #[error(
        "going back to revision {0} might let calls pass that are refused now: look at the \
         difference, and say `\"allow_loosening\": true` if that is meant"
    )]
    Loosens(RevisionNumber),
    /// An Envoy rejected it; the revision is stored, and what was in force before is again.
    #[error("{}", rejected(.0))]
    Rejected(Box<WriteReport>),
    /// Its revision is stored and was never tried: an Envoy rejected a later one that had taken
    /// its place.
    #[error("{}", dropped(.0))]
    Dropped(Box<WriteReport>),
    /// Its revision is stored, and an operator ended its rollout before Envoys had answered.
    #[error("{}", aborted(.0))]
    Aborted(Box<WriteReport>),
    /// It would have to be shown to an Envoy first, for which others take all the time.
    #[error("{0}")]
    Busy(String),
    /// The store could not read or write.
    #[error("the change could not be stored")]
    Store(#[from] StoreError),
    /// The control plane failed.
    #[error("the change could not be made")]
    Build(#[source] BuildError),
}

impl From<BuildError> for ChangeError {
    /// A fault of the document is one of the change.
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Invalid(problems) => Self::Invalid(problems),
            other => Self::Build(other),
        }
    }
}

fn stale(summary: &RevisionSummary) -> String {
    format!(
        "the document is at revision {}, stored by `{}` at {}: read it, and make the change again",
        summary.number,
        summary.author,
        timestamp(summary.created_at)
    )
}

fn rejected(report: &WriteReport) -> String {
    let revision = report.revision;
    let has_words =
        |envoy: &EnvoyAnswer| matches!(envoy.state, EnvoyVerdict::Rejected | EnvoyVerdict::Crashed);
    match report.in_force {
        Some(other) if !report.kept && !report.envoys.iter().any(has_words) => format!(
            "an Envoy of a wave left revision {revision} unanswered; revision {other} is in force \
             again"
        ),
        _ if report.kept => format!(
            "an Envoy rejected revision {revision}; going back by itself may allow what it, or \
             one before it that Envoys run, refuses, so they keep it: write a corrected document, \
             or the one before if it is to be in force again"
        ),
        Some(other) if other != revision => {
            format!("an Envoy rejected revision {revision}; revision {other} is in force again")
        }
        _ => format!(
            "an Envoy rejected revision {revision}, and there is none before it that the Envoys \
             accepted: correct what it names"
        ),
    }
}

fn aborted(report: &WriteReport) -> String {
    let in_force = in_force(report);
    format!(
        "the rollout of revision {} was aborted; {in_force}: read the document, and make the \
         change again",
        report.revision
    )
}

fn in_force(report: &WriteReport) -> String {
    report.in_force.map_or_else(
        || "no revision is in force".to_owned(),
        |revision| format!("revision {revision} is in force"),
    )
}

fn dropped(report: &WriteReport) -> String {
    let in_force = in_force(report);
    format!(
        "a later revision took the place of revision {} before Envoys were sent it, and an Envoy \
         rejected that one; {in_force}: read the document, and make the change again",
        report.revision
    )
}
