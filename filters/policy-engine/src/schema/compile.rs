//! From a JSON Schema (2020-12; draft-07 where both agree) to a tree of nodes, reporting everything
//! that is wrong at once.

mod annotations;
mod draft;
mod links;
mod place;

use std::sync::Arc;

use key_folding::read_loosely;

use super::header_parameters::{HeaderParameter, in_order};
use super::json::Json;
use super::texts::{NumberedTexts, SortedTexts};
use super::tree::{Kinds, Node, NodeId, Tree};
use super::{Compiled, Schema};
use crate::compile_error::{CompileError, CompileErrors, join};
use draft::Draft;
use place::Place;

/// How long the text of a schema may be, in bytes.
const MOST_BYTES: usize = 256 << 10;

/// How many subschemas, values of `enum` and `const`, names in `required`, and names on the ways to
/// properties with a header a schema may have: what is kept of it grows with these.
const MOST_PARTS: usize = 10_000;

/// How many faults of one schema are told.
const MOST_ERRORS: usize = 20;

/// The compiled form of a schema takes at most so many bytes for each byte of its text, and for
/// each part, on the heap of a program of 64 bits. Most of it is nodes, and names, which are there
/// in up to three ways of writing.
const BYTES_OF_BYTE: usize = 4;
const BYTES_OF_PART: usize = 448;

/// A schema with faults leaves these, which weigh no more than so many parts.
const PARTS_LEFT: usize = 200;

pub(super) fn compile(text: &str) -> Compiled {
    let refused = |reason| {
        let mut compiler = Compiler::new(&Json::Null, 0);
        compiler.note(&Place::Root, reason);
        compiler.finish()
    };
    if text.len() > MOST_BYTES {
        let reason = format!(
            "has {} bytes, more than the {MOST_BYTES} that a schema may have; \
             leave parts of it out",
            text.len()
        );
        return Compiled {
            header_parameters: None,
            ..refused(reason)
        };
    }
    step_count::count(text.len());
    match Json::parse_schema(text) {
        Ok(document) => filled(&document, text.len(), None).finish(),
        Err(bad) => refused(format!("not a JSON document: {bad}")),
    }
}

/// A compiler that has read the whole document, and has noted where the node that is sought comes
/// from. Once in the module: reading costs no caller.
#[inline(never)]
fn filled(document: &Json, bytes: usize, sought: Option<NodeId>) -> Compiler<'_> {
    let mut compiler = Compiler::new(document, bytes);
    compiler.sought = sought;
    compiler.reserve_references();
    compiler.fill_reserved();
    compiler
}

/// A schema on its way to becoming a tree.
struct Compiler<'a> {
    document: &'a Json,
    /// The bytes of its text.
    bytes: usize,
    dialect: Dialect,
    nodes: Vec<Node>,
    /// The parts so far, of which there may be [`MOST_PARTS`]: beyond them nothing more is read.
    parts: usize,
    /// The node whose place somebody wants to know, and its pointer.
    sought: Option<NodeId>,
    found: String,
    /// The references that `$ref` may name, each with its node.
    references: NumberedTexts,
    header_parameters: Vec<HeaderParameter>,
    /// Their headers, in small letters.
    headers: NumberedTexts,
    /// The names on the ways to them.
    names: Vec<Arc<str>>,
    numbers_of_names: NumberedTexts,
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

    fn new(document: &'a Json, bytes: usize) -> Self {
        Self {
            document,
            bytes,
            dialect: Dialect::Current,
            nodes: vec![Node::with_kinds(Kinds::ALL)],
            parts: 0,
            sought: None,
            found: String::new(),
            references: NumberedTexts::default(),
            header_parameters: Vec::new(),
            headers: NumberedTexts::default(),
            names: Vec::new(),
            numbers_of_names: NumberedTexts::default(),
            errors: Vec::new(),
        }
    }

    /// Notes a fault, as long as there are not too many.
    #[inline(never)]
    fn error(&mut self, place: &Place<'_>, reason: impl Into<String>) {
        self.note(place, reason.into());
    }

    /// Apart from [`Self::error`], so that it is in the module once.
    #[cold]
    #[inline(never)]
    fn note(&mut self, place: &Place<'_>, reason: String) {
        let (path, reason) = match self.errors.len() {
            ..MOST_ERRORS => (place.pointer(), reason),
            MOST_ERRORS => (
                String::new(),
                "has more faults; mend these first".to_owned(),
            ),
            _ => return,
        };
        self.errors.push(CompileError { path, reason });
    }

    /// Gives the document and each of its definitions a node, so that references may go in any
    /// direction.
    fn reserve_references(&mut self) {
        self.dialect = self.read_dialect();
        let root = self.reserve(&Place::Root);
        self.references.number("#", root.index());
        for container in DEFINITIONS {
            let place = Place::Root.member(container);
            if let Some(Json::Object(members)) = self.document.get(container) {
                for (name, _) in members {
                    if self.is_too_large() {
                        return;
                    }
                    let id = self.reserve(&place.member(name));
                    let name = reference(container, name);
                    self.references.number(&name, id.index());
                }
            }
        }
    }

    fn fill_reserved(&mut self) {
        let document = self.document;
        self.fill(Self::ROOT, document, &Place::Root);
        for container in DEFINITIONS {
            let place = Place::Root.member(container);
            match document.get(container) {
                Some(Json::Object(members)) => {
                    for (name, schema) in members {
                        if let Some(id) = self.referred(&reference(container, name)) {
                            self.fill(id, schema, &place.member(name));
                        }
                    }
                }
                Some(_) => self.error(&place, "must be an object of schemas"),
                None => {}
            }
        }
    }

    /// The node that a reference names.
    fn referred(&self, reference: &str) -> Option<NodeId> {
        let number = self.references.get(reference)?;
        u32::try_from(number).ok().map(NodeId)
    }

    /// Whether it has more parts than a schema may have.
    fn is_too_large(&self) -> bool {
        self.parts > MOST_PARTS
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
                    &Place::Root.member("$schema"),
                    "not a dialect that this version checks; it checks \
                     2020-12, 2019-09, draft-07 and draft-06",
                );
                Dialect::Current
            }
        }
    }

    #[inline(never)]
    fn reserve(&mut self, place: &Place<'_>) -> NodeId {
        // A schema's text is far shorter than 2³² bytes, and each node takes some of it.
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        step_count::count(1);
        self.nodes.push(Node::with_kinds(Kinds::ALL));
        self.parts += 1;
        if self.sought == Some(id) {
            self.found = place.pointer();
        }
        id
    }

    /// Compiles a subschema to a node of its own.
    #[inline(never)]
    fn node(&mut self, schema: &Json, place: &Place<'_>) -> NodeId {
        if self.is_too_large() {
            return NodeId::ANYTHING;
        }
        if *schema == Json::Bool(true) {
            self.parts += 1;
            return NodeId::ANYTHING;
        }
        let id = self.reserve(place);
        self.fill(id, schema, place);
        id
    }

    #[inline(never)]
    fn nodes(&mut self, schemas: &Json, place: &Place<'_>) -> Vec<NodeId> {
        match schemas {
            Json::Array(schemas) if !schemas.is_empty() => {
                let compile = |(index, schema)| self.node(schema, &place.item(index));
                schemas.iter().enumerate().map(compile).collect()
            }
            _ => {
                self.error(place, "must be a list of schemas, not empty");
                Vec::new()
            }
        }
    }

    #[inline(never)]
    fn fill(&mut self, id: NodeId, schema: &Json, place: &Place<'_>) {
        let node = match schema {
            Json::Bool(true) => Node::with_kinds(Kinds::ALL),
            Json::Bool(false) => Node::with_kinds(Kinds::NONE),
            Json::Object(members) => Draft::read(self, members, place).finish(),
            _ => {
                self.error(place, "a schema is an object, `true` or `false`");
                return;
            }
        };
        if let Some(place) = self.nodes.get_mut(id.index()) {
            *place = node;
        }
    }

    fn finish(mut self) -> Compiled {
        let is_too_large = self.is_too_large();
        if is_too_large {
            self.errors.clear();
            let reason = format!(
                "has more than {MOST_PARTS} subschemas, values of `enum` and `const`, names in \
                 `required`, and names on the ways to properties with a header; leave some of \
                 them out"
            );
            self.note(&Place::Root, reason);
        } else if let Err((id, reason)) = links::check(&self.nodes) {
            let path = filled(self.document, self.bytes, Some(id)).found;
            let reason = reason.to_owned();
            self.errors.push(CompileError { path, reason });
        }
        self.header_parameters.sort_unstable_by(in_order);
        let faults = CompileErrors::check(self.errors).err();
        let parts = match faults {
            None => self.parts,
            Some(_) => self.parts.min(PARTS_LEFT),
        };
        let weight = BYTES_OF_BYTE * self.bytes + BYTES_OF_PART * (1 + parts);
        let mut tree = Tree {
            nodes: self.nodes,
            root: Self::ROOT,
            spellings: SortedTexts::EMPTY,
        };
        if faults.is_some() {
            // Nothing fits a node that is not there.
            tree.nodes = Vec::new();
        } else {
            tree.spellings = spellings(&tree.nodes);
            links::shorten(&mut tree);
        }
        Compiled {
            schema: Schema { tree },
            header_parameters: (!is_too_large).then_some(self.header_parameters),
            faults,
            weight,
        }
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

/// The keywords whose members are definitions.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// The reference to a definition.
#[inline(never)]
fn reference(container: &str, name: &str) -> String {
    join(&format!("#/{container}"), name)
}
