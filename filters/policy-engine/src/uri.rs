//! How URIs are written, so that rules compare them as text.

/// Whether a URI is written in the one way in which rules compare it: a scheme, and behind it what
/// RFC 3986 section 2 allows, in the normal form of its section 6.2.2. A server may take other
/// spellings for the same resource: letters of scheme and host of either case, a percent sign
/// before what needs none, `.` and `..` between slashes.
fn is_normal(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
        });
    let hierarchy = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = match hierarchy.strip_prefix("//") {
        Some(hierarchy) => hierarchy.split_at(hierarchy.find('/').unwrap_or(hierarchy.len())),
        None => ("", hierarchy),
    };
    is_scheme
        && are_characters(rest.as_bytes())
        && !host.bytes().any(|byte| byte.is_ascii_uppercase())
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// Whether all bytes may stand in a URI, each by itself or behind a percent sign, as it must.
fn are_characters(mut rest: &[u8]) -> bool {
    while let [first, behind @ ..] = rest {
        rest = behind;
        let is_right = match first {
            b'%' => {
                let [high, low, behind @ ..] = rest else {
                    return false;
                };
                rest = behind;
                let byte = digit(*high).zip(digit(*low));
                byte.is_some_and(|(high, low)| !is_unreserved(high << 4 | low))
            }
            byte => is_unreserved(*byte) || b":/?#[]@!$&'()*+,;=".contains(byte),
        };
        if !is_right {
            return false;
        }
    }
    true
}

/// The value of a hexadecimal digit, if it is written as a normal form has it.
fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// A template of URIs (RFC 6570) with a letter in the place of each expression; a brace that opens
/// or closes none stays.
pub(crate) fn replace_expressions(template: &str, letter: char) -> String {
    let mut replaced = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        let Some((_, after)) = behind.split_once('}') else {
            break;
        };
        replaced.push_str(before);
        replaced.push(letter);
        rest = after;
    }
    replaced.push_str(rest);
    replaced
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
        true => is_normal(&format!("{before}{text}{behind}")),
        false => is_normal(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_uris_in_normal_form() {
        for uri in [
            "file:///a/b",
            "result://node-3/r/7",
            "table://public/orders?limit=5#x",
            "urn:isbn:0451450523",
            "a+b-c.1:x",
            "https://[::1]:80/a%20b%2Fc/~x",
            "x:",
            "https://host",
            "https://host/..a/.b/c..",
        ] {
            assert!(is_normal(uri), "{uri}");
        }
        for uri in [
            "",
            "no-scheme",
            "/a/b",
            "File:///a",
            "1a:b",
            ":b",
            "https://Host/a",
            "file:///a/./b",
            "file:///a/../b",
            "file:///a/..",
            "file:..",
            "file:///%61",
            "file:///%2e%2e/a",
            "file:///%2f",
            "file:///a%",
            "file:///a%2",
            "file:///a%2g",
            "file:///a b",
            "file:///a\\b",
            "file:///a\u{0}",
            "file:///\u{e9}",
            "file:///{name}",
            " file:///a",
        ] {
            assert!(!is_normal(uri), "{uri}");
        }
    }

    #[test]
    fn it_reads_templates() {
        for (template, expected) in [
            ("table://{schema}/{table}", "table://*/*"),
            ("a:{x}{y}b", "a:**b"),
            ("a:{x", "a:{x"),
            ("a:}x{y}", "a:}x*"),
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
        ] {
            assert_eq!(is_normal_pattern(pattern), expected, "{pattern}");
        }
    }
}
