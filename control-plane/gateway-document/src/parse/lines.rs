//! The lines of a YAML text as the library that reads documents tells them apart.

/// The characters that end a line: YAML 1.1 has more of them than Rust has.
const BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// The lines of a text, without what ends them and without the byte order mark that may begin one.
/// A carriage return and the line feed after it end one line.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let end = text.find(BREAKS).unwrap_or(text.len());
        let (line, after) = text.split_at(end);
        rest = after
            .strip_prefix("\r\n")
            .or_else(|| after.strip_prefix(BREAKS));
        Some(line.strip_prefix('\u{feff}').unwrap_or(line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_lines_where_yaml_does() {
        let text = "\u{feff}a\r\nb\rc\n\nd\u{85}e\u{2028}\u{feff}f\u{2029}g";
        let found: Vec<&str> = lines(text).collect();
        assert_eq!(found, ["a", "b", "c", "", "d", "e", "f", "g"]);
    }
}
