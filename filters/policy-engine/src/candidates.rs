//! The values that rules give one field, in the order of the rules: the first that holds for a
//! caller is in force.

use crate::ids::RuleId;
use crate::principal::{Access, Principal};

/// A value, and the rule that sets it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<T> {
    pub(crate) value: T,
    /// The rule that sets it; none where it is a default.
    pub(crate) rule: Option<RuleId>,
}

/// The candidates of one field. Those behind the first that holds for everyone are not kept, so
/// that a field of which nothing depends on the caller is settled when it is compiled.
#[derive(Clone, Debug)]
pub(crate) struct Candidates<T> {
    /// Those that hold for some callers only, in their order.
    conditional: Box<[(Access, Candidate<T>)]>,
    otherwise: Candidate<T>,
}

impl<T> Candidates<T> {
    /// The candidates of a field: each with the callers for whom it holds, or none where it holds
    /// for everyone; and the default, for whoever is left.
    pub(crate) fn of(
        values: impl IntoIterator<Item = (Option<Access>, RuleId, T)>,
        default: T,
    ) -> Self {
        let mut conditional = Vec::new();
        for (callers, rule, value) in values {
            let candidate = Candidate {
                value,
                rule: Some(rule),
            };
            match callers {
                Some(callers) => conditional.push((callers, candidate)),
                None => {
                    return Self {
                        conditional: conditional.into(),
                        otherwise: candidate,
                    };
                }
            }
        }
        Self {
            conditional: conditional.into(),
            otherwise: Candidate {
                value: default,
                rule: None,
            },
        }
    }

    /// The candidate that is in force for a caller.
    pub(crate) fn first(&self, principal: &Principal) -> &Candidate<T> {
        let mut holding = self.conditional.iter();
        let found = holding.find(|(callers, _)| callers.admits(principal));
        found.map_or(&self.otherwise, |(_, candidate)| candidate)
    }

    /// The candidate that holds for whoever no condition names, such as an anonymous caller.
    pub(crate) fn otherwise(&self) -> &Candidate<T> {
        &self.otherwise
    }

    /// The candidates that hold for some callers only, in their order.
    pub(crate) fn conditional(&self) -> impl Iterator<Item = &Candidate<T>> {
        self.conditional.iter().map(|(_, candidate)| candidate)
    }

    /// All candidates that are kept, in their order.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Candidate<T>> {
        self.conditional().chain([&self.otherwise])
    }
}
