//! Pairs of lists of rules about prompts, resources and methods.

use super::super::may_loosen;
use super::super::tests::built;
use crate::generation::Built;

/// A document with these rules, each without its braces, and two roles.
fn rules(rules: &[&str]) -> Built {
    let rules: Vec<String> = rules.iter().map(|rule| format!("{{{rule}}}")).collect();
    built(&format!(
        "roles: {{a: {{claims: {{groups: [a]}}}}, b: {{claims: {{groups: [b]}}}}}}\n\
         clusters: [{{name: new, endpoints: ['a.b:1']}}]\ntools: [{}]",
        rules.join(", ")
    ))
}

/// Whether each of the two may allow more than the other one.
fn check(one: &[&str], other: &[&str], expected: (bool, bool)) {
    let (one_built, other_built) = (rules(one), rules(other));
    let found = (
        may_loosen(&other_built, &one_built),
        may_loosen(&one_built, &other_built),
    );
    assert_eq!(found, expected, "{one:?} and {other:?}");
    assert!(!may_loosen(&one_built, &one_built));
}

const STRICTER: (bool, bool) = (false, true);
const SAME: (bool, bool) = (false, false);
const UNKNOWN: (bool, bool) = (true, true);

const CLOSES: &str = "name: closes, match: {prompt: '*'}, allow: []";
const READERS: &str = "name: readers, match: {uri: 'file:///*'}, allow: [a]";

#[test]
fn it_knows_a_rule_that_only_refuses_wherever_it_is_put_in() {
    for rule in [
        "name: r, match: {prompt: x}, allow: []",
        "name: r, match: {uri: 'file:///*'}, allow: []",
        "name: r, match: {method: 'logging/*'}, allow: []",
        "name: r, match: {prompt: x, roles: [a]}, allow: []",
        "name: r, match: {method: 'logging/*'}, limits: [{requests: 1, window: 1s}]",
        "name: r, match: {prompt: x}, allow: [], timeout: 1s, limits: [{requests: 1, window: 1s}]",
    ] {
        check(&[rule], &[], STRICTER);
        check(&[rule, CLOSES, READERS], &[CLOSES, READERS], STRICTER);
        check(&[CLOSES, rule, READERS], &[CLOSES, READERS], STRICTER);
        check(&[CLOSES, READERS, rule], &[CLOSES, READERS], STRICTER);
    }
}

#[test]
fn it_knows_a_rule_that_only_opens_wherever_it_is_taken_out() {
    for rule in [
        "name: r, match: {prompt: x}, allow: ['*']",
        "name: r, match: {uri: 'file:///*'}, allow: ['*']",
        "name: r, match: {method: 'logging/*'}, allow: ['*']",
        "name: r, match: {prompt: x, roles: [a]}, allow: ['*'], timeout: 1s",
    ] {
        check(&[], &[rule], STRICTER);
        check(&[CLOSES, READERS], &[rule, CLOSES, READERS], STRICTER);
        check(&[CLOSES, READERS], &[CLOSES, rule, READERS], STRICTER);
    }
}

#[test]
fn it_compares_a_rule_with_the_one_of_its_name_about_the_same() {
    let of = |says: &str| format!("name: r, match: {{prompt: x}}, {says}");
    let limit = |says: &str| of(&format!("limits: [{{id: l, {says}}}]"));
    for (one, other, expected) in [
        (of("allow: []"), of("allow: [a]"), STRICTER),
        (of("allow: [a]"), of("allow: [b, a]"), STRICTER),
        (of("allow: [a]"), of("allow: ['*']"), STRICTER),
        (of("allow: [a]"), of("allow: [b]"), UNKNOWN),
        (of("allow: [a]"), of("timeout: 1s"), UNKNOWN),
        (of("timeout: 1s"), of("allow: ['*']"), STRICTER),
        (of("timeout: 1s"), of("timeout: 2s"), SAME),
        (
            limit("requests: 1, window: 1m"),
            limit("requests: 1, window: 1s"),
            STRICTER,
        ),
        (
            limit("requests: 1, window: 1m"),
            limit("requests: 2, window: 1s, burst: 1"),
            STRICTER,
        ),
        (
            limit("requests: 1, window: 1m, burst: 2"),
            limit("requests: 2, window: 1m, burst: 1"),
            UNKNOWN,
        ),
        (
            limit("requests: 1, window: 1m, per: [principal]"),
            limit("requests: 1, window: 1m"),
            UNKNOWN,
        ),
        (
            of("allow: []"),
            "name: r, match: {prompt: y}, allow: []".to_owned(),
            UNKNOWN,
        ),
        (
            of("allow: []"),
            "name: r, match: {prompt: x, roles: [a]}, allow: []".to_owned(),
            UNKNOWN,
        ),
        (
            of("route: {cluster: new}"),
            of("route: {cluster: data}"),
            UNKNOWN,
        ),
    ] {
        check(&[CLOSES, &one], &[CLOSES, &other], expected);
    }
}

#[test]
fn it_takes_what_it_cannot_compare_for_looser() {
    // Somebody may be refused by it, and somebody let in.
    check(&[READERS], &[], UNKNOWN);
    check(
        &[CLOSES],
        &["name: other, match: {prompt: '*'}, allow: []"],
        UNKNOWN,
    );
    let opens = "name: opens, match: {prompt: x}, allow: ['*']";
    check(&[CLOSES, opens], &[opens, CLOSES], UNKNOWN);
    check(
        &["name: r, match: {prompt: x}, route: {cluster: new}"],
        &[],
        UNKNOWN,
    );
}

#[test]
fn it_compares_the_rest_of_two_documents_all_the_same() {
    let tool = "name: t, match: {tool: write}, allow: []";
    let rule = "name: r, match: {prompt: x}, allow: []";
    check(&[rule], &[tool], UNKNOWN);
    check(&[rule, tool], &[tool], STRICTER);
    let all_calls = "name: c, match: {method: 'tools/call'}, allow: ['*']";
    check(&[tool, all_calls], &[all_calls, tool], STRICTER);
}
