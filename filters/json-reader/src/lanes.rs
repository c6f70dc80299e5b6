//! Questions about sixteen bytes at once: by vector instructions in the filter, by words elsewhere.

/// How many bytes a row has.
pub(crate) const ROW: usize = 16;

/// One bit for each byte of a row, the lowest for the first: set where a byte is a quote, a
/// backslash, a control character, or no ASCII if `BEYOND_ASCII` is to be found, too. Right up to
/// the first that is set; above it, bits may be set for nothing.
#[inline(always)]
pub(crate) fn special_bytes<const BEYOND_ASCII: bool>(row: &[u8; ROW]) -> u32 {
    imp::special_bytes::<BEYOND_ASCII>(row)
}

/// How many bytes a block has: four rows.
pub(crate) const BLOCK: usize = 4 * ROW;

/// Where in a block the bytes are that give JSON its structure: one bit for each byte, the lowest
/// for the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Structure {
    pub(crate) quotes: u64,
    pub(crate) backslashes: u64,
    /// The places of `{` and `[`.
    pub(crate) open: u64,
    /// The places of `}` and `]`.
    pub(crate) close: u64,
}

/// The structure of a block.
#[inline(always)]
pub(crate) fn structure(block: &[u8; BLOCK]) -> Structure {
    let (rows, _) = block.as_chunks::<ROW>();
    let mut all = Structure::default();
    for (row, shift) in rows.iter().zip([0, 16, 32, 48]) {
        let row = imp::structure(row);
        all.quotes |= row.quotes << shift;
        all.backslashes |= row.backslashes << shift;
        all.open |= row.open << shift;
        all.close |= row.close << shift;
    }
    all
}

/// Braces and brackets differ in this bit only.
const BRACE: u8 = b'{' ^ b'[';

/// Whether all bytes of a block are ASCII.
#[inline]
pub(crate) fn is_ascii(rows: &[[u8; ROW]; 4]) -> bool {
    imp::is_ascii(rows)
}

#[cfg(target_feature = "simd128")]
mod imp {
    use std::arch::wasm32::{
        i8x16_lt, i8x16_splat, u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, u64x2, v128, v128_or,
    };

    use super::{BRACE, ROW, Structure};

    #[inline]
    fn load(row: &[u8; ROW]) -> v128 {
        let whole = u128::from_le_bytes(*row);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        u64x2(whole as u64, (whole >> 64) as u64)
    }

    #[inline(always)]
    pub(crate) fn special_bytes<const BEYOND_ASCII: bool>(row: &[u8; ROW]) -> u32 {
        let row = load(row);
        let quote = u8x16_eq(row, u8x16_splat(b'"'));
        let backslash = u8x16_eq(row, u8x16_splat(b'\\'));
        // With a sign, what is beyond ASCII is below zero.
        let control = if BEYOND_ASCII {
            i8x16_lt(row, i8x16_splat(0x20))
        } else {
            u8x16_lt(row, u8x16_splat(0x20))
        };
        u8x16_bitmask(v128_or(control, v128_or(quote, backslash))).into()
    }

    #[inline(always)]
    pub(crate) fn structure(row: &[u8; ROW]) -> Structure {
        let row = load(row);
        let braced = v128_or(row, u8x16_splat(BRACE));
        let places = |row, byte| u64::from(u8x16_bitmask(u8x16_eq(row, u8x16_splat(byte))));
        Structure {
            quotes: places(row, b'"'),
            backslashes: places(row, b'\\'),
            open: places(braced, b'{'),
            close: places(braced, b'}'),
        }
    }

    #[inline]
    pub(crate) fn is_ascii([a, b, c, d]: &[[u8; ROW]; 4]) -> bool {
        u8x16_bitmask(v128_or(
            v128_or(load(a), load(b)),
            v128_or(load(c), load(d)),
        )) == 0
    }
}

#[cfg(not(target_feature = "simd128"))]
mod imp {
    use super::{BRACE, ROW, Structure};

    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES * 0x80;

    #[inline]
    fn halves(row: &[u8; ROW]) -> [u64; 2] {
        let whole = u128::from_le_bytes(*row);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        [whole as u64, (whole >> 64) as u64]
    }

    /// The high bit of each byte that is special, up to and including the first.
    #[inline(always)]
    fn special_in_word<const BEYOND_ASCII: bool>(word: u64) -> u64 {
        let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word;
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let beyond = if BEYOND_ASCII { word } else { 0 };
        let marks = zero_bytes(word ^ (ONES * 0x22)) | zero_bytes(word ^ (ONES * 0x5c));
        (control | beyond | marks) & HIGH
    }

    #[inline(always)]
    pub(crate) fn special_bytes<const BEYOND_ASCII: bool>(row: &[u8; ROW]) -> u32 {
        let [low, high] = halves(row);
        let first_bit = |word: u64, offset: u32| 1 << (offset + word.trailing_zeros() / 8);
        // Most strings are short.
        match special_in_word::<BEYOND_ASCII>(low) {
            0 => match special_in_word::<BEYOND_ASCII>(high) {
                0 => 0,
                high => first_bit(high, 8),
            },
            low => first_bit(low, 0),
        }
    }

    /// One bit for each byte of a word that is `byte`.
    #[inline(always)]
    fn places(word: u64, byte: u8) -> u64 {
        let different = word ^ (ONES * u64::from(byte));
        let nonzero = ((different & !HIGH) + !HIGH) | different;
        // Each byte's answer lies in its lowest bit; the product puts the eight of them next to
        // each other.
        ((!nonzero & HIGH) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    }

    #[inline(always)]
    pub(crate) fn structure(row: &[u8; ROW]) -> Structure {
        let [low, high] = halves(row);
        let both = |low, high, byte| places(low, byte) | places(high, byte) << 8;
        let brace = ONES * u64::from(BRACE);
        let (low_braced, high_braced) = (low | brace, high | brace);
        Structure {
            quotes: both(low, high, b'"'),
            backslashes: both(low, high, b'\\'),
            open: both(low_braced, high_braced, b'{'),
            close: both(low_braced, high_braced, b'}'),
        }
    }

    #[inline]
    pub(crate) fn is_ascii(rows: &[[u8; ROW]; 4]) -> bool {
        rows.as_flattened().is_ascii()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_first_special_byte_of_a_row() {
        let plain = [b'x', 0x20, 0x7f, b'!', b'#', b'[', b']'];
        let beyond = [0x80, 0xff, 0xa2, 0xdc];
        for filling in plain.into_iter().chain(beyond) {
            assert_eq!(special_bytes::<false>(&[filling; ROW]), 0, "{filling:#x}");
            let first = u32::from(beyond.contains(&filling));
            assert_eq!(
                special_bytes::<true>(&[filling; ROW]) & 1,
                first,
                "{filling:#x}"
            );
        }
        let special = [b'"', b'\\', 0, 0x1f];
        for filling in plain {
            for special in special.into_iter().chain(beyond) {
                for place in 0..ROW {
                    let mut row = [filling; ROW];
                    row[place..].fill(special);
                    let found = special_bytes::<true>(&row).trailing_zeros() as usize;
                    assert_eq!(found, place);
                }
            }
        }
        for filling in plain.into_iter().chain(beyond) {
            for special in special {
                for place in 0..ROW {
                    let mut row = [filling; ROW];
                    row[place..].fill(special);
                    let found = special_bytes::<false>(&row).trailing_zeros() as usize;
                    assert_eq!(found, place);
                }
            }
        }
    }

    #[test]
    fn it_finds_every_byte_of_a_blocks_structure() {
        for byte in 0..=u8::MAX {
            for place in 0..BLOCK {
                let mut block = [b'x'; BLOCK];
                block[place] = byte;
                block[BLOCK - 1 - place] = byte;
                let bits = 1 << place | 1 << (BLOCK - 1 - place);
                let only = |these: &[u8]| if these.contains(&byte) { bits } else { 0 };
                assert_eq!(
                    structure(&block),
                    Structure {
                        quotes: only(b"\""),
                        backslashes: only(b"\\"),
                        open: only(b"{["),
                        close: only(b"}]"),
                    }
                );
            }
        }
    }

    #[test]
    fn it_knows_ascii() {
        assert!(is_ascii(&[[0x7f; ROW]; 4]));
        for place in 0..4 * ROW {
            let mut rows = [[0; ROW]; 4];
            rows.as_flattened_mut()[place] = 0x80;
            assert!(!is_ascii(&rows));
        }
    }
}
