//! Text for a model that is made of lines, within the bytes that it may have.

use std::borrow::Cow;

/// The most bytes that a comment takes in a list: two sentences. `get_table_schema` and its like
/// show it as a whole.
const LONGEST_COMMENT: usize = 240;

/// Joins lines, the first one and as many after it as have room in `budget` bytes. Those that have
/// none are counted; `rest` says how to come to them.
pub(super) fn join_within(lines: &[String], budget: usize, rest: &str) -> String {
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let line = cut(line, budget);
        if at > 0 && text.len() + line.len() >= budget {
            let more = match lines.len() - at {
                1 => "1 more line has".to_owned(),
                more => format!("{more} more lines have"),
            };
            text.push_str(&format!("\n… {more} no place here: {rest}"));
            break;
        }
        if at > 0 {
            text.push('\n');
        }
        text.push_str(&line);
    }
    text
}

/// A comment on one line of a list.
pub(super) fn brief_comment(comment: &str) -> String {
    cut(comment, LONGEST_COMMENT).replace(['\r', '\n'], " ")
}

/// A text of at most so many bytes, which says how long the whole is where it is cut.
fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let begin = &text[..text.floor_char_boundary(most)];
    Cow::Owned(format!("{begin}… ({} bytes)", text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("line {n}")).collect()
    }

    #[test]
    fn it_joins_the_lines_that_have_room_and_counts_the_others() {
        assert_eq!(join_within(&[], 10, "x"), "");
        assert_eq!(join_within(&lines(2), 100, "x"), "line 0\nline 1");
        let text = join_within(&lines(9), 20, "ask for less");
        let expected = "line 0\nline 1\nline 2\n… 6 more lines have no place here: ask for less";
        assert_eq!(text, expected);
        let text = join_within(&lines(2), 1, "x");
        assert_eq!(text, "l… (6 bytes)\n… 1 more line has no place here: x");
    }

    #[test]
    fn it_keeps_a_comment_on_its_line() {
        assert_eq!(brief_comment("who\nbuys"), "who buys");
        let long = brief_comment(&"é".repeat(1_000));
        assert!(long.ends_with("é… (2000 bytes)") && long.len() < 270);
    }
}
