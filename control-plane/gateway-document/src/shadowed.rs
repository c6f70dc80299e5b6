//! Finds the rules that never decide anything, because earlier ones decide it for every call that
//! they are about.

use policy_engine::Glob;

use crate::check::CheckedDocument;
use crate::document::{Match, Rule};

/// The fields of a rule of which the first rule that sets them decides.
const FIELDS: [fn(&Rule) -> bool; 5] = [
    |rule| rule.allow.is_some(),
    |rule| rule.validate.is_some(),
    |rule| rule.constraints.is_some(),
    |rule| rule.timeout.is_some(),
    |rule| rule.route.is_some(),
];

/// A rule that never decides anything, by its place, and the first of those that decide for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shadowed {
    pub(crate) rule: usize,
    pub(crate) by: usize,
}

/// Finds the rules of which every field is set by an earlier rule for all of their calls, in the
/// document's order. A rule with limits is none of them: those of all matching rules apply.
pub(crate) fn shadowed(document: &CheckedDocument) -> impl Iterator<Item = Shadowed> {
    let rules = document.tools.iter().enumerate();
    rules.filter_map(|(index, rule)| {
        let by = first_to_shadow(&document.tools[..index], rule)?;
        Some(Shadowed { rule: index, by })
    })
}

/// The first of `earlier` that leaves nothing of a rule to decide, together with others of them.
fn first_to_shadow(earlier: &[Rule], rule: &Rule) -> Option<usize> {
    if !rule.limits.is_empty() || !FIELDS.iter().any(|is_set| is_set(rule)) {
        return None;
    }
    let set = FIELDS.iter().filter(|is_set| is_set(rule));
    let deciders: Option<Vec<usize>> = set
        .map(|is_set| {
            let mut earlier = earlier.iter();
            earlier.position(|other| is_set(other) && covers(&other.matches, &rule.matches))
        })
        .collect();
    deciders?.into_iter().min()
}

/// Whether `outer` matches every call that `inner` matches.
fn covers(outer: &Match, inner: &Match) -> bool {
    let same = |outer: Option<String>, inner| outer.is_none() || outer == inner;
    let server = |of: &Match| of.server.as_ref().map(ToString::to_string);
    let listener = |of: &Match| of.listener.as_ref().map(ToString::to_string);
    same(server(outer), server(inner))
        && same(listener(outer), listener(inner))
        && outer.roles.as_ref().is_none_or(|outer| {
            let inner = inner.roles.as_ref();
            inner.is_some_and(|inner| inner.iter().all(|role| outer.contains(role)))
        })
        && outer.tool.as_ref().is_none_or(|pattern| {
            // What a pattern matches as plain text, it matches whatever the `*` in it stands for.
            inner
                .tool
                .as_ref()
                .is_some_and(|tool| Glob::new(pattern).matches(tool))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{Format, parse};

    fn found(rules: &str) -> Vec<(usize, usize)> {
        let text = format!("{{roles: {{a: {{claims: {{g: [a]}}}}}}, tools: [{rules}]}}");
        let document = CheckedDocument::new(parse(&text, Format::Yaml).unwrap()).unwrap();
        shadowed(&document).map(|one| (one.rule, one.by)).collect()
    }

    #[test]
    fn it_finds_rules_for_which_others_decide_everything() {
        for (rules, expected) in [
            (
                "{name: all, match: {tool: 'execute_*'}, allow: ['*'], timeout: 1s},
                 {name: one, match: {server: data, tool: execute_query}, allow: [a]}",
                (1, 0),
            ),
            (
                "{name: a, timeout: 1s}, {name: b, allow: ['*']},
                 {name: c, match: {tool: x}, allow: [a], timeout: 2s}",
                (2, 0),
            ),
            (
                "{name: all, match: {roles: [a]}, allow: ['*']},
                 {name: one, match: {tool: x, roles: [a]}, allow: [a]}",
                (1, 0),
            ),
        ] {
            assert_eq!(found(rules), [expected], "{rules}");
        }
    }

    #[test]
    fn it_finds_none_where_a_rule_still_decides_something() {
        for rules in [
            "{name: all, allow: ['*']}, {name: one, allow: [a], timeout: 1s}",
            "{name: one, match: {tool: a}, allow: [a]}, {name: all, allow: ['*']}",
            "{name: all, allow: ['*']},
             {name: one, allow: [a], limits: [{requests: 1, window: 1s}]}",
            "{name: a, match: {tool: 'a*'}, allow: ['*']},
             {name: b, match: {tool: '*'}, allow: [a]}",
            "{name: a, match: {server: data}, allow: ['*']}, {name: b, allow: [a]}",
            "{name: a, match: {roles: [a]}, allow: ['*']}, {name: b, allow: []}",
        ] {
            assert_eq!(found(rules), [], "{rules}");
        }
    }
}
