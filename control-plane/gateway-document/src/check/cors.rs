//! Checks origins of web pages.

use crate::document::Cors;
use crate::problem::{Pointer, Problems};

pub(super) fn check(cors: &Cors, at: &Pointer, problems: &mut Problems) {
    let origins = at.at("origins");
    if cors.origins.is_empty() {
        problems.add(
            origins.clone(),
            "no page could call; list origins such as `https://app.example`, or leave `cors` out",
        );
    }
    check_origins(&cors.origins, &origins, problems);
    if cors.credentials {
        check_credentials(&cors.origins, at.at("credentials"), problems);
    }
    if cors.methods.is_empty() {
        problems.add(
            at.at("methods"),
            "no page could call; list methods such as `GET`, or leave it out",
        );
    }
}

pub(super) fn check_origins(origins: &[String], at: &Pointer, problems: &mut Problems) {
    for (index, origin) in origins.iter().enumerate() {
        if !is_origin(origin) {
            problems.add(
                at.at(index),
                format!(
                    "`{origin}` is no origin; write scheme and host, such as \
                     `https://app.example`, `http://localhost:*` for any port, or `*` for any"
                ),
            );
        }
    }
}

/// With both, any page on the web could act as whoever looks at it.
pub(super) fn check_credentials(origins: &[String], at: Pointer, problems: &mut Problems) {
    if origins.iter().any(|origin| origin == "*") {
        problems.add(
            at,
            "any page on the web could act as whoever looks at it; list the origins that may, or \
             leave `credentials` out",
        );
    }
}

/// Whether a text is an origin as browsers write them (RFC 6454 section 6.2), or stands for some.
fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let host = authority.strip_suffix(":*").unwrap_or(authority);
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    !scheme.is_empty()
        && scheme.bytes().all(is_scheme)
        && !host.is_empty()
        && host.bytes().all(may_stand)
}

#[cfg(test)]
mod tests {
    use super::is_origin;

    #[test]
    fn it_knows_origins() {
        for origin in [
            "*",
            "https://app.example",
            "http://[::1]:*",
            "http://localhost:3000",
        ] {
            assert!(is_origin(origin), "{origin}");
        }
        for text in [
            "",
            "app.example",
            "https://",
            "https://a/b",
            "https://*.example",
            "null",
        ] {
            assert!(!is_origin(text), "{text}");
        }
    }
}
