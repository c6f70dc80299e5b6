//! The fast path through strings, which sees to it that they are UTF-8.

use step_count::count;

use crate::lanes::{ROW, special_bytes};

/// The end of a stretch of plain text inside a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    Quote,
    Backslash,
    Control(u8),
    /// The bytes at hand end.
    End,
    /// The bytes end inside a character, whose rest may come.
    Begun,
    /// The bytes that follow are no character.
    Broken,
}

/// Passes the plain text from `from` on: where it ends, and what ends it.
#[inline(always)]
pub(crate) fn plain_text(bytes: &[u8], from: usize) -> (usize, Plain) {
    let end = end_of_ascii_text(bytes, from);
    match bytes.get(end) {
        Some(b'"') => (end, Plain::Quote),
        _ => unusual(bytes, end),
    }
}

/// At a byte that is neither plain ASCII nor a quote, or at the end of the bytes.
#[inline(never)]
fn unusual(bytes: &[u8], at: usize) -> (usize, Plain) {
    match bytes.get(at) {
        None => (at, Plain::End),
        Some(b'\\') => (at, Plain::Backslash),
        Some(&byte) if byte < 0x20 => (at, Plain::Control(byte)),
        Some(_) => {
            // All that stands before the next byte of meaning, whatever its characters.
            let end = end_of_text(bytes, at);
            let text = bytes.get(at..end).unwrap_or_default();
            count(text.len());
            match std::str::from_utf8(text) {
                Ok(_) => match bytes.get(end) {
                    Some(b'"') => (end, Plain::Quote),
                    Some(b'\\') => (end, Plain::Backslash),
                    Some(&byte) => (end, Plain::Control(byte)),
                    None => (end, Plain::End),
                },
                Err(error) if error.error_len().is_none() && end == bytes.len() => {
                    (at + error.valid_up_to(), Plain::Begun)
                }
                Err(error) => (at + error.valid_up_to(), Plain::Broken),
            }
        }
    }
}

/// The offset, from `from` on, of the first byte that is a quote, a backslash, a control character
/// or no ASCII, or the end of `bytes`.
#[inline(always)]
fn end_of_ascii_text(bytes: &[u8], from: usize) -> usize {
    end_of(bytes, from, special_bytes::<true>, |byte| {
        byte < 0x20 || byte == b'"' || byte == b'\\' || byte >= 0x80
    })
}

/// The offset, from `from` on, of the first byte that is a quote, a backslash or a control
/// character, or the end of `bytes`.
fn end_of_text(bytes: &[u8], from: usize) -> usize {
    end_of(bytes, from, special_bytes::<false>, |byte| {
        byte < 0x20 || byte == b'"' || byte == b'\\'
    })
}

#[inline(always)]
fn end_of(
    bytes: &[u8],
    from: usize,
    special_bytes: impl Fn(&[u8; ROW]) -> u32,
    is_special: impl Fn(u8) -> bool,
) -> usize {
    let mut rest = bytes.get(from..).unwrap_or_default();
    while let Some((row, after)) = rest.split_first_chunk::<ROW>() {
        count(ROW);
        let special = special_bytes(row);
        if special != 0 {
            return bytes.len() - rest.len() + special.trailing_zeros() as usize;
        }
        rest = after;
    }
    let special = rest.iter().position(|&byte| is_special(byte));
    let plain = special.unwrap_or(rest.len());
    count(plain);
    bytes.len() - rest.len() + plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_each_special_byte_at_each_offset() {
        for (special, expected) in [
            (b'"', Plain::Quote),
            (b'\\', Plain::Backslash),
            (0, Plain::Control(0)),
            (0x1f, Plain::Control(0x1f)),
            (0xff, Plain::Broken),
            (0x80, Plain::Broken),
        ] {
            for filling in ["x", "\u{7f}", "é", "世"] {
                for offset in 0..100 {
                    let mut bytes = filling.repeat(120 / filling.len()).into_bytes();
                    let offset = 3 * filling.len() + offset / filling.len() * filling.len();
                    if let Some(place) = bytes.get_mut(offset) {
                        *place = special;
                        let found = plain_text(&bytes, 3 * filling.len());
                        assert_eq!(found, (offset, expected), "{filling}");
                    }
                }
            }
        }
    }

    #[test]
    fn it_stops_at_the_end_of_the_bytes_and_before_a_character_that_is_cut() {
        for length in 0..100 {
            let ascii = vec![0x7f; length];
            assert_eq!(plain_text(&ascii, 0), (length, Plain::End));
            for character in ["é", "世", "😀"] {
                for cut in 1..character.len() {
                    let begun = [&ascii, &character.as_bytes()[..cut]].concat();
                    assert_eq!(plain_text(&begun, 0), (length, Plain::Begun));
                    let quoted = [&begun[..], b"\""].concat();
                    assert_eq!(plain_text(&quoted, 0), (length, Plain::Broken));
                }
            }
        }
    }
}
