//! The way past a value that somebody else reads: its brackets and strings, block by block, and
//! nothing else.
//!
//! What is skipped is not known to be JSON. Where it is, it ends where a strict reading ends it,
//! because both see the same brackets outside the same strings; where it is not, whoever reads it
//! says so.

use step_count::count;

use super::lanes::{BLOCK, Structure, structure};

/// How far the value has been skipped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Skip {
    /// Brackets that are open.
    open: usize,
    /// All bits are set inside a string, none outside.
    string: u64,
    /// 1 where the next byte follows a backslash, else 0.
    escaped: u64,
}

/// How far a skipped value has been passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skipped {
    /// The bytes ended before the value did.
    Partial,
    /// The value's last bracket lies before this offset.
    Ended(usize),
    TooDeep,
}

impl Skip {
    /// At the opening bracket of an object or array.
    pub(super) fn new() -> Self {
        Self {
            open: 0,
            string: 0,
            escaped: 0,
        }
    }

    /// Skips what lies from `at` on; `limit` brackets may be open at once.
    pub(super) fn advance(&mut self, bytes: &[u8], at: usize, limit: usize) -> Skipped {
        let rest = bytes.get(at..).unwrap_or_default();
        let (blocks, tail) = rest.as_chunks::<BLOCK>();
        let mut offset = at;
        for block in blocks {
            count(BLOCK);
            let skipped = self.block(&structure(block), BLOCK, offset, limit);
            if skipped != Skipped::Partial {
                return skipped;
            }
            offset += BLOCK;
        }
        if tail.is_empty() {
            return Skipped::Partial;
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
    ) -> Skipped {
        let escaped = self.escapes(structure.backslashes, length);
        let strings = running_parity(structure.quotes & !escaped) ^ self.string;
        self.string = 0_u64.wrapping_sub(strings >> (u64::BITS - 1));
        let outside = !(strings | escaped);
        let (open, close) = (structure.open & outside, structure.close & outside);
        let (opened, closed) = (open.count_ones() as usize, close.count_ones() as usize);
        // Whatever their order: the last bracket is not among them, nor one too many.
        if closed < self.open && self.open + opened <= limit {
            self.open = self.open + opened - closed;
            return Skipped::Partial;
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
    fn walk(&mut self, open: u64, close: u64, offset: usize, limit: usize) -> Skipped {
        let mut brackets = open | close;
        while brackets != 0 {
            let place = brackets.trailing_zeros();
            if open >> place & 1 == 1 {
                self.open += 1;
                if self.open > limit {
                    return Skipped::TooDeep;
                }
            } else {
                self.open = self.open.saturating_sub(1);
                if self.open == 0 {
                    return Skipped::Ended(offset + place as usize + 1);
                }
            }
            brackets &= brackets - 1;
        }
        Skipped::Partial
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

    fn check(text: &[u8], expected: Skipped) {
        for cut in 0..=text.len() {
            let mut skip = Skip::new();
            let mut skipped = skip.advance(&text[..cut], 0, DEEP);
            if skipped == Skipped::Partial {
                skipped = skip.advance(text, cut, DEEP);
            }
            assert_eq!(skipped, expected, "{} at {cut}", text.escape_ascii());
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
                check(padded.as_bytes(), Skipped::Ended(padded.len()));
                check(
                    format!("{padded},\"x\":{{}}}}").as_bytes(),
                    Skipped::Ended(padded.len()),
                );
                check(&padded.as_bytes()[..padded.len() - 1], Skipped::Partial);
            }
        }
    }

    #[test]
    fn it_takes_strings_and_backslashes_of_any_length() {
        for length in 0..200 {
            let text = format!(r#"{{"{}":"]"}}"#, r"\\".repeat(length));
            check(text.as_bytes(), Skipped::Ended(text.len()));
            let text = format!(r#"{{"{}\"}}":1}}"#, "x".repeat(length));
            check(text.as_bytes(), Skipped::Ended(text.len()));
        }
    }

    #[test]
    fn it_goes_as_deep_as_it_may() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        for depth in 1..200 {
            let text = nested(depth);
            let skipped = |limit| Skip::new().advance(text.as_bytes(), 0, limit);
            assert_eq!(skipped(depth), Skipped::Ended(text.len()));
            assert_eq!(skipped(depth - 1), Skipped::TooDeep);
        }
    }
}
