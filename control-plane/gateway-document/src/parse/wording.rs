//! The words of serde and its readers, in the words of whoever writes JSON or YAML.

use std::borrow::Cow;

use crate::near_names::did_you_mean;

/// Reasons by how they begin, where no part of them tells an author more.
const REWORDED: [(&str, &str); 12] = [
    (
        "EOF while parsing",
        "the text ends in the middle; close every brace, bracket and quote",
    ),
    (
        "trailing characters",
        "something follows the end of the value; remove it",
    ),
    (
        "trailing comma",
        "a comma stands behind the last item; remove it",
    ),
    (
        "expected value",
        "nothing that can stand here can be read; write a value that this place takes",
    ),
    (
        "expected ident",
        "a word stands here that is not `true`, `false` or `null`; write texts in double quotes",
    ),
    (
        "key must be a string",
        "a key stands here without double quotes; write it in them",
    ),
    (
        "control character",
        "a text or key holds a control character; write it as an escape such as `\\n`",
    ),
    (
        "invalid escape",
        "a backslash stands before a character that takes none; write `\\\\` for a backslash",
    ),
    (
        "invalid number",
        "this is no number as JSON writes it; write it like `1` or `0.5`",
    ),
    (
        "number out of range",
        "this number is larger than any that is read; write a smaller one",
    ),
    (
        "recursion limit exceeded",
        "lists and objects stand deeper in each other than any document needs",
    ),
    (
        "invalid socket address syntax",
        "this is no address; write an IP address and a port, such as `127.0.0.1:10000`",
    ),
];

/// The reason as [`plain`] has it, without the value that was found: it may be a secret that was
/// written in the place of a reference.
pub(super) fn without_value(reason: &str) -> String {
    let described = ABOUT_TYPES
        .iter()
        .find_map(|prefix| reason.strip_prefix(prefix))
        .and_then(|rest| rest.rsplit_once(", expected "));
    match described {
        Some((_, wanted)) => format!("write {} here", wanted_as(wanted)),
        None => plain(reason),
    }
}

const ABOUT_TYPES: [&str; 2] = ["invalid type: ", "invalid value: "];

/// The reason without names of Rust's types, and without the terms of readers.
pub(super) fn plain(reason: &str) -> String {
    let described = ABOUT_TYPES
        .iter()
        .find_map(|prefix| reason.strip_prefix(prefix))
        .and_then(|rest| rest.rsplit_once(", expected "));
    match described {
        Some((found, wanted)) => {
            format!("this is {}; write {}", found_as(found), wanted_as(wanted))
        }
        None => reworded(reason).unwrap_or_else(|| reason.to_owned()),
    }
}

fn reworded(reason: &str) -> Option<String> {
    if let Some(variant) = reason.strip_prefix("unknown variant ") {
        let (found, known) = variant.split_once(", expected ")?;
        return Some(format!("{found} is not known here; write {known}"));
    }
    if let Some(field) = reason.strip_prefix("unknown field ") {
        let (found, known) = field.split_once(", expected ")?;
        let known = known.split('`').skip(1).step_by(2);
        let meant = did_you_mean(found.trim_matches('`'), known)?;
        return Some(format!("unknown field {found}; {meant}"));
    }
    if let Some(field) = reason.strip_prefix("duplicate field ") {
        return Some(format!("{field} appears twice; keep one of them"));
    }
    let known = REWORDED.iter().find(|(start, _)| reason.starts_with(start));
    known.map(|(_, words)| (*words).to_owned())
}

fn found_as(found: &str) -> Cow<'_, str> {
    let (kind, value) = match found.find(['`', '"']) {
        Some(start) => found.split_at(start),
        None => (found, ""),
    };
    match kind.trim_end() {
        "integer" | "floating point" => Cow::Owned(format!("the number {value}")),
        "string" | "character" => Cow::Owned(format!("the text {value}")),
        "boolean" => Cow::Borrowed(value),
        "null" | "unit value" | "Option value" => Cow::Borrowed("nothing"),
        "map" => Cow::Borrowed("an object"),
        "sequence" => Cow::Borrowed("a list"),
        _ => Cow::Borrowed(found),
    }
}

fn wanted_as(wanted: &str) -> &str {
    match wanted {
        "a string" | "a borrowed string" | "a character" | "field identifier"
        | "variant identifier" => "a text",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "a map" => "an object",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        _ if wanted.starts_with("struct ") => "an object",
        _ => wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_names_no_type_of_rust() {
        for (reason, expected) in [
            (
                "invalid type: integer `60`, expected a string",
                "this is the number `60`; write a text",
            ),
            (
                "invalid type: string \"a, expected u8\", expected u32",
                "this is the text \"a, expected u8\"; write a whole number, 0 or more",
            ),
            (
                "invalid type: sequence, expected struct Rule",
                "this is a list; write an object",
            ),
            (
                "invalid value: integer `-1`, expected u32",
                "this is the number `-1`; write a whole number, 0 or more",
            ),
            (
                "invalid type: null, expected a boolean",
                "this is nothing; write `true` or `false`",
            ),
            (
                "invalid type: sequence, expected field identifier",
                "this is a list; write a text",
            ),
            (
                "unknown variant `no`, expected `allow` or `deny`",
                "`no` is not known here; write `allow` or `deny`",
            ),
            (
                "duplicate field `access`",
                "`access` appears twice; keep one of them",
            ),
            (
                "unknown field `timout`, expected one of `name`, `timeout`, `route`",
                "unknown field `timout`; did you mean `timeout`?",
            ),
            (
                "unknown field `colour`, expected `name` or `match`",
                "unknown field `colour`, expected `name` or `match`",
            ),
            ("`x` is no name", "`x` is no name"),
        ] {
            assert_eq!(plain(reason), expected);
        }
    }
    #[test]
    fn it_says_what_to_do_where_a_reader_names_its_own_terms() {
        for text in [
            "",
            "{\"",
            "{} x",
            "{\"tools\": [1,]}",
            "{\"tools\": ?}",
            "{\"tools\": trua}",
            "{a: 1}",
            "{\"\u{1}\": 1}",
            "{\"\\x\": 1}",
            "{\"tools\": -}",
            "{\"tools\": 1e999}",
            &"[".repeat(200),
            "{\"listeners\": [{\"name\": \"a\", \"address\": \"x\"}]}",
        ] {
            let found = serde_json::from_str::<crate::unique::UniqueValue>(text);
            let found = found.map_or_else(
                |error| error.to_string(),
                |_| "invalid socket address syntax".to_owned(),
            );
            let words = plain(&found);
            assert_ne!(words, found, "{text}");
        }
    }
}
