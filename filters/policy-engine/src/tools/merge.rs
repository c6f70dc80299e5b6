//! The rules that match a tool, merged field by field.

use std::sync::{Arc, OnceLock};

use super::rule::{Per, PerTool, Rule, RuleLimit};
use super::tool_policy::{Judge, ToolPolicy};
use super::{ServerTools, Tools};
use crate::candidates::Candidates;
use crate::decision::{CommonBucket, Limit, part};
use crate::principal::Access;
use crate::tool_list::ListedTool;
use crate::wire;

/// Everything that the rules decide about one tool. No schema is compiled for it.
pub(crate) fn merge(tools: &Tools, server: &ServerTools, listed: &ListedTool) -> ToolPolicy {
    let tool = &*listed.name;
    step_count::count(tools.rules.len());
    let matching: Vec<&Rule> = tools.matching(server, tool).collect();

    let access = candidates(
        &matching,
        |rule| rule.access.as_ref().map(|(access, _)| access.clone()),
        match tools.defaults.access {
            wire::Access::Allow => Access::Everyone,
            wire::Access::Deny => Access::Roles([].into()),
        },
    );
    let validate = candidates(&matching, |rule| rule.validate, tools.defaults.validate);
    let timeout = candidates(&matching, |rule| rule.timeout.map(Some), None);
    let target_of = |cluster: &str| tools.targets.find((&server.name, cluster));
    let target = candidates(
        &matching,
        |rule| rule.cluster.as_deref().map(target_of),
        target_of(&server.cluster),
    );

    let own = listed.schema.as_ref().map(|own| Judge {
        schema: own.clone(),
        rule: None,
    });
    let constraint = |rule: &Rule| {
        let schema = rule.constraints.clone()?;
        let rule = Some((rule.id, Arc::clone(&rule.name)));
        Some(Some(Judge { schema, rule }))
    };
    let constraints = candidates(&matching, constraint, None);

    let limits = || {
        let rules = matching.iter();
        rules.flat_map(|rule| rule.limits.iter().map(move |limit| (*rule, limit)))
    };
    ToolPolicy {
        name: tool.to_owned(),
        target,
        timeout,
        access,
        validate,
        own,
        constraints,
        limits: limits()
            .map(|(rule, limit)| of_tool(&server.name, tool, rule, limit))
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

/// A rule's limit as it holds for one tool.
fn of_tool(server: &str, tool: &str, rule: &Rule, limit: &RuleLimit) -> Limit {
    let identity = identity(server, &rule.name, &limit.wire.id, tool, limit.per);
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
