//! The words of serde about types, in the words of whoever writes JSON or YAML.

use std::borrow::Cow;

/// The reason without names of Rust's types.
pub(super) fn plain(reason: &str) -> String {
    let about_types = ["invalid type: ", "invalid value: "];
    let described = about_types
        .iter()
        .find_map(|prefix| reason.strip_prefix(prefix))
        .and_then(|rest| rest.rsplit_once(", expected "));
    match described {
        Some((found, wanted)) => {
            format!("this is {}; write {}", found_as(found), wanted_as(wanted))
        }
        None => reason.to_owned(),
    }
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
        "a string" | "a borrowed string" | "a character" => "a text",
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
            ("`x` is no name", "`x` is no name"),
        ] {
            assert_eq!(plain(reason), expected);
        }
    }
}
