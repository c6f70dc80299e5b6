//! Refusals of changes that meet what others have stored: with who did, and what they changed.

use serde_json::Value;

use super::history;
use super::problem::{FieldError, Problem};
use crate::gateway::{ChangeError, Gateway, Precondition};
use crate::sections::resource_at;

/// The resources whose last changes are looked for, of those that a change does not fit: the first
/// ones, which their author sees to first.
const MOST_RESOURCES: usize = 8;

/// The refusal of a change of the document. One that was made to a revision which is no longer the
/// latest, or that would loosen what was tightened since, comes with all that was changed since.
pub(super) async fn told(
    gateway: &Gateway,
    error: ChangeError,
    expected: &Precondition,
) -> Problem {
    let since = match (&error, expected) {
        (ChangeError::Stale(latest), Precondition::OneOf(read)) => {
            let read = read.iter().filter(|read| **read < latest.number);
            read.max().copied()
        }
        (ChangeError::Loosens(revision), _) => Some(*revision),
        _ => None,
    };
    let problem = Problem::from(error);
    match since {
        Some(read) => problem.with_changes(history::since(gateway, read).await),
        None => problem,
    }
}

/// The refusal of a change that has these faults in `tried`, the document that it would have made.
/// Where it does not fit the rest of the document, it comes with the last changes of what it does
/// not fit.
pub(super) async fn misfit(gateway: &Gateway, errors: Vec<FieldError>, tried: Value) -> Problem {
    let mut met = Vec::new();
    for error in errors.iter().filter(|error| error.of.is_some()) {
        let resource = resource_at(&tried, &error.path);
        if let Some(resource) = resource.filter(|one| !met.contains(one))
            && met.len() < MOST_RESOURCES
        {
            met.push(resource);
        }
    }
    drop(tried);
    let problem = Problem::invalid(errors);
    if !problem.is_conflict() {
        return problem;
    }
    problem.with_changes(history::last_changes_of(gateway, met).await)
}
