//! The fast path through strings.

use step_count::count;

use super::lanes::{ROW, special_bytes};

/// The offset, from `from` on, of the first byte that is not plain text inside a string (a quote, a
/// backslash or a control character), or the end of `bytes`.
#[inline]
pub(super) fn end_of_plain_text(bytes: &[u8], from: usize) -> usize {
    let mut rest = bytes.get(from..).unwrap_or_default();
    while let Some((row, after)) = rest.split_first_chunk::<ROW>() {
        count(ROW);
        let special = special_bytes(row);
        if special != 0 {
            return bytes.len() - rest.len() + special.trailing_zeros() as usize;
        }
        rest = after;
    }
    let special = rest
        .iter()
        .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\');
    let plain = special.unwrap_or(rest.len());
    count(plain);
    bytes.len() - rest.len() + plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_each_special_byte_at_each_offset() {
        for special in [b'"', b'\\', 0, 0x1f] {
            for offset in 0..100 {
                let mut bytes = vec![b'x'; 120];
                bytes[3 + offset] = special;
                assert_eq!(end_of_plain_text(&bytes, 3), 3 + offset);
            }
        }
    }

    #[test]
    fn it_stops_at_the_end_of_the_bytes() {
        for length in 0..100 {
            assert_eq!(end_of_plain_text(&vec![0x7f; length], 0), length);
            assert_eq!(end_of_plain_text(&vec![0xff; length], length), length);
        }
    }
}
