//! Which keys of a JSON object a reader that ignores case takes for one another.
//!
//! Go's `encoding/json` finds the field for a key without regard to case, and of several such keys
//! it takes the last one (CVE-2026-27896). A gateway that reads `method` must therefore refuse
//! `Method` beside or instead of it: an upstream might read that one. Two letters outside ASCII
//! fold to a letter of ASCII: U+017F (`ſ`) to `s`, and U+212A (the Kelvin sign) to `k`. Other
//! readers are looser still: a server in C ends a key at a NUL, and others trim it.

use std::borrow::Cow;

/// U+017F, the long s, in UTF-8.
const LONG_S: [u8; 2] = [0xc5, 0xbf];
/// U+212A, the Kelvin sign, in UTF-8.
const KELVIN: [u8; 3] = [0xe2, 0x84, 0xaa];
/// A letter that JavaScript's `trim` takes for white space, and Unicode does not.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The key as a reader sees it that ignores case: letters of ASCII are small, U+017F is `s` and
/// U+212A is `k`. All else stands for itself.
fn fold(key: &[u8]) -> Cow<'_, [u8]> {
    let is_folded = |byte: &u8| !byte.is_ascii_uppercase() && byte.is_ascii();
    if key.iter().all(is_folded) {
        return Cow::Borrowed(key);
    }
    let mut folded = Vec::with_capacity(key.len());
    let mut rest = key;
    while let Some((first, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(&LONG_S) {
            folded.push(b's');
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix(&KELVIN) {
            folded.push(b'k');
            rest = behind;
        } else {
            folded.push(first.to_ascii_lowercase());
            rest = behind;
        }
    }
    Cow::Owned(folded)
}

/// Whether some reader leaves this letter out at the beginning and the end of a name.
#[must_use]
pub fn is_around(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || letter == BYTE_ORDER_MARK
}

/// The key or name as the loosest of readers sees it: white space and control characters around it
/// are gone, it ends at the first NUL, its letters of ASCII are small, U+017F is `s` and U+212A is
/// `k`.
#[must_use]
pub fn read_loosely(name: &[u8]) -> Cow<'_, [u8]> {
    let Ok(text) = str::from_utf8(name) else {
        return fold(name);
    };
    let text = text.trim_start_matches(is_around);
    let text = text.split_once('\0').map_or(text, |(before, _)| before);
    fold(text.trim_end_matches(is_around).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_folds_ascii_and_the_two_letters_that_fold_to_ascii() {
        let check = |key: &str, expected: &str| {
            assert_eq!(fold(key.as_bytes()), expected.as_bytes(), "{key}");
        };
        check("", "");
        check("taskId", "taskid");
        check("METHOD", "method");
        check("param\u{17f}", "params");
        check("tas\u{212a}ID", "taskid");
        check("_META", "_meta");
        check("é\u{212a}\u{17f}É", "éksÉ");
        check("\u{131}d", "\u{131}d");
    }

    #[test]
    fn it_reads_a_name_loosely() {
        let rows = [
            "Tools/Call",
            "tool\u{17f}/call",
            "tools/call ",
            "\ttools/call\r\n",
            "tools/call\0",
            "tools/call \0 and more",
            "\0\u{1}tools/call\u{7f}",
            "\u{feff}tools/call\u{a0}\u{85}\u{2028}",
        ];
        for row in rows {
            assert_eq!(&*read_loosely(row.as_bytes()), b"tools/call", "{row:?}");
        }
        for row in ["", "tools /call", "tools/call2", "tools\0/call"] {
            assert_ne!(&*read_loosely(row.as_bytes()), b"tools/call", "{row:?}");
        }
        assert_eq!(&*read_loosely(b"A\xff "), b"a\xff ");
    }

    #[test]
    fn it_folds_bytes_that_are_not_utf8_without_a_panic() {
        assert_eq!(&*fold(b"A\xc5\xffB\xe2\x84"), b"a\xc5\xffb\xe2\x84");
    }
}
