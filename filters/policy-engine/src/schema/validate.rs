//! One pass over the bytes of an instance, led by the nodes of a schema: no tree of the instance,
//! and nothing allocated where all is well and the keys are the schema's.
//!
//! The first pass over a value checks that it is JSON that everyone reads alike, and the rules that
//! need no look back. Alternatives and the like then run over the value's bytes again, as often as
//! the schema has them, within a budget.

mod found;
mod noting;
mod object;
mod path;
mod scalars;
mod whole;

use step_count::count;

use super::keys::Keys;
use super::scan::{self, Syntax, Wanted};
use super::tree::{Additional, Approach, ArrayRules, Kinds, Node, NodeId, ObjectRules, Tree};
use super::violation::Violation;
use super::{Invalid, MAX_DEPTH};
use path::Path;

pub(super) fn validate(tree: &Tree, bytes: &[u8], max_depth: u32) -> Result<(), Invalid> {
    let mut run = Run {
        tree,
        bytes,
        pass: Pass::First,
        keys: Keys::default(),
        misfits: Vec::new(),
        unreadable: None,
        depth: 0,
        max_depth: max_depth.min(MAX_DEPTH),
        level: 0,
        budget: bytes
            .len()
            .saturating_mul(REPLAYS)
            .saturating_add(FREE_BYTES),
    };
    let outcome = run.instance();
    match (outcome, run.unreadable) {
        (Err(Stop::Unreadable), unreadable) => {
            Err(Invalid::Unreadable(unreadable.unwrap_or_else(unexplained)))
        }
        (Err(Stop::Misfit), _) if run.misfits.is_empty() => {
            Err(Invalid::Misfit(vec![unexplained()]))
        }
        _ if run.misfits.is_empty() => Ok(()),
        _ => Err(Invalid::Misfit(run.misfits)),
    }
}

/// How often, on average, alternatives and comparisons may look at each byte again: more than
/// schemas that people write need, few enough that a body of 1 MiB holds a worker for a fraction of
/// a second.
const REPLAYS: usize = 32;
/// Besides, this many bytes may be looked at again, so that small bodies never feel the budget.
const FREE_BYTES: usize = 1024 * 1024;

/// How deep values and alternatives may be nested together: what bounds the stack.
const DEEPEST_LEVEL: u32 = 2 * MAX_DEPTH + 64;

/// A refusal is never empty-handed, should a reason once be missing.
fn unexplained() -> Violation {
    Violation {
        pointer: String::new(),
        expected: "a value that fits the schema".to_owned(),
        found: None,
    }
}

/// Which pass over a value this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// It also checks that no key comes twice; misfits are noted.
    First,
    /// The bytes are known to be sound; misfits are noted.
    Again,
    /// The bytes are known to be sound; the first misfit ends it.
    Trial,
}

/// Why a pass ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// An alternative that was tried does not fit.
    Misfit,
    /// The instance cannot be read; the reason is noted.
    Unreadable,
}

struct Run<'r> {
    tree: &'r Tree,
    bytes: &'r [u8],
    pass: Pass,
    keys: Keys,
    misfits: Vec<Violation>,
    unreadable: Option<Violation>,
    /// Arrays and objects that are open.
    depth: u32,
    max_depth: u32,
    /// Calls of `value` that are open.
    level: u32,
    /// Bytes that may still be looked at again.
    budget: usize,
}

impl<'r> Run<'r> {
    fn instance(&mut self) -> Result<(), Stop> {
        let path = Path::Root;
        count(self.bytes.len());
        if !self.bytes.is_ascii()
            && let Err(wrong) = std::str::from_utf8(self.bytes)
        {
            return self.syntax(
                &path,
                Syntax {
                    wanted: Wanted::Utf8,
                    at: wrong.valid_up_to(),
                },
            );
        }
        let end = self.value(self.tree.root, 0, &path)?;
        let end = scan::skip_space(self.bytes, end);
        if end < self.bytes.len() {
            return self.syntax(
                &path,
                Syntax {
                    wanted: Wanted::End,
                    at: end,
                },
            );
        }
        Ok(())
    }

    fn node(&self, id: NodeId) -> Option<&'r Node> {
        self.tree.nodes.get(id.index())
    }

    /// Checks the value at `at`, after white space, and gives where it ends.
    #[inline(always)]
    fn value(&mut self, id: NodeId, at: usize, path: &Path<'_>) -> Result<usize, Stop> {
        let start = scan::skip_space(self.bytes, at);
        count(1);
        let Some(byte) = self.bytes.get(start).copied() else {
            return self.syntax(
                path,
                Syntax {
                    wanted: Wanted::Value,
                    at: start,
                },
            );
        };
        let kinds = kinds_of(byte);
        let Some(node) = self.node(id) else {
            return self.unreadable(path, "a schema");
        };
        if node.free.holds(kinds) {
            return self.scalar(byte, start, path);
        }
        self.by_node(node, start, byte, path)
    }

    /// Checks the value that begins with `byte` at `start`.
    #[inline(never)]
    fn by_node(
        &mut self,
        node: &'r Node,
        start: usize,
        byte: u8,
        path: &Path<'_>,
    ) -> Result<usize, Stop> {
        let kinds = kinds_of(byte);
        if self.level >= DEEPEST_LEVEL {
            return self.unreadable(
                path,
                "a value that takes fewer nested alternatives to check",
            );
        }
        self.level += 1;
        let end = match Self::only_choice(node, kinds) {
            Some(choice) => self.value(choice, start, path)?,
            None => self.own(node, start, byte, kinds, path)?,
        };
        self.level -= 1;
        Ok(end)
    }

    /// A scalar about which nothing is asked.
    #[inline]
    fn scalar(&mut self, byte: u8, start: usize, path: &Path<'_>) -> Result<usize, Stop> {
        let end = match byte {
            b'"' => scan::string(self.bytes, start + 1).map(|quoted| quoted.end + 1),
            b't' => scan::literal(self.bytes, start, b"true"),
            b'f' => scan::literal(self.bytes, start, b"false"),
            b'n' => scan::literal(self.bytes, start, b"null"),
            _ => scan::number(self.bytes, start).map(|number| number.end),
        };
        end.or_else(|syntax| self.syntax(path, syntax))
    }

    /// Checks the value by the node itself.
    fn own(
        &mut self,
        node: &'r Node,
        start: usize,
        byte: u8,
        kinds: Kinds,
        path: &Path<'_>,
    ) -> Result<usize, Stop> {
        let is_wanted = node.kinds.meets(kinds);
        if !is_wanted && self.pass == Pass::Trial {
            return Err(Stop::Misfit);
        }
        let noted = self.misfits.len();
        let end = match byte {
            b'"' => self.string(node, start, path)?,
            b'{' => {
                let rules = node
                    .object
                    .as_deref()
                    .filter(|_| is_wanted)
                    .unwrap_or(&OPEN_OBJECT);
                self.enter(path)?;
                let end = self.object(rules, start, path)?;
                self.depth -= 1;
                end
            }
            b'[' => {
                let rules = node.array.as_deref().filter(|_| is_wanted);
                self.enter(path)?;
                let end = self.array(rules, start, path)?;
                self.depth -= 1;
                end
            }
            b'-' | b'0'..=b'9' => self.number(node, start, path)?,
            b't' => self.literal(start, b"true", path)?,
            b'f' => self.literal(start, b"false", path)?,
            b'n' => self.literal(start, b"null", path)?,
            _ => {
                return self.syntax(
                    path,
                    Syntax {
                        wanted: Wanted::Value,
                        at: start,
                    },
                );
            }
        };
        if !is_wanted {
            self.misfit(path, start, end, || node.kinds.describe())?;
        } else if let Some(more) = node.more.as_deref() {
            // A value that is wrong already need not be told in how many ways.
            if self.misfits.len() == noted {
                self.whole(more, kinds, start, end, path)?;
            }
        }
        Ok(end)
    }

    /// Takes bytes that are looked at again out of the budget.
    fn charge(&mut self, bytes: usize, path: &Path<'_>) -> Result<(), Stop> {
        match self.budget.checked_sub(bytes) {
            Some(budget) => {
                self.budget = budget;
                Ok(())
            }
            None => self.unreadable(path, "a value that takes fewer alternatives to check"),
        }
    }

    fn enter(&mut self, path: &Path<'_>) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > self.max_depth {
            let most = self.max_depth;
            return self.unreadable(path, format!("at most {most} levels of arrays and objects"));
        }
        Ok(())
    }

    /// The one alternative that a value of these kinds can fit, where the node is nothing but
    /// alternatives.
    fn only_choice(node: &Node, kinds: Kinds) -> Option<NodeId> {
        match &node.approach {
            Approach::Own => None,
            Approach::Choose(choices) => choices.of(kinds),
        }
    }

    fn accepts(&self, id: NodeId) -> Kinds {
        self.node(id).map_or(Kinds::NONE, |node| node.accepts)
    }

    fn array(
        &mut self,
        rules: Option<&'r ArrayRules>,
        start: usize,
        path: &Path<'_>,
    ) -> Result<usize, Stop> {
        let items = rules.map_or(NodeId::ANYTHING, |rules| rules.items);
        let mut count = 0;
        let mut at = scan::skip_space(self.bytes, start + 1);
        if self.bytes.get(at) != Some(&b']') {
            loop {
                let end = self.value(
                    items,
                    at,
                    &Path::Item {
                        of: path,
                        index: count,
                    },
                )?;
                count += 1;
                at = scan::skip_space(self.bytes, end);
                match self.bytes.get(at) {
                    Some(b',') => at += 1,
                    Some(b']') => break,
                    _ => {
                        return self.syntax(
                            path,
                            Syntax {
                                wanted: Wanted::CommaOrBracket,
                                at,
                            },
                        );
                    }
                }
            }
        }
        if let Some(rules) =
            rules.filter(|rules| !(rules.length.min..=rules.length.max).contains(&count))
        {
            self.misfit_found(
                path,
                || rules.length.describe("item"),
                || format!("{count}"),
            )?;
        }
        Ok(at + 1)
    }

    fn literal(&mut self, start: usize, literal: &[u8], path: &Path<'_>) -> Result<usize, Stop> {
        scan::literal(self.bytes, start, literal).or_else(|syntax| self.syntax(path, syntax))
    }
}

/// The rules of an object that may be anything.
static OPEN_OBJECT: ObjectRules = ObjectRules::open(Additional::Fits(NodeId::ANYTHING));

/// The kinds that a value can be of, by its first byte.
#[inline]
fn kinds_of(byte: u8) -> Kinds {
    match byte {
        b'"' => Kinds::STRING,
        b'{' => Kinds::OBJECT,
        b'[' => Kinds::ARRAY,
        b't' | b'f' => Kinds::BOOLEAN,
        b'n' => Kinds::NULL,
        b'-' | b'0'..=b'9' => Kinds::NUMBER,
        // No value starts so; whatever the schema says, the syntax is the reason.
        _ => Kinds::ALL,
    }
}
