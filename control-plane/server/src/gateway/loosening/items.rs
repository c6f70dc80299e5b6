//! The rules about prompts, resources and methods, and whether other ones may allow more.
//!
//! Nobody lists those, so nobody compares what two policies say of each. What is known of two lists
//! of rules is told by the rules themselves. Of each field the first rule decides that is about an
//! item and its caller, so a rule that admits everybody refuses nobody by being there, and one that
//! admits nobody admits nobody; a limit holds beside all others.
//!
//! How a name has to be written is no right: where no rule goes by names any more, what another
//! spelling stands for was open by its own.

use std::collections::BTreeMap;

use policy_engine::ItemKind;
use policy_engine::wire::{FilterConfig, Limit, Match, Rule, Validate};

use super::targets::TargetChanges;
use super::{by_key, is_as_strict};

/// The rules about prompts, resources and methods.
fn about_others(rules: &[Rule]) -> impl Iterator<Item = &Rule> {
    let is_about_others = |rule: &&Rule| {
        let mut items = rule.matches.items();
        items.any(|(kind, _, _)| kind != ItemKind::Tool)
    };
    rules.iter().filter(is_about_others)
}

/// Whether the rules of `to` about these items may let something pass that those of `from` refuse,
/// or send it elsewhere.
pub(super) fn may_loosen(from: &FilterConfig, to: &FilterConfig, targets: &TargetChanges) -> bool {
    let before: Vec<&Rule> = about_others(&from.rules).collect();
    let after: Vec<&Rule> = about_others(&to.rules).collect();
    if before == after {
        return false;
    }
    let places: BTreeMap<&str, usize> = (0..)
        .zip(&before)
        .map(|(place, rule)| (rule.name.as_str(), place))
        .collect();
    let kept = || {
        after
            .iter()
            .filter_map(|rule| places.get(rule.name.as_str()))
    };
    let names_after = by_key(after.iter().copied(), |rule| rule.name.as_str());
    let gone = before.iter();
    let gone = gone.filter(|rule| !names_after.contains_key(rule.name.as_str()));
    let pairs: Vec<(ItemRule<'_>, ItemRule<'_>)> = after
        .iter()
        .map(|rule| {
            let known = places.get(rule.name.as_str());
            let known = known.map(|place| before[*place]);
            (
                known.map_or_else(|| ItemRule::nothing_of(rule), ItemRule::of),
                ItemRule::of(rule),
            )
        })
        .chain(gone.map(|rule| (ItemRule::of(rule), ItemRule::nothing_of(rule))))
        .collect();
    !kept().is_sorted()
        || pairs.iter().any(|(before, after)| after.may_loosen(before))
        || pairs
            .iter()
            .any(|(before, after)| after.route != before.route)
            && targets.count(targets_of(to))
}

/// The targets that messages about these items may have: which of the rules an item goes by is
/// compared by nobody.
fn targets_of(config: &FilterConfig) -> impl Iterator<Item = &str> {
    let routes = about_others(&config.rules).filter_map(|rule| rule.route.as_ref());
    let of_rules = routes.map(|route| route.cluster.as_str());
    of_rules.chain(
        config
            .servers
            .values()
            .map(|server| server.cluster.as_str()),
    )
}

/// A rule about items as it is compared; one that is not there is one that says nothing.
struct ItemRule<'r> {
    matches: &'r Match,
    allow: Option<&'r [String]>,
    limits: &'r [Limit],
    /// The fields for tools alone, which are not compared.
    of_tools: (Option<Validate>, Option<&'r str>),
    route: Option<&'r str>,
}

impl<'r> ItemRule<'r> {
    fn of(rule: &'r Rule) -> Self {
        let Rule {
            name: _,
            matches,
            allow,
            limits,
            validate,
            constraints,
            // However long a server may take, it is allowed the same.
            timeout_ms: _,
            route,
        } = rule;
        Self {
            matches,
            allow: allow.as_deref(),
            limits,
            of_tools: (*validate, constraints.as_deref()),
            route: route.as_ref().map(|route| route.cluster.as_str()),
        }
    }

    /// The rule that says nothing of what `rule` is about.
    fn nothing_of(rule: &'r Rule) -> Self {
        Self {
            matches: &rule.matches,
            allow: None,
            limits: &[],
            of_tools: (None, None),
            route: None,
        }
    }

    /// Whether it may let something pass that `before` does not, in the same place among the same
    /// rules.
    fn may_loosen(&self, before: &Self) -> bool {
        self.matches != before.matches
            || self.of_tools != before.of_tools
            || self.may_admit_more(before)
            || !before.limits.iter().all(|limit| self.keeps(limit))
    }

    /// Whether it may admit somebody whom `before` does not. Without a word about it another rule
    /// decides, or the default.
    fn may_admit_more(&self, before: &Self) -> bool {
        match (before.allow, self.allow) {
            (Some(before), _) if before.iter().any(|role| role == "*") => false,
            (_, Some([])) | (None, None) => false,
            (Some(before), Some(after)) => {
                let before = by_key(before, String::as_str);
                !after.iter().all(|role| before.contains_key(role.as_str()))
            }
            (Some(_), None) | (None, Some(_)) => true,
        }
    }

    /// Whether it has this limit, or a stricter one in its place.
    fn keeps(&self, limit: &Limit) -> bool {
        let rate = |limit: &Limit| {
            let burst = limit.burst.unwrap_or(limit.requests);
            (limit.requests, limit.window_ms, burst)
        };
        let mut limits = self.limits.iter().filter(|other| other.id == limit.id);
        limits.any(|other| other.per == limit.per && is_as_strict(rate(other), rate(limit)))
    }
}

#[cfg(test)]
mod tests;
