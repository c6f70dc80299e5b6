//! The tools that one server lists, apart from every policy about them.

use std::sync::{Arc, OnceLock};

use thiserror::Error;

use crate::glob::Glob;
use crate::known_schema::KnownSchema;
use crate::text_part::TextPart;

pub(crate) mod text;

/// The tools that one server lists, with the schemas of their arguments. Immutable, so that the
/// policies that follow each other share it.
#[derive(Debug)]
pub struct ToolList {
    name: Arc<str>,
    /// In the order of the tools' names, each once.
    tools: Vec<ListedTool>,
    /// All of it as one text, which is written when it is first asked for.
    text: OnceLock<Arc<str>>,
}

/// Why tools make no list.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidToolList {
    /// They are not in the order of their names, or one comes twice.
    #[error("the tool `{0}` is not behind the one before it in the order of their names")]
    Unordered(String),
    /// A name that could not be told from what stands around it in the text of a list.
    #[error("the tool's name {0:?} is empty or holds a tab or a line break")]
    Unwritable(String),
}

/// One tool of a list.
#[derive(Debug)]
pub(crate) struct ListedTool {
    pub(crate) name: Box<str>,
    pub(crate) schema: Option<ListedSchema>,
}

/// The schema of a tool's arguments.
#[derive(Clone, Debug)]
pub(crate) struct ListedSchema {
    /// The name that a configuration gives it: the SHA-256 of its text, in hex.
    pub(crate) hash: TextPart,
    /// Nothing where the configuration does not hold it.
    pub(crate) schema: Option<Arc<KnownSchema>>,
}

impl ToolList {
    /// The list of these tools, if each is behind the one before it.
    pub(crate) fn in_order(
        name: Arc<str>,
        tools: Vec<ListedTool>,
    ) -> Result<Self, InvalidToolList> {
        let pairs = tools.iter().zip(tools.iter().skip(1));
        match pairs.into_iter().find(|(one, next)| one.name >= next.name) {
            Some((_, next)) => Err(InvalidToolList::Unordered(next.name.to_string())),
            None => match tools.iter().find(|tool| text::is_unwritable(&tool.name)) {
                Some(tool) => Err(InvalidToolList::Unwritable(tool.name.to_string())),
                None => Ok(Self::of(name, tools)),
            },
        }
    }

    pub(crate) fn of(name: Arc<str>, tools: Vec<ListedTool>) -> Self {
        Self {
            name,
            tools,
            text: OnceLock::new(),
        }
    }

    /// The same list, which this text says.
    fn with_text(self, text: Arc<str>) -> Self {
        Self {
            text: text.into(),
            ..self
        }
    }

    /// The list as a text ([`text`]).
    pub(crate) fn text(&self) -> &str {
        self.text.get_or_init(|| text::write(self).into())
    }

    /// The name of the list.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Compiles the schemas of all tools: for whoever will ask whether they can be checked at a
    /// moment when nobody is to wait for that. The answers are kept.
    pub fn compile_schemas(&self) {
        let listed = self.tools.iter().filter_map(|tool| tool.schema.as_ref());
        for schema in listed.filter_map(|listed| listed.schema.as_ref()) {
            let _is_sound = schema.is_sound();
        }
    }

    pub(crate) fn tools(&self) -> &[ListedTool] {
        &self.tools
    }

    /// The names of the tools, in their order.
    pub fn tool_names(&self) -> impl Iterator<Item = &str> {
        self.tools.iter().map(|tool| &*tool.name)
    }

    /// The place of a tool.
    pub(crate) fn position(&self, name: &[u8]) -> Option<usize> {
        let by_name = |tool: &ListedTool| tool.name.as_bytes().cmp(name);
        self.tools.binary_search_by(by_name).ok()
    }

    /// The places of the tools whose names a pattern stands for: only those are looked at that
    /// begin as it does.
    pub(crate) fn matching<'a>(&'a self, pattern: &'a Glob) -> impl Iterator<Item = usize> + 'a {
        let head = pattern.head();
        let begin = self.tools.partition_point(|tool| *tool.name < *head);
        let candidates = self.tools.iter().enumerate().skip(begin);
        candidates
            .take_while(move |(_, tool)| tool.name.starts_with(head))
            .filter(|(_, tool)| pattern.matches(&tool.name))
            .map(|(place, _)| place)
    }
}
