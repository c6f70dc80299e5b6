//! The rules that match an item, merged field by field.

use std::sync::{Arc, OnceLock};

use super::rule::{Per, PerTool, Rule, RuleLimit, Subject};
use super::{ServerTools, Tools};
use crate::candidates::Candidates;
use crate::item_kind::ItemKind;
use crate::item_policy::{ItemPolicy, Judge};
use crate::limit::{CommonBucket, Limit, part};
use crate::principal::Access;
use crate::schema::violation::echo;
use crate::tool_list::ListedTool;
use crate::wire::{self, Validate};

/// Everything that the rules decide about one tool. No schema is compiled for it.
pub(crate) fn merge(tools: &Tools, server: &ServerTools, listed: &ListedTool) -> ItemPolicy {
    step_count::count(tools.rules.len());
    let subject = Subject::tool(&listed.name);
    let matching: Vec<&Rule> = tools.matching(server, subject).collect();
    let own = listed.schema.as_ref().map(|own| Judge {
        schema: own.clone(),
        rule: None,
    });
    let access = match tools.defaults.access {
        wire::Access::Allow => Access::Everyone,
        wire::Access::Deny => Access::Roles([].into()),
    };
    let defaults = (access, tools.defaults.validate);
    merge_matching(tools, server, (subject, &matching), own, defaults)
}

/// Everything that these rules decide about an item that no list names, which is open to everyone
/// where none of them says who may use it.
pub(crate) fn merge_unlisted(
    tools: &Tools,
    server: &ServerTools,
    (subject, matching): (Subject<'_>, &[&Rule]),
) -> ItemPolicy {
    let defaults = (Access::Everyone, Validate::Off);
    merge_matching(tools, server, (subject, matching), None, defaults)
}

fn merge_matching(
    tools: &Tools,
    server: &ServerTools,
    (subject, matching): (Subject<'_>, &[&Rule]),
    own: Option<Judge>,
    (access, validate): (Access, Validate),
) -> ItemPolicy {
    let set_access = |rule: &Rule| rule.access.as_ref().map(|(access, _)| access.clone());
    let target_of = |cluster: &str| tools.targets.find((&server.name, cluster));
    let constraint = |rule: &Rule| {
        let schema = rule.constraints.clone()?;
        let rule = Some((rule.id, Arc::clone(&rule.name)));
        Some(Some(Judge { schema, rule }))
    };
    let limits = || {
        let rules = matching.iter();
        rules.flat_map(|rule| rule.limits.iter().map(move |limit| (*rule, limit)))
    };
    ItemPolicy {
        kind: subject.kind,
        name: match subject.kind {
            ItemKind::Tool => subject.name.to_owned(),
            _ => echo(subject.name.as_bytes()),
        },
        target: candidates(
            matching,
            |rule| rule.cluster.as_deref().map(target_of),
            target_of(&server.cluster),
        ),
        timeout: candidates(matching, |rule| rule.timeout.map(Some), None),
        access: candidates(matching, set_access, access),
        validate: candidates(matching, |rule| rule.validate, validate),
        own,
        constraints: candidates(matching, constraint, None),
        limits: limits()
            .map(|(rule, limit)| of_item(&server.name, subject.name, rule, limit))
            .collect(),
        explanation: OnceLock::new(),
    }
}

/// The candidates of a field, from the rules that match and set it.
fn candidates<T>(
    matching: &[&Rule],
    mut get: impl FnMut(&Rule) -> Option<T>,
    default: T,
) -> Candidates<T> {
    let set = matching
        .iter()
        .filter_map(|rule| Some((rule.callers(), rule.id, get(rule)?)));
    Candidates::of(set, default)
}

/// A rule's limit as it holds for one item.
fn of_item(server: &str, item: &str, rule: &Rule, limit: &RuleLimit) -> Limit {
    let identity = identity(server, &rule.name, &limit.wire.id, item, limit.per);
    Limit {
        callers: rule.callers(),
        rule: Arc::clone(&rule.name),
        id: Arc::clone(&limit.id),
        requests: limit.wire.requests,
        window_ms: limit.wire.window_ms,
        rate: limit.rate,
        principal: limit.per.principal,
        common_bucket: CommonBucket::new(identity.clone(), limit.per.principal),
        identity,
    }
}

/// All of a bucket's identity but the principal.
fn identity(server: &str, rule: &str, limit: &str, tool: &str, per: Per) -> Vec<u8> {
    let mut identity = part(Vec::new(), b's', server.as_bytes());
    identity = part(identity, b'r', rule.as_bytes());
    identity = part(identity, b'l', limit.as_bytes());
    match per.tool {
        PerTool::Yes => part(identity, b't', tool.as_bytes()),
        PerTool::No => identity,
    }
}
