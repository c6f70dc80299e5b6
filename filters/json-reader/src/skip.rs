//! The way past a value that somebody else reads: its brackets and strings, block by block, and
//! nothing else.
//!
//! What is skipped is not known to be JSON. Where it is, it ends where a strict reading ends it,
//! because both see the same brackets outside the same strings; where it is not, whoever reads it
//! says so.

use step_count::count;

use crate::lanes::{BLOCK, Structure, structure};
use crate::sink::Input;
use crate::utf8::{Tail, Utf8Prefix};

/// Passes an object or array for somebody who reads it later. Its end is where a strict reader
/// finds it, and its depth and its UTF-8 are seen to; whether it is JSON, is not.
#[derive(Debug)]
pub struct Skip {
    /// Offset of the next byte to look at.
    at: usize,
    utf8: Utf8Prefix,
    brackets: Brackets,
}

impl Skip {
    /// At an opening bracket, at this offset of the text.
    #[must_use]
    pub fn from(start: usize) -> Self {
        Self {
            at: start,
            utf8: Utf8Prefix::from(start),
            brackets: Brackets::new(),
        }
    }

    /// Offset of the next byte to look at.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Goes on through the bytes at hand; `limit` brackets may be open at once.
    pub fn advance(&mut self, input: Input<'_>, limit: usize) -> Skipped {
        let valid = self.utf8.advance(input);
        let readable = input.bytes.get(..valid.end.saturating_sub(input.base));
        let at = self.at.saturating_sub(input.base);
        let passed = self
            .brackets
            .advance(readable.unwrap_or_default(), at, limit);
        self.at = valid.end;
        match (passed, valid.tail) {
            (Passed::TooDeep, _) => Skipped::TooDeep,
            (Passed::Ended(end), _) => Skipped::Ended(input.base + end),
            (Passed::Partial, Tail::Broken) => Skipped::Broken(valid.end),
            (Passed::Partial, _) => Skipped::Partial,
        }
    }
}

/// How far a skipped value has been passed, in offsets from the start of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// The bytes ended before the value did.
    Partial,
    /// The value's last bracket lies before this offset.
    Ended(usize),
    /// More objects and arrays are open than may be.
    TooDeep,
    /// The bytes from this offset on are not UTF-8.
    Broken(usize),
}

/// The brackets of a value, as far as they have been passed.
#[derive(Debug, Clone, Copy)]
struct Brackets {
    /// Brackets that are open.
    open: usize,
    /// All bits are set inside a string, none outside.
    string: u64,
    /// 1 where the next byte follows a backslash, else 0.
    escaped: u64,
}

/// How far brackets have been passed, in offsets into the bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passed {
    Partial,
    Ended(usize),
    TooDeep,
}

impl Brackets {
    /// At the opening bracket of an object or array.
    fn new() -> Self {
        Self {
            open: 0,
            string: 0,
            escaped: 0,
        }
    }

    /// Skips what lies from `at` on; `limit` brackets may be open at once.
    fn advance(&mut self, bytes: &[u8], at: usize, limit: usize) -> Passed {
        let rest = bytes.get(at..).unwrap_or_default();
        let (blocks, tail) = rest.as_chunks::<BLOCK>();
        let mut offset = at;
        for block in blocks {
            count(BLOCK);
            let passed = self.block(&structure(block), BLOCK, offset, limit);
            if passed != Passed::Partial {
                return passed;
            }
            offset += BLOCK;
        }
        if tail.is_empty() {
            return Passed::Partial;
        }
        count(tail.len());
        // Spaces open and close nothing.
        let mut block = [b' '; BLOCK];
        for (place, byte) in block.iter_mut().zip(tail) {
            *place = *byte;
        }
        self.block(&structure(&block), tail.len(), offset, limit)
    }

    #[inline(always)]
    fn block(
        &mut self,
        structure: &Structure,
        length: usize,
        offset: usize,
        limit: usize,
    ) -> Passed {
        let escaped = self.escapes(structure.backslashes, length);
        let strings = running_parity(structure.quotes & !escaped) ^ self.string;
        self.string = 0_u64.wrapping_sub(strings >> (u64::BITS - 1));
        let outside = !(strings | escaped);
        let (open, close) = (structure.open & outside, structure.close & outside);
        let (opened, closed) = (open.count_ones() as usize, close.count_ones() as usize);
        // Whatever their order: the last bracket is not among them, nor one too many.
        if closed < self.open && self.open + opened <= limit {
            self.open = self.open + opened - closed;
            return Passed::Partial;
        }
        self.walk(open, close, offset, limit)
    }

    /// The bytes that follow a backslash which does not follow one itself.
    #[inline(always)]
    fn escapes(&mut self, backslashes: u64, length: usize) -> u64 {
        let mut escaped = self.escaped;
        self.escaped = 0;
        if backslashes == 0 {
            return escaped;
        }
        let mut rest = backslashes & !escaped;
        while rest != 0 {
            let place = rest.trailing_zeros();
            let follower = 2_u64.wrapping_shl(place) & !1;
            if place as usize + 1 == length {
                self.escaped = 1;
            }
            escaped |= follower;
            rest &= rest - 1;
            rest &= !follower;
        }
        escaped
    }

    /// Goes from bracket to bracket, where the value may end or be too deep.
    #[inline(never)]
    fn walk(&mut self, open: u64, close: u64, offset: usize, limit: usize) -> Passed {
        let mut brackets = open | close;
        while brackets != 0 {
            let place = brackets.trailing_zeros();
            if open >> place & 1 == 1 {
                self.open += 1;
                if self.open > limit {
                    return Passed::TooDeep;
                }
            } else {
                self.open = self.open.saturating_sub(1);
                if self.open == 0 {
                    return Passed::Ended(offset + place as usize + 1);
                }
            }
            brackets &= brackets - 1;
        }
        Passed::Partial
    }
}

/// For each bit, whether the number of bits set up to and with it is odd.
#[inline(always)]
fn running_parity(bits: u64) -> u64 {
    let mut parity = bits;
    for shift in [1, 2, 4, 8, 16, 32] {
        parity ^= parity << shift;
    }
    parity
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEEP: usize = 1000;

    fn check(text: &[u8], expected: Passed) {
        for cut in 0..=text.len() {
            let mut brackets = Brackets::new();
            let mut passed = brackets.advance(&text[..cut], 0, DEEP);
            if passed == Passed::Partial {
                passed = brackets.advance(text, cut, DEEP);
            }
            assert_eq!(passed, expected, "{} at {cut}", text.escape_ascii());
        }
    }

    #[test]
    fn it_ends_where_the_value_ends() {
        for text in [
            "{}",
            "[]",
            r#"{"a":[1,{"b":{}}]}"#,
            r#"{"}":"]","\"}":"\\"}"#,
            r#"["\\\"]","\\","]"]"#,
        ] {
            for padding in 0..140 {
                let open = &text[..1];
                let padded = format!("{open}{}{}", " ".repeat(padding), &text[1..]);
                check(padded.as_bytes(), Passed::Ended(padded.len()));
                check(
                    format!("{padded},\"x\":{{}}}}").as_bytes(),
                    Passed::Ended(padded.len()),
                );
                check(&padded.as_bytes()[..padded.len() - 1], Passed::Partial);
            }
        }
    }

    #[test]
    fn it_takes_strings_and_backslashes_of_any_length() {
        for length in 0..200 {
            let text = format!(r#"{{"{}":"]"}}"#, r"\\".repeat(length));
            check(text.as_bytes(), Passed::Ended(text.len()));
            let text = format!(r#"{{"{}\"}}":1}}"#, "x".repeat(length));
            check(text.as_bytes(), Passed::Ended(text.len()));
        }
    }

    #[test]
    fn it_goes_as_deep_as_it_may() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        for depth in 1..200 {
            let text = nested(depth);
            let passed = |limit| Brackets::new().advance(text.as_bytes(), 0, limit);
            assert_eq!(passed(depth), Passed::Ended(text.len()));
            assert_eq!(passed(depth - 1), Passed::TooDeep);
        }
    }
}
