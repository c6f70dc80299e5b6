//! Patterns and templates of URIs.

use crate::uri::{Parts, is_normal};

/// A template of URIs (RFC 6570) with a letter in the place of each expression; a brace that opens
/// or closes none stays.
pub(crate) fn replace_expressions(template: &str, letter: char) -> String {
    let mut replaced = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        let Some((expression, after)) = behind.split_once('}') else {
            break;
        };
        if !is_expression(expression) {
            break;
        }
        replaced.push_str(before);
        replaced.push(letter);
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

/// Whether this stands between the braces of an expression (RFC 6570 section 2.2): an operator, or
/// none, and names of letters, digits, `_`, `-` and single dots, each with its length, `*` or
/// nothing.
fn is_expression(text: &str) -> bool {
    let text = text
        .strip_prefix(['+', '#', '.', '/', ';', '?', '&'])
        .unwrap_or(text);
    text.split(',').all(|variable| {
        let name = variable.strip_suffix('*').unwrap_or(variable);
        let name = match name.split_once(':') {
            Some((name, length)) if length.parse::<u16>().is_ok() => name,
            _ => name,
        };
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        name.split('.')
            .all(|part| !part.is_empty() && part.bytes().all(is_letter))
    })
}

/// Whether a URI is in normal form, or a template (RFC 6570) of such URIs.
pub(crate) fn is_normal_template(template: &str) -> bool {
    // A letter may stand wherever an expression may.
    is_normal(&replace_expressions(template, 'x'))
}

/// Whether a pattern or template of URIs can stand for a URI in normal form.
#[must_use]
pub fn is_normal_pattern(pattern: &str) -> bool {
    let text = replace_expressions(pattern, '*');
    // What `*` stands for may begin or end the scheme.
    let before = if text.starts_with('*') { "x:" } else { "" };
    let behind = if text.contains(':') { "" } else { ":" };
    let has_any = text.contains('*');
    let text = text.replace('*', "x");
    match has_any {
        // What it stands for may also be a slash or a host.
        true => Parts::of(&format!("{before}{text}{behind}")).is_some_and(|it| it.are_normal()),
        false => is_normal(&text),
    }
}

/// The texts that a `*` is tried with: a segment, nothing, what a scheme, a host or a path lacks,
/// and digits.
const TRIED: [&str; 12] = [
    "x", "", "/x", "x/x", "x:", "x:x", "x://x/x", ":///x", "///x", "1", "::1", "20",
];

/// Whether some URI in normal form is found that a pattern of URIs stands for. The first `*` is
/// tried with a few texts and all others with one of these, so a pattern with digits of several
/// kinds may stand for one that is not found.
#[must_use]
pub fn stands_for_some_uri(pattern: &str) -> bool {
    let text = replace_expressions(pattern, '*');
    let Some((head, tail)) = text.split_once('*') else {
        return is_normal(&text);
    };
    TRIED.iter().any(|others| {
        let tail = tail.replace('*', others);
        let mut tried = TRIED.iter();
        tried.any(|first| is_normal(&format!("{head}{first}{tail}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_templates() {
        for (template, expected) in [
            ("table://{schema}/{table}", "table://*/*"),
            ("a:{x}{y}b", "a:**b"),
            ("a:{x", "a:{x"),
            ("a:}x{y}", "a:}x*"),
            ("a:{+p.q_r}/{/s-t*,u:3}", "a:*/*"),
            ("a:{/../b}", "a:{/../b}"),
            ("a:{}{b/c}{b}", "a:{}{b/c}{b}"),
        ] {
            assert_eq!(replace_expressions(template, '*'), expected);
        }
        for (pattern, expected) in [
            ("*", true),
            ("*secret*", true),
            ("file*", true),
            ("File*", false),
            ("secret", false),
            ("file:///secret/*", true),
            ("*://x/{+path}", true),
            ("table://{schema}/{table}", true),
            ("FILE:///*", false),
            ("file:///a/../*", false),
            ("a/b*", false),
            ("file:///{a", false),
            ("file:///{/../b}", false),
            ("file:*", true),
            ("https://*", true),
            ("*//host/a", true),
            ("file:///a", true),
            ("file://localhost/a", false),
        ] {
            assert_eq!(is_normal_pattern(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn it_finds_a_uri_that_a_pattern_stands_for() {
        for (pattern, expected) in [
            ("*", true),
            ("*secret*", true),
            ("file*", true),
            ("file:*", true),
            ("file:///secret/*", true),
            ("*://x/{+path}", true),
            ("table://{schema}/{table}", true),
            ("https://*", true),
            ("*//host/a", true),
            ("https://*.host/*", true),
            ("https://host:*/a", true),
            ("http://127.0.0.*/a", true),
            ("db://[*]/a", true),
            ("notes://a/b%*", true),
            ("file:///a", true),
            ("file://localhost/*", false),
            ("file://host/*", false),
            ("file:///a//*", false),
            ("file:///a/*#b", false),
            ("file:///a%2F*", false),
            ("file:///*?x", false),
            ("https://me@host/*", false),
            ("notes://a%40b/{name}", false),
        ] {
            assert_eq!(stands_for_some_uri(pattern), expected, "{pattern}");
        }
    }
}
