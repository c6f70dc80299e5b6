//! A rule, as the policies of items are merged from it.

use std::sync::Arc;
use std::time::Duration;

use crate::glob::Glob;
use crate::ids::RuleId;
use crate::item_kind::ItemKind;
use crate::limit::PerPrincipal;
use crate::principal::Access;
use crate::rate::Rate;
use crate::tool_list::ListedSchema;
use crate::wire::{self, Validate};

/// The method of the messages that name tools.
const CALL: &str = "tools/call";

/// An item as rules know it: by kind, name and method.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) kind: ItemKind,
    /// The server's own name of it.
    pub(crate) name: &'a str,
    /// The method of the message that names it.
    pub(crate) method: &'a str,
}

impl<'a> Subject<'a> {
    /// A tool, which `tools/call` names.
    pub(crate) fn tool(name: &'a str) -> Self {
        Self {
            kind: ItemKind::Tool,
            name,
            method: CALL,
        }
    }
}

/// A rule whose references were resolved.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: RuleId,
    pub(crate) name: Arc<str>,
    pub(crate) server: Option<String>,
    pub(crate) about: About,
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

/// The items of a server that a rule is about.
#[derive(Debug)]
pub(crate) enum About {
    /// All tools of the server.
    Tools,
    /// The items of this kind that the pattern stands for. Of [`ItemKind::Method`], those that
    /// messages of such a method name.
    Items(ItemKind, Glob),
}

/// The tools of a server's list that a rule is about.
pub(crate) enum ListedTools<'r> {
    All,
    Like(&'r Glob),
    None,
}

/// A limit of a rule, not yet of an item.
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

/// How long methods and names of prompts may be where rules are about them, in bytes: each pattern
/// goes over a name, and the body of a message may be a thousand times as long.
pub(crate) const LONGEST_NAME: usize = 512;

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

    pub(crate) fn matches(&self, server: &str, subject: Subject<'_>) -> bool {
        self.is_about(server)
            && match &self.about {
                About::Tools => subject.kind == ItemKind::Tool,
                About::Items(ItemKind::Method, methods) => methods.matches(subject.method),
                About::Items(kind, names) => *kind == subject.kind && names.matches(subject.name),
            }
    }

    /// Whether it may match an item of this server.
    pub(crate) fn is_about(&self, server: &str) -> bool {
        self.server.as_ref().is_none_or(|wanted| wanted == server)
    }

    /// Whether it may match an item of this kind that a message of this method names, whatever
    /// its name is.
    pub(crate) fn may_match(&self, kind: ItemKind, method: &str) -> bool {
        match &self.about {
            About::Tools => kind == ItemKind::Tool,
            // No pattern goes over a text that is longer: it is refused.
            About::Items(ItemKind::Method, methods) => {
                method.len() > LONGEST_NAME || methods.matches(method)
            }
            About::Items(known, _) => *known == kind,
        }
    }

    /// Whether it matches some items of a kind other than tools, and not others.
    pub(crate) fn goes_by_name(&self) -> bool {
        matches!(
            self.about,
            About::Items(ItemKind::Prompt | ItemKind::Resource, _)
        )
    }

    /// The tools of a list that it matches.
    pub(crate) fn listed_tools(&self) -> ListedTools<'_> {
        match &self.about {
            About::Tools => ListedTools::All,
            About::Items(ItemKind::Tool, names) => ListedTools::Like(names),
            About::Items(ItemKind::Method, methods) if methods.matches(CALL) => ListedTools::All,
            About::Items(..) => ListedTools::None,
        }
    }
}
