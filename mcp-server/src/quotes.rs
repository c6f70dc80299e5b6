//! Shortens what callers wrote, for refusals and for lines of the log.

use std::borrow::Cow;

/// Bytes of a name: twice what the services behind the tools take for one, and more.
const NAME: usize = 300;

/// Bytes of a message: what services say of a statement is seldom a fourth of it.
const MESSAGE: usize = 4096;

/// A name as a refusal quotes it.
pub(crate) fn shorten_name(name: &str) -> Cow<'_, str> {
    shorten(name, NAME)
}

/// A message that may quote what its caller wrote.
pub(crate) fn shorten_message(message: &str) -> Cow<'_, str> {
    shorten(message, MESSAGE)
}

/// The text, without its middle where it is longer than `most` bytes: a sentence says at its end
/// what to do.
fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let begin = &text[..text.floor_char_boundary(most / 2)];
    let end = &text[text.ceil_char_boundary(text.len() - most / 2)..];
    let left_out = text.len() - begin.len() - end.len();
    Cow::Owned(format!("{begin}… ({left_out} bytes left out) …{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_begin_and_the_end_of_a_long_text_and_all_of_a_short_one() {
        assert_eq!(shorten("ab", 2), "ab");
        assert_eq!(shorten("abcdef", 4), "ab… (2 bytes left out) …ef");
        // Characters stay whole.
        assert_eq!(shorten("éééé", 6), "é… (4 bytes left out) …é");
        assert_eq!(shorten_name(&"x".repeat(300)).len(), 300);
        assert!(shorten_name(&"\u{1}".repeat(4 << 20)).len() < 350);
        assert!(shorten_message(&"é".repeat(4 << 20)).len() < 4200);
    }
}
