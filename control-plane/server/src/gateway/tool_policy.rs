//! Changes of one tool's policy, by the name that clients call the tool by.

use gateway_document::{
    CheckedDocument, Format, GatewayDocument, ParseError, Problem, parse_tool_rule,
};

use super::change::{ChangeError, Edit};
use crate::generation::tool_rule_name;

/// Makes `body` the tool's own rule: in the place of the one it has, or else ahead of all others.
///
/// # Errors
/// When `body` is not the policy of a tool.
pub fn put(tool: String, body: &str, format: Format) -> Result<Edit, ParseError> {
    let rule = parse_tool_rule(body, format)?;
    Ok(Box::new(move |built| {
        let view = built.tool(&tool)?;
        let rule = rule.named(
            tool_rule_name(&tool)?,
            view.server.clone(),
            view.tool.to_owned(),
        );
        let mut document = GatewayDocument::clone(&built.document);
        let place = match document
            .tools
            .iter()
            .position(|other| other.name == rule.name)
        {
            Some(place) => {
                document.tools[place] = rule;
                place
            }
            None => {
                document.tools.insert(0, rule);
                0
            }
        };
        CheckedDocument::new(document)
            .map_err(|problems| ChangeError::Invalid(relative_to_rule(problems, place)))
    }))
}

/// Takes the tool's own rule out.
#[must_use]
pub fn remove(tool: String) -> Edit {
    Box::new(move |built| {
        let name = tool_rule_name(&tool)?;
        let mut document = GatewayDocument::clone(&built.document);
        let before = document.tools.len();
        document.tools.retain(|rule| rule.name != name);
        if document.tools.len() < before {
            return CheckedDocument::new(document).map_err(ChangeError::Invalid);
        }
        built.tool(&tool)?;
        Err(ChangeError::NoRule(tool))
    })
}

/// Problems by the paths of what the author wrote: the rule, without the document around it.
fn relative_to_rule(problems: Vec<Problem>, place: usize) -> Vec<Problem> {
    let prefix = format!("/tools/{place}");
    problems
        .into_iter()
        .map(|problem| match problem.path.strip_prefix(&prefix) {
            Some(rest) => Problem {
                path: rest.to_owned(),
                ..problem
            },
            None => problem,
        })
        .collect()
}
