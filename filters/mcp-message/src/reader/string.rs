//! The fast path through strings.

/// How many bytes are looked at one by one before whole blocks are: most strings end sooner.
const SHORT: usize = 16;
const BLOCK: usize = 16;

/// The offset, from `from` on, of the first byte that is not plain text inside a string (a quote, a
/// backslash or a control character), or the end of `bytes`.
#[inline]
pub(super) fn end_of_plain_text(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let near = rest.get(..SHORT).unwrap_or(rest);
    for (offset, &byte) in near.iter().enumerate() {
        if is_special(byte) {
            return from + offset;
        }
    }
    if near.len() < SHORT {
        bytes.len()
    } else {
        far_end(bytes, from + SHORT)
    }
}

fn far_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(block) = bytes.get(at..at + BLOCK) {
        // No early exit inside a block, so that it becomes a few vector instructions.
        if block
            .iter()
            .fold(false, |found, &byte| found | is_special(byte))
        {
            break;
        }
        at += BLOCK;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .position(|&byte| is_special(byte))
        .unwrap_or(rest.len())
}

#[inline]
fn is_special(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
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
