//! Which keys of a JSON object a reader that ignores case takes for one another.
//!
//! Go's `encoding/json` finds the field for a key without regard to case, and of several such keys
//! it takes the last one (CVE-2026-27896). A gateway that reads `method` must therefore refuse
//! `Method` beside or instead of it: an upstream might read that one. Two letters outside ASCII
//! fold to a letter of ASCII: U+017F (`ſ`) to `s`, and U+212A (the Kelvin sign) to `k`.

use std::borrow::Cow;

/// U+017F, the long s, in UTF-8.
const LONG_S: [u8; 2] = [0xc5, 0xbf];
/// U+212A, the Kelvin sign, in UTF-8.
const KELVIN: [u8; 3] = [0xe2, 0x84, 0xaa];

/// The key as a reader sees it that ignores case: letters of ASCII are small, U+017F is `s` and
/// U+212A is `k`. All else stands for itself.
#[must_use]
pub fn fold(key: &[u8]) -> Cow<'_, [u8]> {
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
    fn it_folds_bytes_that_are_not_utf8_without_a_panic() {
        assert_eq!(&*fold(b"A\xc5\xffB\xe2\x84"), b"a\xc5\xffb\xe2\x84");
    }
}
