//! Finds the rules that never decide anything, because earlier ones decide it for every call that
//! they are about.
//!
//! A rule is compared with those earlier ones alone that are about its server, its listener, its
//! kind of item and the beginning of that one's name: with a few of thousands, in documents that
//! are written for a purpose.

use std::collections::{BTreeMap, BTreeSet};

use policy_engine::{Glob, ItemKind};

use crate::check::CheckedDocument;
use crate::document::{Match, Rule};
use crate::names::{ListenerName, ServerName};
use crate::patience::Patience;

mod role_sets;

use role_sets::RoleSets;

/// How many fields of a rule there are of which the first rule that sets them decides.
const FIELDS: usize = 5;

/// Of each of these fields, whether a rule sets it.
fn set_fields(rule: &Rule) -> [bool; FIELDS] {
    let Rule {
        name: _,
        matches: _,
        allow,
        // Refused: nothing evaluates it yet.
        when: _,
        // Those of all matching rules apply.
        limits: _,
        validate,
        constraints,
        timeout,
        route,
    } = rule;
    [
        allow.is_some(),
        validate.is_some(),
        constraints.is_some(),
        timeout.is_some(),
        route.is_some(),
    ]
}

/// A rule that never decides anything, by its place, and the first of those that decide for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shadowed {
    pub(crate) rule: usize,
    pub(crate) by: usize,
}

/// The rules that never decide anything, as far as they were looked for.
#[derive(Debug, Default)]
pub(crate) struct ShadowedRules {
    /// In the document's order.
    pub(crate) found: Vec<Shadowed>,
    /// The first rule at which nobody looked any more, by its place.
    pub(crate) given_up_at: Option<usize>,
}

/// Finds the rules of which every field is set by an earlier rule for all of their calls. A rule
/// with limits is none of them: those of all matching rules apply.
pub(crate) fn shadowed(document: &CheckedDocument, patience: &mut Patience) -> ShadowedRules {
    let mut earlier = Earlier::default();
    let mut rules = ShadowedRules::default();
    for (index, rule) in document.tools.iter().enumerate() {
        let roles = rule.matches.roles.as_ref();
        let roles = roles.map(|roles| earlier.roles.number(roles));
        if rule.limits.is_empty() {
            match earlier.first_to_shadow(rule, roles, patience) {
                Ok(Some(by)) => rules.found.push(Shadowed { rule: index, by }),
                Ok(None) => {}
                Err(GivenUp) => {
                    rules.given_up_at = Some(index);
                    break;
                }
            }
        }
        earlier.add(index, rule, roles);
    }
    rules
}

/// There was no patience left.
struct GivenUp;

/// Some of the fields, each as a bit.
type Fields = u8;

fn fields(rule: &Rule) -> Fields {
    let set = set_fields(rule).into_iter().enumerate();
    set.fold(0, |set, (field, is_set)| set | u8::from(is_set) << field)
}

/// The text that the names of the items of a rule have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Names<'a> {
    All,
    /// This text, whether there is a `*` in it or not.
    Named(&'a str),
    /// The text before the first `*`.
    Beginning(&'a str),
}

/// Where a rule is found by those that it may decide for.
type Place<'a> = (
    Option<&'a ServerName>,
    Option<&'a ListenerName>,
    (ItemKind, Names<'a>),
);

/// An earlier rule that sets fields.
#[derive(Debug)]
struct Decider {
    rule: usize,
    /// Those that no earlier rule with the same match sets.
    fields: Fields,
    /// Nothing where its place says it all.
    pattern: Option<Glob>,
    /// The number of its roles.
    roles: Option<usize>,
}

/// The rules before one.
#[derive(Debug, Default)]
struct Earlier<'a> {
    deciders: BTreeMap<Place<'a>, Vec<Decider>>,
    /// The fields that are set by matches, told apart by place, pattern and roles.
    set: BTreeMap<(Place<'a>, &'a str, Option<usize>), Fields>,
    /// How long the beginnings of patterns are, in bytes.
    beginnings: BTreeSet<usize>,
    roles: RoleSets<'a>,
}

impl<'a> Earlier<'a> {
    fn add(&mut self, index: usize, rule: &'a Rule, roles: Option<usize>) {
        let matches = &rule.matches;
        let Match {
            listener,
            server,
            // Its item.
            tool: _,
            prompt: _,
            uri: _,
            method: _,
            // Their number is at hand.
            roles: _,
        } = matches;
        let (kind, _, tool) = matches.item();
        let tools = match tool.map(|tool| (tool, tool.split_once('*'))) {
            None => Names::All,
            Some((name, None)) => Names::Named(name),
            Some((_, Some((beginning, _)))) => {
                self.beginnings.insert(beginning.len());
                Names::Beginning(beginning)
            }
        };
        let place = (server.as_ref(), listener.as_ref(), (kind, tools));
        let set = self.set.entry((place, tool.unwrap_or_default(), roles));
        let set = set.or_default();
        let fields = fields(rule) & !*set;
        *set |= fields;
        if fields != 0 {
            let pattern = match tools {
                Names::Beginning(_) => tool.map(Glob::new),
                Names::All | Names::Named(_) => None,
            };
            self.deciders.entry(place).or_default().push(Decider {
                rule: index,
                fields,
                pattern,
                roles,
            });
        }
    }

    /// The first of the rules that leave nothing of a rule to decide, together with others.
    fn first_to_shadow(
        &self,
        rule: &'a Rule,
        roles: Option<usize>,
        patience: &mut Patience,
    ) -> Result<Option<usize>, GivenUp> {
        let wanted = fields(rule);
        let mut first = [None; FIELDS];
        for place in self.places(rule) {
            if !patience.take(1) {
                return Err(GivenUp);
            }
            for decider in self.deciders.get(&place).into_iter().flatten() {
                if !patience.take(1) {
                    return Err(GivenUp);
                }
                let open = first.iter().enumerate().filter(|(_, first)| {
                    let first: &Option<usize> = first;
                    first.is_none_or(|first| decider.rule < first)
                });
                let open = open.fold(0_u8, |open, (field, _)| open | 1_u8 << field) & wanted;
                if open == 0 {
                    // Nor does any behind it decide earlier.
                    break;
                }
                let sets = decider.fields & open;
                if sets == 0 || !self.covers(decider, rule, roles, patience)? {
                    continue;
                }
                for (field, first) in first.iter_mut().enumerate() {
                    if sets & 1_u8 << field != 0 {
                        *first = Some(decider.rule);
                    }
                }
            }
        }
        let deciders = first.iter().enumerate();
        let mut deciders = deciders.filter(|(field, _)| wanted & 1_u8 << field != 0);
        let by = deciders.try_fold(usize::MAX, |by, (_, first)| Some(by.min((*first)?)));
        Ok(by.filter(|_| wanted != 0))
    }

    /// The places of all rules that may decide for calls of one.
    fn places(&self, rule: &'a Rule) -> impl Iterator<Item = Place<'a>> {
        let matches = &rule.matches;
        let servers = [None, matches.server.as_ref()];
        let servers = servers
            .into_iter()
            .skip(usize::from(matches.server.is_none()));
        let listeners = [None, matches.listener.as_ref()];
        let listeners = listeners
            .into_iter()
            .skip(usize::from(matches.listener.is_none()));
        let (kind, _, tool) = matches.item();
        let beginnings = tool.into_iter().flat_map(|tool| {
            let lengths = self.beginnings.iter();
            lengths.filter_map(move |length| Some(Names::Beginning(tool.get(..*length)?)))
        });
        let named = tool.into_iter().map(Names::Named);
        let tools: Vec<_> = [Names::All]
            .into_iter()
            .chain(named)
            .chain(beginnings)
            .collect();
        servers.flat_map(move |server| {
            let tools = tools.clone();
            listeners.clone().flat_map(move |listener| {
                let tools = tools.clone().into_iter();
                tools.map(move |tools| (server, listener, (kind, tools)))
            })
        })
    }

    /// Whether one of the rules at its places matches every call of a rule.
    fn covers(
        &self,
        decider: &Decider,
        rule: &Rule,
        roles: Option<usize>,
        patience: &mut Patience,
    ) -> Result<bool, GivenUp> {
        let tool = rule.matches.item().2.unwrap_or_default();
        if !patience.take(tool.len() / 64) {
            return Err(GivenUp);
        }
        // What a pattern matches as plain text, it matches whatever the `*` in it stands for.
        let has_tools = decider
            .pattern
            .as_ref()
            .is_none_or(|pattern| pattern.matches(tool));
        let has_roles = match (decider.roles, roles) {
            _ if !has_tools => false,
            (None, _) => true,
            (Some(_), None) => false,
            (Some(outer), Some(inner)) => self.roles.contains(outer, inner, patience),
        };
        Ok(has_roles)
    }
}

#[cfg(test)]
mod tests;
