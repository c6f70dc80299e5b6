//! How URIs are written, so that rules compare them as text.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a URI is written in the one way in which rules compare it: the normal form of RFC 3986
/// section 6.2.2, and of the further spellings that servers take for the same resource none. They
/// take an encoded letter for the letter (`%2F`, `%40`), two slashes for one, a path behind
/// `file://localhost` or `file:` for one behind `file://`, `https:host` for `https://host/`, and
/// what is behind `#` for nothing (the URL standard's reader, RFC 8089, decoders of paths), and an
/// empty host or query for none (`x:/a` and `x:///a`, Python's `urllib`).
pub(crate) fn is_normal(uri: &str) -> bool {
    let Some(parts) = Parts::of(uri) else {
        return false;
    };
    let mut controls = uri.as_bytes().windows(3);
    parts.are_normal()
        && !uri.contains('#')
        && !matches!(uri.split_once('?'), Some((_, "")))
        && match parts.host {
            None => !parts.path.starts_with('/'),
            Some(host) => !host.is_empty() || !parts.path.is_empty(),
        }
        && parts.host.is_none_or(has_one_spelling)
        && !parts.path.contains("//")
        && !parts.host.is_some_and(encodes_needlessly)
        && !encodes_needlessly(parts.path)
        && !controls.any(|byte| matches!(byte, [b'%', b'0' | b'1', _] | b"%7F"))
        && match parts.scheme {
            "file" => parts.host == Some("") && parts.path.starts_with('/') && !uri.contains('?'),
            "http" | "ws" => parts.is_of_the_web(":80"),
            "https" | "wss" => parts.is_of_the_web(":443"),
            "ftp" => parts.is_of_the_web(":21"),
            _ => true,
        }
}

/// Whether a letter that may stand in a host or a path by itself is encoded there: decoders take it
/// for that letter, and a backslash for a slash.
fn encodes_needlessly(text: &str) -> bool {
    let digits = text.split('%').skip(1).filter_map(|behind| behind.get(..2));
    let mut bytes = digits.filter_map(|digits| u8::from_str_radix(digits, 16).ok());
    bytes.any(|byte| b"/\\:@[]!$&'()*+,;=".contains(&byte))
}

/// Whether nothing of what is between `//` and the path goes without saying: an empty user or
/// password, an empty port, or zeros before one, and that an IPv6 address is written as short as
/// RFC 5952 has it.
fn has_one_spelling(host: &str) -> bool {
    let (user, host) = host.rsplit_once('@').unwrap_or(("user", host));
    let is_plain_user = !user.contains(['@', ';', '=', '[', ']'])
        && user.matches(':').count() <= 1
        && !user.is_empty()
        && !user.ends_with(':');
    let port = match host.strip_prefix('[') {
        Some(inside) => {
            let (address, behind) = inside.split_once(']').unwrap_or_default();
            let canonical = address
                .parse::<Ipv6Addr>()
                .map(|address| address.to_string());
            if canonical.as_deref() != Ok(address) || address.contains('.') {
                return false;
            }
            behind.strip_prefix(':')
        }
        None => host.rsplit_once(':').map(|(_, port)| port),
    };
    is_plain_user && port.is_none_or(|port| !port.is_empty() && !port.starts_with('0'))
}

/// The parts of a URI (RFC 3986 section 3).
pub(crate) struct Parts<'a> {
    scheme: &'a str,
    /// All behind the scheme.
    rest: &'a str,
    /// User, host and port between `//` and the path, if there is `//`.
    host: Option<&'a str>,
    path: &'a str,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(uri: &'a str) -> Option<Self> {
        let (scheme, rest) = uri.split_once(':')?;
        let hierarchy = rest.split(['?', '#']).next().unwrap_or_default();
        let (host, path) = match hierarchy.strip_prefix("//") {
            Some(hierarchy) => {
                let end = hierarchy.find('/').unwrap_or(hierarchy.len());
                let (host, path) = hierarchy.split_at(end);
                (Some(host), path)
            }
            None => (None, hierarchy),
        };
        Some(Self {
            scheme,
            rest,
            host,
            path,
        })
    }

    /// Whether all parts are in the normal form of RFC 3986 section 6.2.2.
    pub(crate) fn are_normal(&self) -> bool {
        let scheme = self.scheme;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
            && scheme.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte)
            });
        // Some leave the parameters of a segment out before they look at it.
        let mut segments = self.path.split('/');
        let leads_elsewhere = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
        is_scheme
            && are_characters(self.rest.as_bytes())
            && !self.host.is_some_and(has_capitals)
            && !segments.any(leads_elsewhere)
    }

    /// Whether a host and a path are there, and the host has the one spelling that the URL standard
    /// gives it: no port that goes without saying, no user, no number but an IPv4 address.
    fn is_of_the_web(&self, port: &str) -> bool {
        let Some(host) = self.host else {
            return false;
        };
        let name = match host.starts_with('[') {
            true => host,
            false => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_number = last.starts_with(|first: char| first.is_ascii_digit());
        self.path.starts_with('/')
            && !name.is_empty()
            && !host.contains(['@', '%'])
            && !self.rest.contains('\'')
            && !name.ends_with('.')
            && !host.ends_with(port)
            && (!is_number || name.parse::<Ipv4Addr>().is_ok())
    }
}

/// Whether a host has capital letters besides those of what is encoded.
fn has_capitals(host: &str) -> bool {
    let mut pieces = host.split('%');
    let first = pieces.next().into_iter();
    let others = pieces.filter_map(|behind| behind.get(2..));
    first
        .chain(others)
        .any(|text| text.contains(|c: char| c.is_ascii_uppercase()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_uris_in_normal_form() {
        for uri in [
            "file:///a/b",
            "file:///a/b/",
            "result://node-3/r/7",
            "table://public/orders?limit=5",
            "urn:isbn:0451450523",
            "a+b-c.1:x",
            "https://[::1]:80/a%20b/~x?to=https%3A%2F%2Fhost%2F",
            "x:",
            "x://host",
            "https://host/..a/.b/c..;d",
            "http://127.0.0.1:8080/a",
            "https://1.host:80/a",
            "postgres://me:secret@host:5432/a",
            "notes://caf%C3%A9/x%3Fy%20z?who=%26%3D'a'",
            "db://[::1]:80/a",
            "http://[2001:db8::1]:8080/a",
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
            // What decoders and readers of paths take for another text.
            "file:///a%2Fb",
            "file:///a/..%2Fb",
            "file:///a%5Cb",
            "x://host/a%2Fb",
            "file:////a",
            "file:///a//b",
            "x:a//b",
            "file:///a/..;x/b",
            "file:///a%00",
            "file:///a%1F",
            "file:///a%7F",
            "table://a/b#c",
            "file:///a#",
            "file:///a?b",
            "file://localhost/a",
            "file://host/a",
            "file:/a",
            "file:a",
            "file://",
            // What `urllib` takes for `x:///a`, `x:` and `x://a`.
            "x:/a",
            "x:/",
            "x://",
            "x://a?",
            "x:a?",
            // What the URL standard writes otherwise.
            "mail://ceo%40corp.example/inbox",
            "notes://bob/a%26b",
            "notes://bob/a%3Ab",
            "notes://bob/a%2Ab",
            "db://[0:0::1]/a",
            "db://[::1.2.3.4]/a",
            "notes://a@b@c",
            "notes://a:b:c@d",
            "https://host/find?who=o'brien",
            "notes://CAF%C3%A9/x",
            "notes://bob:/x",
            "notes://@bob/x",
            "notes://:@bob/x",
            "notes://me:@bob/x",
            "notes://bob:080/x",
            "https://host",
            "https:host/a",
            "https:/host/a",
            "https:///host/a",
            "https://host:443/a",
            "http://host:80/a",
            "ws://host:80/a",
            "wss://host:443/a",
            "ftp://host:21/a",
            "https://host:/a",
            "https://host./a",
            "https://host.:1/a",
            "https://me@host/a",
            "https://h%20st/a",
            "http://[0:0:0:0:0:0:0:1]/a",
            "http://[::0001]/a",
            "http://[::ffff:127.0.0.1]/a",
            "http://[::1/a",
            "http://127.1/a",
            "http://0x7f.0.0.1/a",
            "http://127.0.0.01/a",
            "http://2130706433/a",
        ] {
            assert!(!is_normal(uri), "{uri}");
        }
    }
}
