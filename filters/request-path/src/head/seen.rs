//! The headers of a request, collected in one pass.

use policy_engine::Policy;
use policy_engine::wire::CLUSTER_HEADER;
use proxy_values::HeaderPairs;
use smallvec::SmallVec;

use super::Rest;
use super::for_proxies::is_for_proxies;
use crate::answer::Answer;

/// A header that must not be repeated.
#[derive(Clone, Copy, Default)]
pub(super) enum Once<'a> {
    #[default]
    Absent,
    One(&'a [u8]),
    Repeated,
}

impl<'a> Once<'a> {
    pub(super) fn see(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Absent => Self::One(value),
            _ => Self::Repeated,
        };
    }

    pub(super) fn value(self, name: &str) -> Result<Option<&'a [u8]>, Answer> {
        match self {
            Self::Absent => Ok(None),
            Self::One(value) => Ok(Some(value)),
            Self::Repeated => Err(Answer::header_mismatch(format!(
                "the header {name} occurs twice; send it once"
            ))),
        }
    }
}

/// The headers that matter here, as they came.
#[derive(Default)]
pub(super) struct Seen<'a> {
    pub(super) method: &'a [u8],
    pub(super) path: &'a [u8],
    pub(super) authority: Once<'a>,
    pub(super) origins: Vec<&'a [u8]>,
    pub(super) content_type: Once<'a>,
    pub(super) content_encoding: Once<'a>,
    pub(super) content_length: Option<usize>,
    pub(super) version: Once<'a>,
    pub(super) mcp_method: Once<'a>,
    pub(super) mcp_name: Once<'a>,
    pub(super) tunnel: bool,
    /// The name of a header whose value is not UTF-8.
    unreadable: Option<&'a [u8]>,
    /// `Mcp-*` headers, which only the modern era defines.
    pub(super) modern_only: SmallVec<[&'a [u8]; 4]>,
    /// Of these, the `Mcp-Param-*` ones, without the prefix.
    pub(super) parameters: Vec<(&'a [u8], &'a [u8])>,
    /// Headers that no client may send a server.
    unwanted: Vec<&'a [u8]>,
    pub(super) credentials: Vec<&'static str>,
    /// How many pairs could be read.
    pub(super) pairs: usize,
}

impl<'a> Seen<'a> {
    pub(super) fn read(pairs: &'a HeaderPairs) -> Self {
        let mut seen = Self::default();
        let are_ascii = pairs.are_ascii();
        for (name, value) in pairs.iter() {
            seen.pairs += 1;
            if !are_ascii && std::str::from_utf8(value).is_err() {
                seen.unreadable = Some(name);
            }
            match name {
                b":method" => seen.method = value,
                b":path" => seen.path = value,
                b":authority" | b"host" => seen.authority.see(value),
                b":protocol" | b"upgrade" => seen.tunnel = true,
                b"origin" => seen.origins.push(value),
                b"content-type" => seen.content_type.see(value),
                b"content-encoding" => seen.content_encoding.see(value),
                // Envoy has checked that there is one, and that the body has this many bytes.
                b"content-length" => seen.content_length = decimal(value),
                b"mcp-protocol-version" => seen.version.see(value),
                b"mcp-method" => {
                    seen.mcp_method.see(value);
                    seen.modern_only.push(name);
                }
                b"mcp-name" => {
                    seen.mcp_name.see(value);
                    seen.modern_only.push(name);
                }
                b"authorization" => seen.credentials.push("authorization"),
                b"proxy-authorization" => seen.credentials.push("proxy-authorization"),
                b"cookie" => seen.credentials.push("cookie"),
                _ if name == CLUSTER_HEADER.as_bytes() || is_for_proxies(name) => {
                    seen.unwanted.push(name);
                }
                _ => {
                    if let Some(parameter) = name.strip_prefix(b"mcp-param-") {
                        seen.parameters.push((parameter, value));
                        seen.modern_only.push(name);
                    }
                }
            }
        }
        seen
    }

    /// Programs behind read such a value each in their own way, or break at it; so it goes no
    /// further than here.
    pub(super) fn check_text(&self) -> Result<(), Answer> {
        self.unreadable
            .map_or(Ok(()), |name| Err(Answer::header_not_text(name)))
    }

    pub(super) fn unwanted(&self) -> Vec<Vec<u8>> {
        self.unwanted.iter().map(|name| name.to_vec()).collect()
    }

    pub(super) fn rest(&self) -> Rest {
        match (self.method, self.content_length) {
            // What follows an upgrade is no body, whatever length was announced.
            _ if self.tunnel => Rest::MayNeverEnd,
            (b"POST", _) | (_, Some(_)) => Rest::Ends,
            (_, None) => Rest::MayNeverEnd,
        }
    }

    pub(super) fn check_host(&self, policy: &Policy) -> Result<(), Answer> {
        match self.authority {
            Once::One(host) if policy.host_allowed(host) => Ok(()),
            Once::One(host) => Err(Answer::host_not_allowed(host)),
            Once::Absent | Once::Repeated => Err(Answer::host_not_allowed(b"")),
        }
    }
}

/// The number that a `Content-Length` says; nothing where it is no number.
fn decimal(value: &[u8]) -> Option<usize> {
    let digits = value.trim_ascii();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_usize, |number, digit| {
        let digit = usize::from(digit.wrapping_sub(b'0'));
        let is_digit = digit < 10;
        number
            .checked_mul(10)?
            .checked_add(digit)
            .filter(|_| is_digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_the_announced_length() {
        for (value, length) in [
            ("0", Some(0)),
            ("200", Some(200)),
            (" 7 ", Some(7)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1 2", None),
            ("0x10", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(decimal(value.as_bytes()), length, "{value}");
        }
    }
}
