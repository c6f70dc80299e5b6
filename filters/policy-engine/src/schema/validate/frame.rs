//! An array or object that is open, and the way to a value through all of them.

use json_reader::{Input, Text};

use super::Validation;
use crate::schema::keys::KeyFrame;
use crate::schema::tree::NodeId;
use crate::schema::violation::{decoded_beginning, push_segment, shorten_pointer};

/// An array or object that is open.
#[derive(Debug)]
pub(super) struct Frame {
    /// Offset of its bracket.
    pub(super) start: usize,
    /// The node by which it is judged.
    pub(super) node: NodeId,
    /// Whether the node wants a value of its kind; if not, its rules mean nothing.
    pub(super) is_wanted: bool,
    /// How many misfits had been noted before it.
    pub(super) noted: usize,
    pub(super) inside: Inside,
}

/// The inside of an array or object.
#[derive(Debug)]
pub(super) enum Inside {
    Array { items: NodeId, count: u64 },
    Object(Members),
}

/// The members that an object has had.
#[derive(Debug)]
pub(super) struct Members {
    /// The key of the last member.
    pub(super) key: Text,
    pub(super) keys: KeyFrame,
    pub(super) seen: Seen,
}

impl Validation {
    /// The path to what is inside of the outermost `frames` as a JSON Pointer.
    pub(super) fn pointer(&self, input: Input<'_>, frames: usize) -> String {
        let mut pointer = String::new();
        for frame in self.frames.iter().take(frames) {
            match &frame.inside {
                Inside::Array { count, .. } => {
                    push_segment(&mut pointer, count.to_string().as_bytes());
                }
                Inside::Object(Members { key, .. }) => {
                    let raw = input.slice(key.start, key.end);
                    push_segment(&mut pointer, &decoded_beginning(raw, key.escaped));
                }
            }
        }
        shorten_pointer(&pointer)
    }
}

/// Which of the listed properties an object has had.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) first: u64,
    /// Those from the 65th on; no memory is taken where there are none.
    rest: Vec<u64>,
    /// The one behind the last: keys often come in the schema's order.
    pub(super) next: usize,
}

#[derive(PartialEq, Eq)]
pub(super) enum Sight {
    First,
    Again,
}

impl Seen {
    /// As [`Self::add`], for one of the first 64; of others it says that they came before.
    #[inline(always)]
    pub(super) fn add_early(&mut self, number: usize) -> Sight {
        let bit = 1_u64 << (number % 64);
        if number >= 64 || self.first & bit != 0 {
            return Sight::Again;
        }
        self.first |= bit;
        self.next = number + 1;
        Sight::First
    }

    /// How many words more it takes to note that one.
    pub(super) fn growth(&self, number: usize) -> usize {
        (number / 64).saturating_sub(self.rest.len())
    }

    pub(super) fn add(&mut self, number: usize) -> Sight {
        self.next = number + 1;
        let bit = 1 << (number % 64);
        let word = match (number / 64).checked_sub(1) {
            None => &mut self.first,
            Some(place) => {
                if self.rest.len() <= place {
                    self.rest.resize(place + 1, 0);
                }
                match self.rest.get_mut(place) {
                    Some(word) => word,
                    None => return Sight::Again,
                }
            }
        };
        let sight = if *word & bit == 0 {
            Sight::First
        } else {
            Sight::Again
        };
        *word |= bit;
        sight
    }

    pub(super) fn has(&self, number: usize) -> bool {
        let word = match number / 64 {
            0 => self.first,
            word => self.rest.get(word - 1).copied().unwrap_or(0),
        };
        word & 1 << (number % 64) != 0
    }
}
