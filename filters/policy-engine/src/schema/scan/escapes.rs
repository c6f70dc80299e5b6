//! The text that the bytes between two quotes stand for.

use std::borrow::Cow;

use step_count::count;

use super::{StringForm, Syntax, Wanted, bad};

/// A character that is written as an escape.
pub(super) struct Escape {
    /// Where the escape ends.
    pub(super) end: usize,
    char: char,
}

/// The escape whose backslash is at `start`, with the second half of a surrogate pair.
pub(super) fn escape(bytes: &[u8], start: usize) -> Result<Escape, Syntax> {
    let char = match bytes.get(start + 1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape(bytes, start),
        _ => return bad(Wanted::Escape, start),
    };
    Ok(Escape {
        end: start + 2,
        char,
    })
}

fn unicode_escape(bytes: &[u8], start: usize) -> Result<Escape, Syntax> {
    let high = hex4(bytes, start + 2).ok_or(Syntax {
        wanted: Wanted::Escape,
        at: start,
    })?;
    let unpaired = Syntax {
        wanted: Wanted::PairedSurrogate,
        at: start,
    };
    let (code, end) = match high {
        0xd800..=0xdbff => {
            let low = match bytes.get(start + 6..start + 8) {
                Some(b"\\u") => hex4(bytes, start + 8),
                _ => None,
            };
            let low = low
                .filter(|low| (0xdc00..=0xdfff).contains(low))
                .ok_or(unpaired)?;
            (
                0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00),
                start + 12,
            )
        }
        code => (code, start + 6),
    };
    let char = char::from_u32(code).ok_or(unpaired)?;
    Ok(Escape { end, char })
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.iter().try_fold(0, |code, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(code << 4 | value)
    })
}

/// The string that well-formed bytes between quotes stand for.
pub(crate) fn unescape(raw: &[u8], form: StringForm) -> Cow<'_, [u8]> {
    match form {
        StringForm::Plain => Cow::Borrowed(raw),
        StringForm::Escaped => {
            let mut text = Vec::with_capacity(raw.len());
            unescape_into(raw, &mut text);
            Cow::Owned(text)
        }
    }
}

/// The beginning of the string that well-formed bytes between quotes stand for: enough of it to be
/// shown. What is shown are at most 64 bytes, and no byte takes more than six here.
pub(crate) fn unescape_beginning(raw: &[u8], form: StringForm) -> Cow<'_, [u8]> {
    const SHOWN: usize = 1024;
    unescape(raw.get(..SHOWN).unwrap_or(raw), form)
}

/// Appends the string that well-formed bytes between quotes stand for.
fn unescape_into(raw: &[u8], text: &mut Vec<u8>) {
    count(raw.len());
    let mut at = 0;
    while let Some(byte) = raw.get(at) {
        match escape_at(raw, at) {
            Some(escape) => {
                text.extend_from_slice(escape.char.encode_utf8(&mut [0; 4]).as_bytes());
                at = escape.end;
            }
            None => {
                text.push(*byte);
                at += 1;
            }
        }
    }
}

/// How many code points well-formed bytes between quotes stand for.
pub(crate) fn code_points(raw: &[u8], form: StringForm) -> usize {
    count(raw.len());
    let starts = |bytes: &[u8]| bytes.iter().filter(|byte| (**byte & 0xc0) != 0x80).count();
    match form {
        StringForm::Plain => starts(raw),
        StringForm::Escaped => {
            let mut count = 0;
            let mut at = 0;
            while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
                let plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
                count += starts(rest.get(..plain).unwrap_or_default());
                at += plain;
                if let Some(escape) = escape_at(raw, at) {
                    count += 1;
                    at = escape.end;
                }
            }
            count
        }
    }
}

fn escape_at(raw: &[u8], at: usize) -> Option<Escape> {
    if raw.get(at) != Some(&b'\\') {
        return None;
    }
    // Raw bytes were scanned before, so an escape that is none cannot be; a lone backslash then
    // stands for itself.
    Some(escape(raw, at).unwrap_or(Escape {
        end: at + 1,
        char: '\\',
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_escapes_and_counts_code_points() {
        let check = |raw: &str, text: &str| {
            let form = if raw.contains('\\') {
                StringForm::Escaped
            } else {
                StringForm::Plain
            };
            assert_eq!(unescape(raw.as_bytes(), form), text.as_bytes());
            assert_eq!(
                code_points(raw.as_bytes(), form),
                text.chars().count(),
                "{raw}"
            );
        };
        check("", "");
        check("aé😀", "aé😀");
        check(r"\ud83d\ude00\u00e9\n", "😀é\n");
        check(r"é\\\/\b\f\r\t\u0041x", "é\\/\u{8}\u{c}\r\tAx");
    }
}
