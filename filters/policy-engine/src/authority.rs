//! The hosts and origins that a listener answers to (DNS rebinding: MCP transports, "Security
//! Warning").

/// The hosts that `Host` or `:authority` may name.
#[derive(Clone, Debug)]
pub(crate) struct AllowedHosts(Vec<Box<[u8]>>);

impl AllowedHosts {
    pub(crate) fn new(hosts: &[String]) -> Self {
        Self(
            hosts
                .iter()
                .map(|host| bare(host.as_bytes()).into())
                .collect(),
        )
    }

    pub(crate) fn allow(&self, authority: &[u8]) -> bool {
        let Some(host) = without_port(authority) else {
            return false;
        };
        let host = bare(host);
        // Nearly everyone writes the host as it is configured.
        self.0.iter().any(|allowed| {
            **allowed == *host || &**allowed == b"*" || allowed.eq_ignore_ascii_case(host)
        })
    }
}

/// The origins that a browser's request may come from.
#[derive(Clone, Debug)]
pub(crate) struct AllowedOrigins(Vec<OriginPattern>);

#[derive(Clone, Debug)]
enum OriginPattern {
    Any,
    Exact(Box<[u8]>),
    /// Scheme and host; any port, also none.
    AnyPort(Box<[u8]>),
}

impl AllowedOrigins {
    pub(crate) fn new(origins: &[String]) -> Self {
        Self(
            origins
                .iter()
                .map(|origin| match origin.strip_suffix(":*") {
                    _ if origin == "*" => OriginPattern::Any,
                    Some(stem) => OriginPattern::AnyPort(stem.as_bytes().into()),
                    None => OriginPattern::Exact(origin.as_bytes().into()),
                })
                .collect(),
        )
    }

    pub(crate) fn allow(&self, origin: &[u8]) -> bool {
        self.0.iter().any(|pattern| match pattern {
            OriginPattern::Any => true,
            OriginPattern::Exact(exact) => exact.eq_ignore_ascii_case(origin),
            OriginPattern::AnyPort(stem) => {
                let Some((head, port)) = origin.split_at_checked(stem.len()) else {
                    return false;
                };
                head.eq_ignore_ascii_case(stem)
                    && match port {
                        [] => true,
                        [b':', digits @ ..] => is_port(digits),
                        _ => false,
                    }
            }
        })
    }
}

/// The host part of `host`, `host:port`, `[v6]` or `[v6]:port`; nothing where the text is none of
/// these.
fn without_port(authority: &[u8]) -> Option<&[u8]> {
    let (host, port) = if authority.starts_with(b"[") {
        let end = authority.iter().position(|byte| *byte == b']')? + 1;
        authority.split_at_checked(end)?
    } else {
        let end = memchr::memchr(b':', authority).unwrap_or(authority.len());
        authority.split_at_checked(end)?
    };
    let port_is_right = match port {
        [] => true,
        [b':', digits @ ..] => is_port(digits),
        _ => false,
    };
    (!host.is_empty() && port_is_right).then_some(host)
}

/// An address of IPv6 without its brackets, so that `::1` and `[::1]` in a configuration are the
/// same.
fn bare(host: &[u8]) -> &[u8] {
    host.strip_prefix(b"[")
        .and_then(|inner| inner.strip_suffix(b"]"))
        .unwrap_or(host)
}

fn is_port(digits: &[u8]) -> bool {
    (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_compares_hosts_without_their_port() {
        let hosts = AllowedHosts::new(&["127.0.0.1", "localhost", "::1"].map(str::to_owned));
        for allowed in [
            "127.0.0.1",
            "127.0.0.1:10000",
            "LocalHost:1",
            "[::1]",
            "[::1]:10000",
        ] {
            assert!(hosts.allow(allowed.as_bytes()), "{allowed}");
        }
        for refused in [
            "",
            ":10000",
            "evil.example",
            "localhost.evil.example",
            "localhost:",
            "localhost:x",
            "localhost:1:2",
            "localhost@evil.example",
            "127.0.0.1evil",
            "[::1]evil",
            "[::1",
            "localhost:123456",
            "\u{ff}",
        ] {
            assert!(!hosts.allow(refused.as_bytes()), "{refused}");
        }
        assert!(!hosts.allow(b"\xff\xfe"));
        assert!(AllowedHosts::new(&["*".to_owned()]).allow(b"evil.example:80"));
        assert!(!AllowedHosts::new(&["*".to_owned()]).allow(b""));
    }

    #[test]
    fn it_compares_origins_with_any_port_only_where_the_pattern_says_so() {
        let origins = AllowedOrigins::new(
            &[
                "http://localhost:*",
                "http://[::1]:*",
                "https://console.example",
            ]
            .map(str::to_owned),
        );
        for allowed in [
            "http://localhost",
            "http://localhost:3000",
            "HTTP://LOCALHOST:3000",
            "http://[::1]:1",
            "https://console.example",
        ] {
            assert!(origins.allow(allowed.as_bytes()), "{allowed}");
        }
        for refused in [
            "",
            "null",
            "https://localhost:3000",
            "http://localhost.evil.example",
            "http://localhost:3000/x",
            "http://localhost:",
            "http://localhost:3000.evil.example",
            "https://console.example:444",
            "http://evil.example",
        ] {
            assert!(!origins.allow(refused.as_bytes()), "{refused}");
        }
        assert!(AllowedOrigins::new(&["*".to_owned()]).allow(b"null"));
        assert!(!AllowedOrigins::new(&[]).allow(b"http://localhost"));
    }
}
