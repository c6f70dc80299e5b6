//! Rules that decide nothing are found, and no others.

use super::*;
use crate::names::RoleName;
use crate::parse::{Format, parse};

fn found(rules: &str) -> Vec<(usize, usize)> {
    let text = format!("{{roles: {{a: {{claims: {{g: [a]}}}}}}, tools: [{rules}]}}");
    let document = CheckedDocument::new(parse(&text, Format::Yaml).unwrap()).unwrap();
    let found = shadowed(&document, &mut Patience::new(Patience::USUAL)).found;
    found.iter().map(|one| (one.rule, one.by)).collect()
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

/// Whether `outer` matches every call that `inner` matches.
fn covers(outer: &Match, inner: &Match) -> bool {
    let has_roles = |outer: &Vec<RoleName>| {
        let inner = inner.roles.as_ref();
        inner.is_some_and(|inner| inner.iter().all(|role| outer.contains(role)))
    };
    let ((outer_kind, _, pattern), (kind, _, name)) = (outer.item(), inner.item());
    let has_items = |pattern| name.is_some_and(|name| Glob::new(pattern).matches(name));
    (outer.server.is_none() || outer.server == inner.server)
        && (outer.listener.is_none() || outer.listener == inner.listener)
        && outer.roles.as_ref().is_none_or(has_roles)
        && outer_kind == kind
        && pattern.is_none_or(has_items)
}

/// As [`shadowed`], by looking at each rule before each.
fn by_looking_at_all(rules: &[Rule]) -> Vec<(usize, usize)> {
    let found = rules.iter().enumerate().filter_map(|(index, rule)| {
        let set = set_fields(rule);
        let set = (0..FIELDS).filter(|field| set[*field]);
        let first: Option<Vec<usize>> = set
            .map(|field| {
                let mut earlier = rules[..index].iter();
                earlier.position(|other| {
                    set_fields(other)[field] && covers(&other.matches, &rule.matches)
                })
            })
            .collect();
        let by = first?.into_iter().min()?;
        rule.limits.is_empty().then_some((index, by))
    });
    found.collect()
}

#[test]
fn it_finds_the_same_as_a_look_at_each_rule_before_each() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut count = 0;
    for _ in 0..2_000 {
        let rules: Vec<String> = (0..random.usize(2..12))
            .map(|index| {
                let mut rule = format!("{{name: n{index}, match: {{");
                let mut one_of = |names: &[&str]| {
                    rule.push_str(names[random.usize(..names.len())]);
                };
                one_of(&["", "", "server: data, ", "server: math, "]);
                one_of(&["", "", "listener: mcp, ", "listener: b, "]);
                one_of(&["", "roles: [a], ", "roles: [b, a], ", "roles: [c, b], "]);
                one_of(&[
                    "",
                    "tool: ab",
                    "tool: 'a*'",
                    "tool: 'a*b'",
                    "tool: '*'",
                    "tool: abc",
                    "prompt: 'a*'",
                    "prompt: abc",
                    "method: 'a*'",
                    "uri: 'a:*'",
                ]);
                one_of(&[
                    "}, allow: ['*']",
                    "}, timeout: 1s",
                    "}, allow: [], route: {cluster: data}",
                ]);
                one_of(&["}", "}", "}", ", limits: [{requests: 1, window: 1s}]}"]);
                rule
            })
            .collect();
        let text = format!(
            "{{listeners: [{{name: mcp, address: '127.0.0.1:1'}}, \
             {{name: b, address: '127.0.0.1:2'}}], \
             servers: {{data: {{url: 'http://a/mcp'}}, math: {{url: 'http://b/mcp'}}}}, \
             roles: {{a: {{claims: {{}}}}, b: {{claims: {{}}}}, c: {{claims: {{}}}}}}, \
             tools: [{}]}}",
            rules.join(", ")
        );
        let document = parse(&text, Format::Yaml).unwrap();
        let document = CheckedDocument::new(document).unwrap();
        let found = shadowed(&document, &mut Patience::new(Patience::USUAL)).found;
        let found: Vec<_> = found.iter().map(|one| (one.rule, one.by)).collect();
        assert_eq!(found, by_looking_at_all(&document.tools), "{text}");
        count += found.len();
    }
    assert!(count > 500, "{count} found");
}
