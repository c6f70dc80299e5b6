//! How far a body is UTF-8.

use step_count::count;

use super::EndOfBody;
use super::lanes::{ROW, is_ascii};

/// The part of a body that is known to be UTF-8, as an offset from its start.
#[derive(Debug, Default)]
pub(super) struct Utf8Prefix {
    end: usize,
    /// How far the body has been looked at, and what lies between `end` and there.
    looked_at: usize,
    tail: Tail,
}

/// The part of the bytes at hand that is UTF-8, and how the rest begins.
pub(super) struct Valid {
    /// Offset into what is buffered.
    pub(super) end: usize,
    tail: Tail,
}

#[derive(Debug, Default, Clone, Copy)]
enum Tail {
    #[default]
    Nothing,
    /// The beginning of a character, whose rest may come.
    Begun,
    Broken,
}

impl Utf8Prefix {
    /// Where what is known to be UTF-8 ends, as an offset from the start of the body.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Looks at what was added to `buffered`, whose first byte is at offset `buffered_from` of the
    /// body.
    pub(super) fn advance(&mut self, buffered: &[u8], buffered_from: usize) -> Valid {
        let known = self.end.saturating_sub(buffered_from);
        if self.looked_at == buffered_from + buffered.len() {
            let tail = self.tail;
            return Valid { end: known, tail };
        }
        let ascii_end = known + ascii_blocks(buffered.get(known..).unwrap_or_default());
        let rest = buffered.get(ascii_end..).unwrap_or_default();
        count(ascii_end - known);
        count(rest.len());
        let (length, tail) = if rest.is_ascii() {
            (rest.len(), Tail::Nothing)
        } else {
            match std::str::from_utf8(rest) {
                Ok(_) => (rest.len(), Tail::Nothing),
                Err(error) if error.error_len().is_some() => (error.valid_up_to(), Tail::Broken),
                Err(error) => (error.valid_up_to(), Tail::Begun),
            }
        };
        let end = ascii_end + length;
        self.end = buffered_from + end;
        self.looked_at = buffered_from + buffered.len();
        self.tail = tail;
        Valid { end, tail }
    }
}

impl Valid {
    /// Where the bytes stop being UTF-8, if nothing that follows can mend them.
    pub(super) fn broken_at(&self, end: EndOfBody) -> Option<usize> {
        match (&self.tail, end) {
            (Tail::Broken, _) | (Tail::Begun, EndOfBody::Reached) => Some(self.end),
            _ => None,
        }
    }
}

/// The length of the whole blocks at the start of `bytes` that are ASCII.
fn ascii_blocks(bytes: &[u8]) -> usize {
    let (rows, _) = bytes.as_chunks::<ROW>();
    let (blocks, _) = rows.as_chunks::<4>();
    blocks.iter().take_while(|block| is_ascii(block)).count() * 4 * ROW
}
