//! The tools that the servers list, as far as a policy depends on them.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use policy_engine::ToolList;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::known_schemas::KnownSchemas;
use crate::names::ServerName;

/// The tools of each server that has been listed.
pub type Catalogue = BTreeMap<ServerName, Arc<ServerCatalogue>>;

/// The tools that one server lists, in the order of its list. What every policy about them would
/// work out anew is worked out once.
#[derive(Debug)]
pub struct ServerCatalogue {
    tools: Vec<CatalogueTool>,
    /// The places of the tools, by their names.
    by_name: Vec<usize>,
    admission: OnceLock<Admission>,
    /// Those of them that can be called, with what is compiled of their schemas.
    list: OnceLock<Arc<ToolList>>,
}

/// Which tools of a server can be called, and which cannot.
#[derive(Debug)]
pub(crate) struct Admission {
    /// A hash of what the list of those holds that can be called.
    list: String,
    /// The places of those that can be called, by their names.
    admitted: Vec<usize>,
    /// The names of those that cannot, each with the reason.
    pub(crate) refused: Vec<(String, ToolFlaw)>,
}

impl From<Vec<CatalogueTool>> for ServerCatalogue {
    fn from(tools: Vec<CatalogueTool>) -> Self {
        let mut by_name: Vec<usize> = (0..tools.len()).collect();
        by_name.sort_by_key(|place| &tools[*place].name);
        Self {
            tools,
            by_name,
            admission: OnceLock::new(),
            list: OnceLock::new(),
        }
    }
}

impl Deref for ServerCatalogue {
    type Target = [CatalogueTool];

    fn deref(&self) -> &Self::Target {
        &self.tools
    }
}

impl ServerCatalogue {
    /// The tool of this name; of several, which is a fault, one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&CatalogueTool> {
        let found = self.by_name.binary_search_by(|place| {
            step_count::count(1);
            self.tools[*place].name.as_str().cmp(name)
        });
        Some(&self.tools[self.by_name[found.ok()?]])
    }

    /// Which of the tools can be called, as far as that follows from their definitions.
    pub(crate) fn admission(&self) -> &Admission {
        self.admission.get_or_init(|| self.admit())
    }

    fn admit(&self) -> Admission {
        let mut refused: Vec<(String, ToolFlaw)> = Vec::new();
        let mut admitted: Vec<usize> = Vec::new();
        let name = |place: usize| self.tools[place].name.as_str();
        let by_name = self.by_name.iter().copied();
        let sound = by_name.filter(|place| {
            let flaw = bad_name(name(*place))
                .map(|reason| ToolFlaw::definition(reason.to_owned()))
                .or_else(|| self.tools[*place].flaw.clone());
            let is_sound = flaw.is_none();
            refused.extend(flaw.map(|flaw| (name(*place).to_owned(), flaw)));
            is_sound
        });
        let sound: Vec<usize> = sound.collect();
        for same in sound.chunk_by(|a, b| name(*a) == name(*b)) {
            match same {
                [one] => admitted.push(*one),
                _ => refused.push((name(same[0]).to_owned(), ToolFlaw::definition(repeated()))),
            }
        }
        let index: Vec<(&str, Option<&str>)> = admitted
            .iter()
            .map(|place| &self.tools[*place])
            .map(|tool| {
                (
                    tool.name.as_str(),
                    tool.input_schema.as_ref().map(SchemaText::hash),
                )
            })
            .collect();
        let index = serde_json::to_string(&index).expect("texts can be written");
        Admission {
            list: hex::encode(Sha256::digest(index)),
            admitted,
            refused,
        }
    }

    /// The tools that can be called, as they travel to the filter.
    pub(crate) fn list(&self, known: &KnownSchemas) -> &Arc<ToolList> {
        self.list.get_or_init(|| self.make_list(known))
    }

    /// Compiles the schemas of the tools that can be called, as far as that is not done. They stay
    /// so for as long as somebody has these tools.
    pub fn compile_schemas(&self, known: &KnownSchemas) {
        self.list(known).compile_schemas();
    }

    fn make_list(&self, known: &KnownSchemas) -> Arc<ToolList> {
        let admission = self.admission();
        let tools = admission.admitted.iter().map(|place| {
            let tool = &self.tools[*place];
            let schema = tool.input_schema.as_ref();
            let schema = schema.map(|schema| (schema.hash(), schema.text().get()));
            (tool.name.as_str(), schema)
        });
        let list = known.look_up(|known| known.tool_list(&admission.list, tools));
        list.expect("they are in the order of their names")
    }
}

fn repeated() -> String {
    "its server lists several tools of this name; have it list one".to_owned()
}

/// The longest tool name that is taken from a list; the specification recommends at most 128.
const LONGEST_NAME: usize = 256;

fn bad_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("a tool without a name cannot be called; have its server name it")
    } else if name.len() > LONGEST_NAME {
        Some("its name is longer than 256 bytes; have its server shorten it")
    } else if name.contains('*') || name.contains(shown_text::is_obeyed) {
        Some(
            "its name contains `*`, a control character or a mark that turns the direction of \
             text, which no rule could match; have its server rename it",
        )
    } else {
        None
    }
}

/// One tool as its server listed it.
#[derive(Debug, Clone)]
pub struct CatalogueTool {
    /// The server's own name of it.
    pub name: String,
    /// The schema that its arguments must fit.
    pub input_schema: Option<SchemaText>,
    /// The reason why it cannot be offered, where that is known already.
    pub flaw: Option<ToolFlaw>,
    /// The time since when its server has listed it without a break, in microseconds since
    /// 1970-01-01 00:00 UTC.
    pub listed_since: u64,
}

/// The kinds of reason for which a tool is withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WithholdingCause {
    /// Its server's definition of it cannot be offered or checked; it cannot be called anywhere.
    Definition,
    /// Its server is not what `requires` wants; it cannot be called anywhere.
    Requirements,
    /// Its server is pinned, and nobody has approved the definition; it cannot be called anywhere.
    Unreviewed,
    /// Another server's tool has had the name for longer; it can be called at its server's own
    /// endpoint alone.
    NameClash,
}

/// The reason why a listed tool cannot be offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolFlaw {
    /// The kind of reason.
    pub cause: WithholdingCause,
    /// The reason in words, with what to do about it.
    pub reason: String,
}

impl ToolFlaw {
    /// A fault of the definition itself.
    #[must_use]
    pub fn definition(reason: String) -> Self {
        Self {
            cause: WithholdingCause::Definition,
            reason,
        }
    }
}

/// A JSON Schema, byte for byte as it came, and the hash that addresses it.
#[derive(Debug, Clone)]
pub struct SchemaText {
    hash: String,
    text: Box<RawValue>,
}

impl SchemaText {
    /// Takes the schema as it came.
    #[must_use]
    pub fn new(text: Box<RawValue>) -> Self {
        Self {
            hash: hex::encode(Sha256::digest(text.get())),
            text,
        }
    }

    /// The SHA-256 of its bytes, in hex.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The bytes of the schema, as they came.
    #[must_use]
    pub fn text(&self) -> &RawValue {
        &self.text
    }
}
