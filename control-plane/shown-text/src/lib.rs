//! Texts that others wrote, as they may be shown: in a log, on a terminal, in an answer.
//!
//! Servers, Envoys and callers choose their words freely. A line feed among them would begin a line
//! of the log, an escape sequence would be carried out by the operator's terminal, and a mark that
//! turns the direction of text would show other words than there are.
//!
//! ```
//! let words = "busy\n\u{1b}[2JINFO all is well";
//! assert_eq!(shown_text::on_one_line(words), "busy  [2JINFO all is well");
//! ```

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a letter is carried out instead of being shown: the control characters (C0, DEL and
/// C1), the separators of lines and paragraphs, and what Unicode calls `Bidi_Control`.
#[must_use]
pub fn is_obeyed(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{2028}' | '\u{2029}'
                | '\u{61c}' | '\u{200e}' | '\u{200f}'
                | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// The text with a space for each letter that [is obeyed](is_obeyed), line feeds among them.
#[must_use]
pub fn on_one_line(text: &str) -> String {
    text.replace(is_obeyed, " ")
}

/// As much of a text as anybody reads: so many characters at most, and `…` for the rest.
#[must_use]
pub fn cut(text: &str, most_characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most_characters) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

/// The text in its lines: with a space for each letter that [is obeyed](is_obeyed), but line feeds
/// and tabs.
#[must_use]
pub fn in_lines(text: &str) -> String {
    text.replace(is_obeyed_in_lines, " ")
}

/// Whether a letter is obeyed even where a text may have lines.
#[must_use]
pub fn is_obeyed_in_lines(letter: char) -> bool {
    is_obeyed(letter) && !matches!(letter, '\n' | '\t')
}

/// A text of JSON that says the same, with an escape sequence for each letter that would [be
/// obeyed](is_obeyed). Only its strings have such letters; between them is white space alone.
#[must_use]
pub fn escape_json(json: &str) -> Cow<'_, str> {
    let is_harmful = |letter: char| is_obeyed(letter) && !is_white_space_of_json(letter);
    if !json.contains(is_harmful) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 64);
    for letter in json.chars() {
        if is_harmful(letter) {
            // Each is in the basic plane, so that four digits name it.
            let _ = write!(escaped, "\\u{:04x}", u32::from(letter));
        } else {
            escaped.push(letter);
        }
    }
    Cow::Owned(escaped)
}

fn is_white_space_of_json(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind.
    const OBEYED: [char; 12] = [
        '\0', '\u{7}', '\n', '\r', '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}', '\u{2028}', '\u{61c}',
        '\u{202e}', '\u{2069}',
    ];

    #[test]
    fn it_puts_a_space_for_what_a_terminal_or_a_reader_of_lines_would_obey() {
        for letter in OBEYED {
            let text = format!("a{letter}b");
            assert_eq!(on_one_line(&text), "a b", "{letter:?}");
            let kept = if letter == '\n' { "a\nb" } else { "a b" };
            assert_eq!(in_lines(&text), kept, "{letter:?}");
        }
        // Words of any language stay, those that are joined or written from the right among them.
        for text in ["größe 本", "שלום", "می\u{200c}خواهم", "👩\u{200d}🔬"] {
            assert_eq!(on_one_line(text), text);
        }
    }

    #[test]
    fn it_cuts_off_what_nobody_reads() {
        assert_eq!(cut("größe", 5), "größe");
        assert_eq!(cut("größe", 3), "grö…");
        assert_eq!(cut(&"x".repeat(1 << 20), 300).chars().count(), 301);
    }

    #[test]
    fn it_escapes_in_json_what_would_be_obeyed_and_changes_no_value() {
        assert_eq!(
            escape_json("{\n  \"a\": \"é\"\r\n}"),
            "{\n  \"a\": \"é\"\r\n}"
        );
        let escaped = escape_json("[\"\u{9b}31m \u{202e}x\"]");
        assert_eq!(escaped, r#"["\u009b31m \u202ex"]"#);
    }
}
