//! Lays JSON out over lines for people, and changes nothing of it but the white space: numbers keep
//! their digits, and keys that stand twice do so still.

use serde_json::value::RawValue;

const INDENT: &str = "  ";

/// The deepest level that has lines of its own: without a bound the spaces before the lines of an
/// answer grow with the square of its length.
const DEEPEST_LINES: usize = 64;

/// The value with a line for each member and element, as far as [`DEEPEST_LINES`]; those that are
/// deeper share the line of what holds them.
pub(super) fn in_lines(json: &RawValue) -> String {
    let mut laid_out = String::with_capacity(json.get().len());
    let mut depth = 0;
    let mut is_in_string = false;
    let mut is_escaped = false;
    let mut rest = json.get().chars().peekable();
    while let Some(character) = rest.next() {
        if is_in_string {
            laid_out.push(character);
            is_in_string = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
            continue;
        }
        match character {
            ' ' | '\t' | '\n' | '\r' => {}
            '{' | '[' => {
                while rest.next_if(char::is_ascii_whitespace).is_some() {}
                laid_out.push(character);
                if let Some(end) = rest.next_if(|next| matches!(next, '}' | ']')) {
                    laid_out.push(end);
                } else {
                    depth += 1;
                    break_line(&mut laid_out, depth, depth);
                }
            }
            '}' | ']' => {
                break_line(&mut laid_out, depth, depth - 1);
                depth -= 1;
                laid_out.push(character);
            }
            ',' => {
                laid_out.push(character);
                break_line(&mut laid_out, depth, depth);
            }
            ':' => laid_out.push_str(": "),
            _ => {
                is_in_string = character == '"';
                laid_out.push(character);
            }
        }
    }
    laid_out
}

/// Begins a line with so many indents, unless what holds it is too deep.
fn break_line(text: &mut String, depth: usize, indents: usize) {
    if depth <= DEEPEST_LINES {
        text.push('\n');
        text.push_str(&INDENT.repeat(indents));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        assert_eq!(in_lines(raw), expected);
    }

    #[test]
    fn it_lays_out_as_serde_does() {
        for json in [
            r#"{"a":[1,{"b":"x, [y] {z}: \"\\"},[],{}],"c":null}"#,
            r#"[ [ ] , { } ]"#,
            "7",
            r#""\\\"""#,
        ] {
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            check(json, &serde_json::to_string_pretty(&value).unwrap());
        }
    }

    #[test]
    fn it_keeps_digits_and_keys_as_they_are() {
        check(
            r#"{"n":123456789012345678901234567890.10,"n":1e0,"\u0061":1}"#,
            "{\n  \"n\": 123456789012345678901234567890.10,\n  \"n\": 1e0,\n  \"\\u0061\": 1\n}",
        );
    }

    #[test]
    fn it_keeps_what_lies_too_deep_on_one_line() {
        let nested = |depth: usize| format!("{}1,2{}", "[".repeat(depth), "]".repeat(depth));
        let pretty = |json: &str| {
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            serde_json::to_string_pretty(&value).unwrap()
        };
        check(&nested(DEEPEST_LINES), &pretty(&nested(DEEPEST_LINES)));
        let hole = format!(
            "{}0{}",
            "[".repeat(DEEPEST_LINES),
            "]".repeat(DEEPEST_LINES)
        );
        let deepest = nested(100_000);
        let expected = pretty(&hole).replace('0', &nested(100_000 - DEEPEST_LINES));
        check(&deepest, &expected);
    }
}
