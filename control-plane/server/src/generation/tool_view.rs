//! The tools of a generation, by the names that clients call them by.

use std::collections::BTreeMap;

use gateway_document::{
    ListenerName, Rule, RuleName, ServerName, WithheldTool, WithholdingCause, near_names,
};
use policy_engine::{Explanation, Policy, ToolId};
use store::{DefinitionReview, ReviewState};
use thiserror::Error;

use super::Built;

/// Why a name leads to no tool.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FindToolError {
    /// No server lists it.
    #[error("no server of this gateway lists a tool `{name}`, or none has yet; {}", advice(.near))]
    Unknown {
        /// The name that no server lists.
        name: String,
        /// Names of listed tools that may have been meant.
        near: Vec<String>,
    },
    /// Several servers list it.
    #[error("several servers list a tool `{name}` ({}); write a rule with `match` into the \
             document instead", .servers.join(", "))]
    Ambiguous {
        /// The name that several servers list.
        name: String,
        /// The servers that list a tool of that name.
        servers: Vec<String>,
    },
    /// No rule could be named after it.
    #[error(
        "no rule can be named after the tool `{0}`; write a rule with `match` into the document \
         instead"
    )]
    Unnameable(String),
}

/// A tool that clients see.
#[derive(Debug, Clone)]
pub struct ToolView<'a> {
    /// The name that clients call it by.
    pub name: String,
    /// The listener that offers it.
    pub listener: &'a ListenerName,
    /// The server that lists this tool.
    pub server: &'a ServerName,
    /// The server's own name of it.
    pub tool: &'a str,
    /// The place of its policy; none where it cannot be called anywhere.
    callable: Option<(&'a Policy, ToolId)>,
    /// The reason why it cannot be called although it is listed, or not everywhere.
    pub withheld: Option<&'a WithheldTool>,
    /// The definition that its server lists and that is not in force, because the server is pinned.
    pub review: Option<&'a DefinitionReview>,
}

impl<'a> ToolView<'a> {
    /// Whether it can be called anywhere.
    #[must_use]
    pub fn is_callable(&self) -> bool {
        self.callable.is_some()
    }

    /// The policy in force; none where it cannot be called anywhere. The first look goes through
    /// all rules, and nobody who lists thousands of tools wants that of each.
    #[must_use]
    pub fn policy(&self) -> Option<&'a Explanation> {
        let (policy, id) = self.callable?;
        policy.explain(id)
    }

    /// Whether another tool has its name where all servers appear as one.
    #[must_use]
    pub fn is_newcomer(&self) -> bool {
        let cause = self.withheld.map(|withheld| withheld.cause);
        cause == Some(WithholdingCause::NameClash)
    }
}

fn advice(near: &[String]) -> String {
    match near {
        [] => "`GET /api/v1/tools` shows those that are known".to_owned(),
        near => format!("did you mean `{}`?", near.join("` or `")),
    }
}

impl Built {
    /// Every listed tool on every listener that offers it.
    pub fn tools(&self) -> Vec<ToolView<'_>> {
        self.tools_of(|_| true)
    }

    /// Every listed tool of which the name that clients call it by is wanted: nothing is worked out
    /// about the others.
    fn tools_of(&self, wants: impl Fn(&str) -> bool) -> Vec<ToolView<'_>> {
        let mut views = Vec::new();
        for (listener, (name, resolved)) in self.document.listeners.iter().zip(&*self.listeners) {
            let policy = &*resolved.policy;
            let withheld: BTreeMap<_, _> = resolved
                .withheld
                .iter()
                .map(|withheld| ((withheld.server.as_str(), withheld.tool.as_str()), withheld))
                .collect();
            for (server, registered) in self.document.servers_of(listener) {
                let list = self.lists.get(server);
                let reviews = list.iter().flat_map(|list| &list.stored.reviews);
                let reviews: BTreeMap<&str, &DefinitionReview> = reviews
                    .filter(|review| review.state != ReviewState::Approved)
                    .map(|review| (review.tool.name.as_str(), review))
                    .collect();
                let prefix = registered.tool_prefix.as_str();
                for tool in list.iter().flat_map(|list| list.tools.iter()) {
                    let key = (server.as_str(), tool.name.as_str());
                    let name_seen = format!("{prefix}{}", tool.name);
                    if !wants(&name_seen) {
                        continue;
                    }
                    let id = policy.find_tool(server.as_str(), &tool.name);
                    views.push(ToolView {
                        name: name_seen,
                        listener: name,
                        server,
                        tool: &tool.name,
                        callable: id.map(|id| (policy, id)),
                        withheld: withheld.get(&key).copied(),
                        review: reviews.get(tool.name.as_str()).copied(),
                    });
                }
            }
        }
        views
    }

    /// The tool that clients call by this name, on the first listener that offers it.
    ///
    /// # Errors
    /// When there is none, or several servers have one.
    pub fn tool(&self, name: &str) -> Result<ToolView<'_>, FindToolError> {
        let found: Vec<ToolView<'_>> = self
            .tools_of(|seen| seen == name)
            .into_iter()
            .filter(|view| !view.is_newcomer())
            .collect();
        let mut servers: Vec<String> = found
            .iter()
            .map(|view| format!("`{}`", view.server))
            .collect();
        servers.sort();
        servers.dedup();
        if servers.len() > 1 {
            return Err(FindToolError::Ambiguous {
                name: name.to_owned(),
                servers,
            });
        }
        found.into_iter().next().ok_or_else(|| {
            let views = self.tools();
            FindToolError::Unknown {
                name: name.to_owned(),
                near: near_names(name, views.iter().map(|view| view.name.as_str())),
            }
        })
    }

    /// The rule that a tool's policy is kept in, if it has one.
    #[must_use]
    pub fn tool_rule(&self, name: &str) -> Option<&Rule> {
        self.document.rule(&tool_rule_name(name).ok()?)
    }
}

/// The name of the rule that a tool's own policy is kept in.
///
/// # Errors
/// [`FindToolError::Unnameable`] where the tool's name does not fit into the name of a rule.
pub fn tool_rule_name(tool: &str) -> Result<RuleName, FindToolError> {
    format!("tool:{tool}")
        .parse()
        .map_err(|_| FindToolError::Unnameable(tool.to_owned()))
}
