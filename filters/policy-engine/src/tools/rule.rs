//! A rule, as the policies of tools are merged from it.

use std::sync::Arc;
use std::time::Duration;

use crate::decision::PerPrincipal;
use crate::glob::Glob;
use crate::ids::RuleId;
use crate::principal::Access;
use crate::rate::Rate;
use crate::tool_list::ListedSchema;
use crate::wire::{self, Validate};

/// A rule whose references were resolved.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: RuleId,
    pub(crate) name: Arc<str>,
    pub(crate) server: Option<String>,
    pub(crate) tool: Option<Glob>,
    /// The callers that the rule is about, and the names of their roles; none where it is about
    /// everyone.
    pub(crate) callers: Option<(Access, Vec<String>)>,
    pub(crate) access: Option<(Access, Vec<String>)>,
    pub(crate) limits: Vec<RuleLimit>,
    pub(crate) validate: Option<Validate>,
    pub(crate) constraints: Option<ListedSchema>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) cluster: Option<String>,
}

/// A limit of a rule, not yet of a tool.
#[derive(Debug)]
pub(crate) struct RuleLimit {
    /// That of `wire`, which the limits of tools share.
    pub(crate) id: Arc<str>,
    pub(crate) wire: wire::Limit,
    pub(crate) burst: u64,
    pub(crate) rate: Rate,
    pub(crate) per: Per,
}

/// The things of which each has a bucket of its own. The server always is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Per {
    pub(crate) tool: PerTool,
    pub(crate) principal: PerPrincipal,
}

/// Whether each tool has a bucket of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PerTool {
    Yes,
    No,
}

impl Rule {
    /// The callers that the rule is about; none where it is about everyone.
    pub(crate) fn callers(&self) -> Option<Access> {
        self.callers.as_ref().map(|(callers, _)| callers.clone())
    }

    /// The roles of the callers that the rule is about; none where it is about everyone.
    pub(crate) fn roles(&self) -> &[String] {
        match &self.callers {
            Some((_, roles)) => roles,
            None => &[],
        }
    }

    pub(crate) fn matches(&self, server: &str, tool: &str) -> bool {
        self.is_about(server) && self.tool.as_ref().is_none_or(|glob| glob.matches(tool))
    }

    /// Whether it may match a tool of this server.
    pub(crate) fn is_about(&self, server: &str) -> bool {
        self.server.as_ref().is_none_or(|wanted| wanted == server)
    }

    /// The pattern of the names of tools that it matches; nothing where it matches every one.
    pub(crate) fn pattern(&self) -> Option<&Glob> {
        self.tool.as_ref()
    }
}
