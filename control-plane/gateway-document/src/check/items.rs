//! Checks what a rule matches: tools, prompts, resources or methods, one kind of them.

use policy_engine::{ItemKind, is_normal_pattern};

use crate::document::{Dimension, Rule};
use crate::near_names::near_pattern;
use crate::problem::{Pointer, Problems};

/// Checks that a rule is about one kind of item, and says nothing that other kinds do not have.
pub(super) fn check(rule: &Rule, at: &Pointer, problems: &mut Problems) {
    let (kind, first, _) = rule.matches.item();
    for (place, (kind, field, pattern)) in rule.matches.items().enumerate() {
        let at = at.at("match").at(field);
        if place > 0 {
            problems.add(
                at,
                format!(
                    "the rule is about `{first}` already; write one of `tool`, `prompt`, `uri` and \
                     `method`, and a rule for each"
                ),
            );
        } else if pattern.is_empty() {
            let kind = kind.word();
            problems.add(
                at,
                format!("it would match no {kind}; name one, or write `*` for every {kind}"),
            );
        } else if kind == ItemKind::Resource && !is_normal_pattern(pattern) {
            let near = near_pattern(pattern);
            let near = near.map(|near| format!("; did you mean `{near}`?"));
            problems.add(
                at,
                "it would match nothing, because URIs are compared in their normal form (RFC 3986 \
                 section 6.2.2): a scheme and host in small letters, no `.` or `..` between \
                 slashes, and `%` before nothing else than what no URI may hold"
                    .to_owned()
                    + &near.unwrap_or_default(),
            );
        }
    }
    if kind == ItemKind::Tool {
        return;
    }
    let only_tools = |what: &str| {
        format!("{what} of tools alone; leave it out, or match by `tool` in the place of `{first}`")
    };
    if rule.validate.is_some() {
        problems.add(
            at.at("validate"),
            only_tools("the gateway checks arguments"),
        );
    }
    if rule.constraints.is_some() {
        let what = only_tools("the gateway checks arguments");
        problems.add(at.at("constraints"), what);
    }
    for (index, limit) in rule.limits.iter().enumerate() {
        let place = limit.per.iter().position(|per| *per == Dimension::Tool);
        if let Some(place) = place {
            let at = at.at("limits").at(index).at("per").at(place);
            problems.add(at, only_tools("a limit counts each apart"));
        }
    }
}
