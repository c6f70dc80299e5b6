//! The faults of an instance, in words that its author can act on.

use std::borrow::Cow;
use std::fmt::Write as _;

use json_reader::decoded;

/// The most violations that one validation reports.
pub const MOST_VIOLATIONS: usize = 8;

/// The longest value, pointer segment or pointer that a message repeats, in bytes.
const LONGEST_ECHO: usize = 64;
const LONGEST_POINTER: usize = 256;

/// One thing that is wrong with an instance.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Violation {
    /// JSON Pointer (RFC 6901) to the value; shortened where it is very long.
    pub pointer: String,
    /// The thing that should be there, as a noun phrase: `a string`, `at most 10 items`.
    pub expected: String,
    /// The thing that is there, where it is short enough to repeat; otherwise what kind of thing it
    /// is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.pointer.is_empty() {
            "the arguments"
        } else {
            &self.pointer
        };
        write!(out, "{place}: expected {}", self.expected)?;
        match &self.found {
            Some(found) => write!(out, ", found {found}"),
            None => Ok(()),
        }
    }
}

/// A caller's text, made fit to be repeated: short, printable, on one line.
#[must_use]
pub fn echo(text: &[u8]) -> String {
    shorten(
        &printable(&String::from_utf8_lossy(
            text.get(..LONGEST_ECHO * 2).unwrap_or(text),
        )),
        LONGEST_ECHO,
    )
}

/// The beginning of the string that well-formed bytes between quotes stand for: enough of it to be
/// shown. What is shown are at most 64 bytes, and no byte takes more than six here.
pub(crate) fn decoded_beginning(raw: &[u8], escaped: bool) -> Cow<'_, [u8]> {
    const SHOWN: usize = 1024;
    decoded(raw.get(..SHOWN).unwrap_or(raw), escaped)
}

/// A pointer's segment from a caller's key, escaped as RFC 6901 section 3 says.
pub(crate) fn push_segment(pointer: &mut String, key: &[u8]) {
    pointer.push('/');
    pointer.push_str(&echo(key).replace('~', "~0").replace('/', "~1"));
}

pub(crate) fn shorten_pointer(pointer: &str) -> String {
    shorten(pointer, LONGEST_POINTER)
}

fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        // Besides the controls: what reorders or hides the text around it.
        let hidden = matches!(
            char,
            '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
        );
        if char.is_control() || hidden {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(char));
        } else {
            out.push(char);
        }
    }
    out
}

fn shorten(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_repeats_short_printable_text_only() {
        assert_eq!(echo(b"execute_query"), "execute_query");
        assert_eq!(echo(b"a\nb\x00c\x1b[31m"), "a\\u{a}b\\u{0}c\\u{1b}[31m");
        assert_eq!(echo("a\u{202e}b".as_bytes()), "a\\u{202e}b");
        assert_eq!(echo(b"\xff\xfe"), "\u{fffd}\u{fffd}");
        let long = echo("é".repeat(1000).as_bytes());
        assert!(long.len() <= LONGEST_ECHO && long.ends_with('…'), "{long}");
        assert!(echo(&[0; 10_000]).len() <= LONGEST_ECHO);
    }

    #[test]
    fn it_escapes_the_segments_of_a_pointer() {
        let mut pointer = String::new();
        push_segment(&mut pointer, b"a/b~c");
        assert_eq!(pointer, "/a~1b~0c");
    }
}
