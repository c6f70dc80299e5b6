//! How far bytes are UTF-8 that are passed by their brackets alone.

use step_count::count;

use crate::lanes::{ROW, is_ascii};
use crate::sink::Input;

/// The part of a text that is known to be UTF-8, from an offset on.
#[derive(Debug)]
pub(crate) struct Utf8Prefix {
    end: usize,
    /// How far the text has been looked at, and what lies between `end` and there.
    looked_at: usize,
    tail: Tail,
}

/// The part of the bytes at hand that is UTF-8, and how the rest begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Valid {
    /// Offset from the start of the text.
    pub(crate) end: usize,
    /// The kind of bytes that lie behind.
    pub(crate) tail: Tail,
}

/// The bytes that lie behind those that are UTF-8.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing is there so far.
    #[default]
    Nothing,
    /// The beginning of a character, whose rest may come.
    Begun,
    /// Bytes that begin no character.
    Broken,
}

impl Utf8Prefix {
    /// Begins at this offset of a text.
    pub(crate) fn from(start: usize) -> Self {
        Self {
            end: start,
            looked_at: start,
            tail: Tail::Nothing,
        }
    }

    /// Looks at what was added to the bytes at hand.
    pub(crate) fn advance(&mut self, input: Input<'_>) -> Valid {
        if self.looked_at < input.end() {
            let rest = input.bytes.get(self.end.saturating_sub(input.base)..);
            self.look_at(rest.unwrap_or_default());
            self.looked_at = input.end();
        }
        Valid {
            end: self.end,
            tail: self.tail,
        }
    }

    fn look_at(&mut self, bytes: &[u8]) {
        let ascii = ascii_blocks(bytes);
        let rest = bytes.get(ascii..).unwrap_or_default();
        count(bytes.len());
        let (length, tail) = if rest.is_ascii() {
            (rest.len(), Tail::Nothing)
        } else {
            match std::str::from_utf8(rest) {
                Ok(_) => (rest.len(), Tail::Nothing),
                Err(error) if error.error_len().is_some() => (error.valid_up_to(), Tail::Broken),
                Err(error) => (error.valid_up_to(), Tail::Begun),
            }
        };
        self.end += ascii + length;
        self.tail = tail;
    }
}

/// The length of the whole blocks at the start of `bytes` that are ASCII.
fn ascii_blocks(bytes: &[u8]) -> usize {
    let (rows, _) = bytes.as_chunks::<ROW>();
    let (blocks, _) = rows.as_chunks::<4>();
    blocks.iter().take_while(|block| is_ascii(block)).count() * 4 * ROW
}
