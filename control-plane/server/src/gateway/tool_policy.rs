//! Changes of one tool's policy, by the name that clients call the tool by.

use std::sync::Arc;

use gateway_document::{
    CheckedDocument, Format, GatewayDocument, ParseError, Problem, Rule, parse_tool_rule,
};

use super::change::{ChangeError, Edit};
use crate::generation::{Built, tool_rule_name};

/// Makes `body` the tool's own rule: in the place of the one it has, or else ahead of all others.
///
/// # Errors
/// When `body` is not the policy of a tool.
pub fn put(tool: String, body: &str, format: Format) -> Result<Edit, ParseError> {
    let rule = parse_tool_rule(body, format)?;
    Ok(Arc::new(move |built| {
        let view = built.tool(&tool)?;
        let rule = rule.clone().named(
            tool_rule_name(&tool)?,
            view.server.clone(),
            view.tool.to_owned(),
        );
        with_rule(built, rule, "")
    }))
}

/// Makes a rule that was read from the tool's policy the tool's own again.
#[must_use]
pub fn put_back(tool: String, rule: Rule) -> Edit {
    Arc::new(move |built| {
        let name = tool_rule_name(&tool)?;
        let known = built.document.rule(&name).map(|known| &known.matches);
        let foreign = [
            ("name", rule.name != name),
            ("match", known != Some(&rule.matches)),
        ];
        let problems: Vec<Problem> = foreign
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(field, _)| Problem {
                path: format!("/rule/{field}"),
                reason: format!(
                    "the rule of the tool `{tool}` keeps its `{field}`; change other rules by \
                     `PUT /api/v1/config`"
                ),
            })
            .collect();
        if !problems.is_empty() {
            return Err(ChangeError::Invalid(problems));
        }
        with_rule(built, rule.clone(), "/rule")
    })
}

/// The latest document with this rule in the place of the one of its name, or else ahead of all
/// others. What is wrong with it is told by the paths of what the author sent, which has the rule
/// at `place`.
fn with_rule(built: &Built, rule: Rule, place: &str) -> Result<CheckedDocument, ChangeError> {
    let mut document = GatewayDocument::clone(&built.document);
    let mut rules = document.tools.iter();
    let index = match rules.position(|other| other.name == rule.name) {
        Some(index) => {
            document.tools[index] = rule;
            index
        }
        None => {
            document.tools.insert(0, rule);
            0
        }
    };
    CheckedDocument::new(document).map_err(|problems| {
        let inside = format!("/tools/{index}");
        let relocated =
            problems
                .into_iter()
                .map(|problem| match problem.path.strip_prefix(&inside) {
                    Some(rest) => Problem {
                        path: format!("{place}{rest}"),
                        ..problem
                    },
                    None => problem,
                });
        ChangeError::Invalid(relocated.collect())
    })
}

/// Takes the tool's own rule out.
#[must_use]
pub fn remove(tool: String) -> Edit {
    Arc::new(move |built| {
        let name = tool_rule_name(&tool)?;
        let mut document = GatewayDocument::clone(&built.document);
        let before = document.tools.len();
        document.tools.retain(|rule| rule.name != name);
        if document.tools.len() < before {
            return CheckedDocument::new(document).map_err(ChangeError::Invalid);
        }
        built.tool(&tool)?;
        Err(ChangeError::NoRule(tool.clone()))
    })
}
