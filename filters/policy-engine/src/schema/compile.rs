//! From a JSON Schema (2020-12; draft-07 where both agree) to a tree of nodes, reporting everything
//! that is wrong at once.

mod annotations;
mod draft;
mod links;

use std::collections::BTreeMap;
use std::sync::Arc;

use key_folding::read_loosely;

use super::Schema;
use super::header_parameters::HeaderParameter;
use super::json::Json;
use super::texts::SortedTexts;
use super::tree::{Kinds, Node, NodeId, Tree};
use crate::compile_error::{CompileError, CompileErrors, join};
use draft::Draft;

pub(super) fn compile(text: &str) -> Result<Schema, CompileErrors> {
    step_count::count(text.len());
    let document = Json::parse(text)
        .map_err(|bad| CompileErrors::one(format!("not a JSON document: {bad}")))?;
    filled(&document).finish()
}

/// The properties of a schema that clients repeat in headers, even if the engine cannot check all
/// of the schema: none where it is no JSON.
pub(super) fn header_parameters(text: &str) -> Arc<[HeaderParameter]> {
    let Ok(document) = Json::parse(text) else {
        return Arc::default();
    };
    filled(&document).header_parameters.into()
}

/// A compiler that has read the whole document. Once in the module: reading costs no caller.
#[inline(never)]
fn filled(document: &Json) -> Compiler<'_> {
    let mut compiler = Compiler::new(document);
    compiler.reserve_references();
    compiler.fill_reserved();
    compiler
}

/// A schema on its way to becoming a tree.
struct Compiler<'a> {
    document: &'a Json,
    dialect: Dialect,
    nodes: Vec<Node>,
    /// Where in the document each node is.
    pointers: Vec<String>,
    /// The references that `$ref` may name, each with its node.
    references: BTreeMap<String, NodeId>,
    header_parameters: Vec<HeaderParameter>,
    errors: Vec<CompileError>,
}

/// Which rules hold where the drafts differ.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// 2019-09 and 2020-12, also where nothing is said.
    Current,
    /// Draft-06 and draft-07: `$ref` hides what stands beside it.
    Draft7,
}

impl<'a> Compiler<'a> {
    const ROOT: NodeId = NodeId(1);

    fn new(document: &'a Json) -> Self {
        Self {
            document,
            dialect: Dialect::Current,
            nodes: vec![Node::with_kinds(Kinds::ALL)],
            pointers: vec![String::new()],
            references: BTreeMap::new(),
            header_parameters: Vec::new(),
            errors: Vec::new(),
        }
    }

    fn error(&mut self, pointer: &str, reason: impl Into<String>) {
        self.errors.push(CompileError {
            path: pointer.to_owned(),
            reason: reason.into(),
        });
    }

    /// Gives the document and each of its definitions a node, so that references may go in any
    /// direction.
    fn reserve_references(&mut self) {
        self.dialect = self.read_dialect();
        let root = self.reserve("");
        self.references.insert("#".to_owned(), root);
        for (container, pointer) in DEFINITIONS {
            if let Some(Json::Object(members)) = self.document.get(container) {
                for (name, _) in members {
                    let pointer = join(pointer, name);
                    let id = self.reserve(&pointer);
                    self.references.insert(format!("#{pointer}"), id);
                }
            }
        }
    }

    fn fill_reserved(&mut self) {
        let document = self.document;
        self.fill(Self::ROOT, document, "");
        for (container, pointer) in DEFINITIONS {
            match document.get(container) {
                Some(Json::Object(members)) => {
                    for (name, schema) in members {
                        let pointer = join(pointer, name);
                        if let Some(id) = self.references.get(&format!("#{pointer}")).copied() {
                            self.fill(id, schema, &pointer);
                        }
                    }
                }
                Some(_) => self.error(pointer, "must be an object of schemas"),
                None => {}
            }
        }
    }

    fn read_dialect(&mut self) -> Dialect {
        let name = match self.document.get("$schema") {
            None => return Dialect::Current,
            Some(Json::String(name)) => name.trim_end_matches('#'),
            Some(_) => "",
        };
        match name.split_once("://").map(|(_, name)| name) {
            Some(
                "json-schema.org/draft/2020-12/schema" | "json-schema.org/draft/2019-09/schema",
            ) => Dialect::Current,
            Some("json-schema.org/draft-07/schema" | "json-schema.org/draft-06/schema") => {
                Dialect::Draft7
            }
            _ => {
                self.error(
                    "/$schema",
                    "not a dialect that this version checks; it checks \
                     2020-12, 2019-09, draft-07 and draft-06",
                );
                Dialect::Current
            }
        }
    }

    fn reserve(&mut self, pointer: &str) -> NodeId {
        // A schema's text is far shorter than 2³² bytes, and each node takes some of it.
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(Node::with_kinds(Kinds::ALL));
        self.pointers.push(pointer.to_owned());
        id
    }

    /// Compiles a subschema to a node of its own.
    fn node(&mut self, schema: &Json, pointer: &str) -> NodeId {
        if *schema == Json::Bool(true) {
            return NodeId::ANYTHING;
        }
        let id = self.reserve(pointer);
        self.fill(id, schema, pointer);
        id
    }

    fn nodes(&mut self, schemas: &Json, pointer: &str) -> Vec<NodeId> {
        match schemas {
            Json::Array(schemas) if !schemas.is_empty() => {
                let compile = |(index, schema)| self.node(schema, &format!("{pointer}/{index}"));
                schemas.iter().enumerate().map(compile).collect()
            }
            _ => {
                self.error(pointer, "must be a list of schemas, not empty");
                Vec::new()
            }
        }
    }

    fn fill(&mut self, id: NodeId, schema: &Json, pointer: &str) {
        let node = match schema {
            Json::Bool(true) => Node::with_kinds(Kinds::ALL),
            Json::Bool(false) => Node::with_kinds(Kinds::NONE),
            Json::Object(members) => Draft::read(self, members, pointer).finish(),
            _ => {
                self.error(pointer, "a schema is an object, `true` or `false`");
                return;
            }
        };
        if let Some(place) = self.nodes.get_mut(id.index()) {
            *place = node;
        }
    }

    fn finish(mut self) -> Result<Schema, CompileErrors> {
        links::check(&self.nodes, &self.pointers, &mut self.errors);
        CompileErrors::check(self.errors)?;
        let mut tree = Tree {
            nodes: self.nodes,
            root: Self::ROOT,
            spellings: SortedTexts::EMPTY,
        };
        tree.spellings = spellings(&tree.nodes);
        links::shorten(&mut tree);
        Ok(Schema {
            tree,
            header_parameters: self.header_parameters.into(),
        })
    }
}

/// The names of properties that the loosest of readers takes for another one.
fn spellings(nodes: &[Node]) -> SortedTexts {
    let objects = nodes.iter().filter_map(|node| node.object.as_deref());
    let properties = objects.flat_map(|object| &object.properties);
    let mut names = SortedTexts::new(properties.map(|property| property.name.as_bytes()));
    names.drop_repeated();
    let mut folded = SortedTexts::new(names.iter().map(read_loosely));
    folded.keep_repeated();
    SortedTexts::new(
        names
            .iter()
            .filter(|name| folded.contains(&read_loosely(name))),
    )
}

/// Where definitions are, and their pointer.
const DEFINITIONS: [(&str, &str); 2] = [("$defs", "/$defs"), ("definitions", "/definitions")];
