//! Questions about sixteen bytes at once: by vector instructions in the filter, by words elsewhere.

/// How many bytes a row has.
pub(super) const ROW: usize = 16;

/// One bit for each byte of a row, the lowest for the first: set where a byte is a quote, a backslash or a control
/// character. Right up to the first that is set; above it, bits may be set for nothing.
#[inline]
pub(super) fn special_bytes(row: &[u8; ROW]) -> u32 {
    imp::special_bytes(row)
}

/// Whether all bytes of a block are ASCII.
#[inline]
pub(super) fn is_ascii(rows: &[[u8; ROW]; 4]) -> bool {
    imp::is_ascii(rows)
}

#[cfg(target_feature = "simd128")]
mod imp {
    use std::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, u64x2, v128, v128_or};

    use super::ROW;

    #[inline]
    fn load(row: &[u8; ROW]) -> v128 {
        let whole = u128::from_le_bytes(*row);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        u64x2(whole as u64, (whole >> 64) as u64)
    }

    #[inline]
    pub(super) fn special_bytes(row: &[u8; ROW]) -> u32 {
        let row = load(row);
        let quote = u8x16_eq(row, u8x16_splat(b'"'));
        let backslash = u8x16_eq(row, u8x16_splat(b'\\'));
        let control = u8x16_lt(row, u8x16_splat(0x20));
        u8x16_bitmask(v128_or(control, v128_or(quote, backslash))).into()
    }

    #[inline]
    pub(super) fn is_ascii([a, b, c, d]: &[[u8; ROW]; 4]) -> bool {
        u8x16_bitmask(v128_or(
            v128_or(load(a), load(b)),
            v128_or(load(c), load(d)),
        )) == 0
    }
}

#[cfg(not(target_feature = "simd128"))]
mod imp {
    use super::ROW;

    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES * 0x80;

    #[inline]
    fn halves(row: &[u8; ROW]) -> [u64; 2] {
        let whole = u128::from_le_bytes(*row);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        [whole as u64, (whole >> 64) as u64]
    }

    /// The high bit of each byte that is special, up to and including the first.
    #[inline]
    fn special_in_word(word: u64) -> u64 {
        let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word;
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        (control | zero_bytes(word ^ (ONES * 0x22)) | zero_bytes(word ^ (ONES * 0x5c))) & HIGH
    }

    #[inline]
    pub(super) fn special_bytes(row: &[u8; ROW]) -> u32 {
        let [low, high] = halves(row).map(special_in_word);
        let first_bit = |word: u64, offset: u32| 1 << (offset + word.trailing_zeros() / 8);
        match (low, high) {
            (0, 0) => 0,
            (0, high) => first_bit(high, 8),
            (low, _) => first_bit(low, 0),
        }
    }

    #[inline]
    pub(super) fn is_ascii(rows: &[[u8; ROW]; 4]) -> bool {
        rows.as_flattened().is_ascii()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_first_special_byte_of_a_row() {
        for filling in [b'x', 0x20, 0x7f, 0x80, 0xff, b'!', b'#', b'[', b']'] {
            assert_eq!(special_bytes(&[filling; ROW]), 0, "{filling:#x}");
            for special in [b'"', b'\\', 0, 0x1f] {
                for place in 0..ROW {
                    let mut row = [filling; ROW];
                    row[place..].fill(special);
                    assert_eq!(special_bytes(&row).trailing_zeros() as usize, place);
                }
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
