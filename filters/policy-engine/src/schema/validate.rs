//! A schema's judge listens to the reader of JSON: no tree of the instance, no second grammar, and
//! nothing allocated where all is well and the keys are the schema's.
//!
//! The first pass over a value is the reader's own. It checks that every key comes once, and the
//! rules that need no look back. Alternatives and the like then go over the value's bytes again, as
//! often as the schema has them, within a budget: the reader is sent back to where the value begins
//! ([`Replay`]). Nothing recurses, so no instance is too deep for the stack.

mod found;
mod frame;
mod judge;
mod noting;
mod object;
mod replay;
mod scalars;

use json_reader::{Fault, Halt, Input, Misplaced, Scanner, Wanted};
use smallvec::SmallVec;

use super::keys::Keys;
use super::tree::{Kinds, NodeId, Tree};
use super::violation::Violation;
use super::{Invalid, MAX_DEPTH};
use frame::Frame;
use judge::Judge;
use replay::{Ended, Replay};

pub(super) fn validate(tree: &Tree, bytes: &[u8], max_depth: u32) -> Result<(), Invalid> {
    let mut scanner = Scanner::new(max_depth.min(MAX_DEPTH) as usize);
    let mut validation = Validation::new(tree);
    let input = Input::new(bytes, 0);
    let progress = validation.read_on(tree, &mut scanner, input, MoreBytes::None);
    // Behind the value nothing may follow.
    let read = match progress {
        CheckProgress::Failed | CheckProgress::Declined => Ok(()),
        CheckProgress::Partial | CheckProgress::Ended => scanner.read_to_end(input, &mut ()),
    };
    if read.is_err() || progress == CheckProgress::Failed {
        validation.note_fault(&scanner, input);
    }
    validation.into_outcome()
}

/// How often, on average, alternatives and comparisons may look at each byte again: more than
/// schemas that people write need, few enough that a body of 1 MiB holds a worker for a fraction of
/// a second. Whatever takes longer than reading bytes is counted as so many of them.
const REPLAYS: usize = 32;
/// Besides, this many bytes may be looked at again, so that small bodies never feel the budget.
const FREE_BYTES: usize = 1024 * 1024;

/// A look at a value takes as long as reading so many bytes more of it, however short it is: the
/// reader is sent to it, and the judge begins anew.
const LOOK: usize = 16;

/// How many values and alternatives may be open together: what bounds the memory.
const DEEPEST_LEVEL: usize = 2 * MAX_DEPTH as usize + 64;

/// So many arrays and objects are open in most calls.
const FEW_OPEN: usize = 4;

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

/// Why the judge stops the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    /// An alternative that was tried does not fit.
    Misfit,
    /// The instance is not to be read; the reason is noted.
    Unreadable,
    /// A value has ended that must be looked at again.
    Whole(Ended),
    /// The value that is judged has ended.
    Ended,
}

/// The judge has stopped the reader, and noted why.
#[derive(Clone, Copy, Debug)]
struct Halted;

/// Whether more bytes may follow those at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MoreBytes {
    MayCome,
    None,
}

/// How far a value has been read and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckProgress {
    /// To the end of the bytes at hand.
    Partial,
    /// To the end of the value, behind which the reader stands.
    Ended,
    /// Not everyone would read it alike; the rest is only to be read.
    Declined,
    /// It is no JSON, or nests too deep: the reader says why.
    Failed,
}

/// The check of one value by one schema, as far as its bytes have come: begun by
/// [`Schema::begin`](super::Schema::begin), continued by
/// [`Schema::read_on`](super::Schema::read_on).
#[derive(Debug)]
pub struct Validation {
    /// Offset of the first byte, once it is known.
    start: Option<usize>,
    pass: Pass,
    /// The node by which the value is judged that comes next.
    next: NodeId,
    /// The node by which the scalar is judged that is being read; none where nothing is asked.
    scalar: Option<(NodeId, Kinds)>,
    /// The arrays and objects that are open.
    frames: SmallVec<[Frame; FEW_OPEN]>,
    /// How many were open around the value that is judged in this pass.
    outside: usize,
    /// The values that are looked at again, each inside of the one before.
    replays: Vec<Replay>,
    keys: Keys,
    misfits: Vec<Violation>,
    unreadable: Option<Violation>,
    /// Bytes that have been looked at again.
    looked_again: usize,
    stopped: Stopped,
    progress: CheckProgress,
}

impl Validation {
    pub(super) fn new(tree: &Tree) -> Self {
        Self {
            start: None,
            pass: Pass::First,
            next: tree.root,
            scalar: None,
            frames: SmallVec::new(),
            outside: 0,
            replays: Vec::new(),
            keys: Keys::default(),
            misfits: Vec::new(),
            unreadable: None,
            looked_again: 0,
            stopped: Stopped::Ended,
            progress: CheckProgress::Partial,
        }
    }

    /// Lets the reader, which stands before the value or inside of it, read on, and judges what it
    /// tells. The bytes of the value that have been read must stay at hand.
    pub(super) fn read_on(
        &mut self,
        tree: &Tree,
        scanner: &mut Scanner,
        input: Input<'_>,
        more: MoreBytes,
    ) -> CheckProgress {
        self.start.get_or_insert(scanner.at());
        while self.progress == CheckProgress::Partial {
            let mut judge = Judge { tree, state: self };
            let read = scanner.scan(input, &mut judge);
            let read = match read {
                // What is looked at again is all there, and so is what nothing follows.
                Ok(()) if more == MoreBytes::None || self.is_looking_again() => {
                    let mut judge = Judge { tree, state: self };
                    scanner.finish(input, &mut judge)
                }
                Ok(()) => break,
                halted => halted,
            };
            match read {
                Ok(()) => break,
                Err(Halt::Fault) => self.progress = CheckProgress::Failed,
                Err(Halt::Sink) => self.go_on(tree, scanner, input),
            }
        }
        self.progress
    }

    /// Whether the value has been checked to its end, or need not be.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(
            self.progress,
            CheckProgress::Ended | CheckProgress::Declined
        )
    }

    /// Ends the check.
    ///
    /// # Errors
    /// What is wrong with the value; one that has not been read to its end is not in order.
    pub fn into_outcome(self) -> Result<(), Invalid> {
        match (self.progress, self.unreadable) {
            (_, Some(unreadable)) => Err(Invalid::Unreadable(unreadable)),
            (CheckProgress::Ended, None) if self.misfits.is_empty() => Ok(()),
            (CheckProgress::Ended, None) => Err(Invalid::Misfit(self.misfits)),
            _ => Err(Invalid::Unreadable(unexplained())),
        }
    }

    /// Notes why the reader cannot read the instance.
    #[cold]
    fn note_fault(&mut self, scanner: &Scanner, input: Input<'_>) {
        let (inside, expected) = match scanner.fault() {
            Some(Fault::NotJson { instead, .. }) => {
                (is_of_value(instead, scanner), instead.to_string())
            }
            // The judge has been told of the array or object that is one too many.
            Some(Fault::TooDeep) | None => {
                let most = scanner.depth();
                (
                    false,
                    format!("at most {most} levels of arrays and objects"),
                )
            }
        };
        let frames = if inside {
            self.frames.len()
        } else {
            self.frames.len().saturating_sub(1)
        };
        self.unreadable = Some(Violation {
            pointer: self.pointer(input, frames),
            expected,
            found: None,
        });
    }
}

/// Whether what is wrong is a value, and not what stands between the members of the object or array
/// around it.
fn is_of_value(instead: Misplaced, scanner: &Scanner) -> bool {
    match instead.wanted {
        Wanted::Key | Wanted::CommaOrBrace | Wanted::CommaOrBracket => false,
        _ => !scanner.is_inside_key(),
    }
}

/// The kinds that a value can be of, by its first byte.
#[inline(always)]
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
