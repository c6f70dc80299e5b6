//! The headers of a request, read in one pass and judged without the body.

use mcp_message::{Era, header_text};
use policy_engine::wire::CLUSTER_HEADER;
use policy_engine::{EndpointId, HeaderParameter, Policy};
use proxy_host::HeaderPairs;
use smallvec::SmallVec;

use crate::answer::Answer;
use crate::plugin::Plugin;

/// Envoy's own header for the time that an upstream may take, in milliseconds.
pub(crate) const TIMEOUT: &str = "x-envoy-upstream-rq-timeout-ms";
/// Envoy's own header that tells the upstream how long it has, in milliseconds. The router would
/// send it too, but not on a listener that hides Envoy's headers.
pub(crate) const EXPECTED_TIMEOUT: &str = "x-envoy-expected-rq-timeout-ms";

/// The fate of a request, by its headers.
pub(crate) enum Head {
    /// Its path is no MCP endpoint, nor like one: another route's.
    NotOurs { remove: Vec<Vec<u8>> },
    /// A POST, whose body must be read.
    Message {
        endpoint: EndpointId,
        announced: Announced,
        changes: Changes,
    },
    /// A GET or DELETE of the legacy era.
    Bodyless {
        endpoint: EndpointId,
        changes: Changes,
        rest: Rest,
    },
    /// It is answered here.
    Refused { answer: Answer, rest: Rest },
}

/// Whether the end of what follows the headers can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Its length is announced, or it is the body of a POST.
    Ends,
    /// Nobody announced anything, as where an upgrade was attempted: Envoy shows no header of it,
    /// and the client sends nothing before it is answered.
    MayNeverEnd,
}

/// A path, method or name of a header: those that people give take no allocation.
pub(crate) type HeaderText = SmallVec<[u8; 48]>;

/// The statements of the headers about the body.
#[derive(Debug)]
pub(crate) struct Announced {
    pub(crate) era: Era,
    /// `Mcp-Method`, on the modern era.
    pub(crate) method: Option<HeaderText>,
    /// `Mcp-Name`, decoded, on the modern era.
    pub(crate) name: Option<HeaderText>,
    /// The `Mcp-Param-*` headers, on the modern era.
    pub(crate) parameters: Parameters,
    /// How many bytes the body has, where that is said.
    pub(crate) length: Option<usize>,
}

/// The `Mcp-Param-*` headers of a request: what follows the prefix, in lower case, and the value as
/// sent.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(Vec<u8>, Vec<u8>)>);

impl Parameters {
    /// The value of the one header that a tool's parameter names; none where nobody sent it.
    pub(crate) fn value(&self, parameter: &HeaderParameter) -> Result<Option<&[u8]>, Answer> {
        let mut seen = Once::default();
        for (name, value) in &self.0 {
            if parameter.is_named(name) {
                seen.see(value);
            }
        }
        seen.value(&format!("Mcp-Param-{}", parameter.header()))
    }
}

/// Headers that must not go upstream as the client sent them.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) path: HeaderText,
    pub(crate) remove: Vec<Vec<u8>>,
    /// The headers with the caller's credentials, which only some servers are to see.
    pub(crate) credentials: Vec<&'static str>,
}

/// A header that must not be repeated.
#[derive(Clone, Copy, Default)]
enum Once<'a> {
    #[default]
    Absent,
    One(&'a [u8]),
    Repeated,
}

impl<'a> Once<'a> {
    fn see(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Absent => Self::One(value),
            _ => Self::Repeated,
        };
    }

    fn value(self, name: &str) -> Result<Option<&'a [u8]>, Answer> {
        match self {
            Self::Absent => Ok(None),
            Self::One(value) => Ok(Some(value)),
            Self::Repeated => Err(Answer::header_mismatch(format!(
                "the header {name} occurs twice; send it once"
            ))),
        }
    }
}

#[derive(Default)]
struct Seen<'a> {
    method: &'a [u8],
    path: &'a [u8],
    authority: Once<'a>,
    origins: Vec<&'a [u8]>,
    content_type: Once<'a>,
    content_encoding: Once<'a>,
    content_length: Option<usize>,
    version: Once<'a>,
    mcp_method: Once<'a>,
    mcp_name: Once<'a>,
    tunnel: bool,
    /// The name of a header whose value is not UTF-8.
    unreadable: Option<&'a [u8]>,
    /// `Mcp-*` headers, which only the modern era defines.
    modern_only: SmallVec<[&'a [u8]; 4]>,
    /// Of these, the `Mcp-Param-*` ones, without the prefix.
    parameters: Vec<(&'a [u8], &'a [u8])>,
    /// Headers that no client may send a server.
    unwanted: Vec<&'a [u8]>,
    credentials: Vec<&'static str>,
    /// How many pairs could be read.
    pairs: usize,
}

impl<'a> Seen<'a> {
    fn read(pairs: &'a HeaderPairs) -> Self {
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
    fn is_text(&self) -> Result<(), Answer> {
        self.unreadable
            .map_or(Ok(()), |name| Err(Answer::header_not_text(name)))
    }

    fn unwanted(&self) -> Vec<Vec<u8>> {
        self.unwanted.iter().map(|name| name.to_vec()).collect()
    }

    fn rest(&self) -> Rest {
        match (self.method, self.content_length) {
            // What follows an upgrade is no body, whatever length was announced.
            _ if self.tunnel => Rest::MayNeverEnd,
            (b"POST", _) | (_, Some(_)) => Rest::Ends,
            (_, None) => Rest::MayNeverEnd,
        }
    }

    fn check_host(&self, policy: &Policy) -> Result<(), Answer> {
        match self.authority {
            Once::One(host) if policy.host_allowed(host) => Ok(()),
            Once::One(host) => Err(Answer::host_not_allowed(host)),
            Once::Absent | Once::Repeated => Err(Answer::host_not_allowed(b"")),
        }
    }
}

/// Behind `x-`, the headers by which a proxy tells a server of the request that it had itself:
/// another method, path, host or scheme (ASP.NET and OData: `x-http-method`; IIS and Symfony:
/// `x-original-url`, `x-rewrite-url`; WSGI: `x-script-name`), or what only Envoy may say. A server
/// that believes a client's own obeys another request than the one that was judged, and Envoy's
/// router takes time-outs and retries from some.
const PROXYS_STATEMENTS: [&[u8]; 5] = [
    b"envoy-",
    b"forwarded-",
    b"http-",
    b"original-",
    b"rewrite-",
];

/// Of these, the ones that Envoy writes, or adds to, before the filter sees them.
const ENVOYS_OWN: [&[u8]; 4] = [
    b"envoy-external-address",
    b"forwarded-client-cert",
    b"forwarded-for",
    b"forwarded-proto",
];

/// Whether a client's header of this name must not reach a server: it belongs to one connection
/// (RFC 9110 section 7.6.1; those that Envoy itself takes away are not named), or it says what only
/// a proxy may say.
fn is_for_proxies(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"x-") else {
        return matches!(
            name,
            b"forwarded"
                | b"front-end-https"
                | b"http2-settings"
                | b"proxy-authenticate"
                | b"te"
                | b"trailer"
        );
    };
    let is_known = matches!(
        rest,
        b"forwarded"
            | b"host"
            | b"method"
            | b"method-override"
            | b"proxy-host"
            | b"proxy-url"
            | b"scheme"
            | b"script-name"
            | b"url-scheme"
    );
    is_known
        || PROXYS_STATEMENTS
            .iter()
            .any(|begin| rest.starts_with(begin))
            && !ENVOYS_OWN.contains(&rest)
}

impl Head {
    /// Reads the headers and judges what can be judged without the body, in the order of the
    /// protocol's checklist.
    pub(crate) fn read(pairs: &HeaderPairs, plugin: &Plugin) -> Self {
        let seen = Seen::read(pairs);
        if seen.path.is_empty() || seen.pairs != pairs.count() {
            return Self::Refused {
                answer: Answer::headers_lost(),
                rest: Rest::MayNeverEnd,
            };
        }
        let policy = &plugin.policy;
        let judged = match policy.endpoint(seen.path) {
            Some(endpoint) => Self::judge(&seen, endpoint, policy),
            None => Self::judge_other(&seen, plugin),
        };
        judged.unwrap_or_else(|answer| Self::Refused {
            answer,
            rest: seen.rest(),
        })
    }

    /// Judges what is no MCP endpoint. A path that some server could take for one must not reach a
    /// server by another route, where nobody reads the message.
    fn judge_other(seen: &Seen<'_>, plugin: &Plugin) -> Result<Self, Answer> {
        seen.check_host(&plugin.policy)?;
        if plugin.endpoint_look_alikes.match_path(seen.path) {
            return Err(Answer::no_such_path());
        }
        Ok(Self::NotOurs {
            remove: seen.unwanted(),
        })
    }

    fn judge(seen: &Seen<'_>, endpoint: EndpointId, policy: &Policy) -> Result<Self, Answer> {
        if seen.tunnel {
            return Err(Answer::upgrade());
        }
        let is_post = match seen.method {
            b"POST" => true,
            b"GET" | b"DELETE" => false,
            _ => return Err(Answer::method_not_allowed("POST, GET, DELETE")),
        };
        seen.check_host(policy)?;
        if let Some(origin) = seen
            .origins
            .iter()
            .find(|origin| !policy.origin_allowed(origin))
        {
            return Err(Answer::origin_not_allowed(origin));
        }
        let version = seen.version.value("MCP-Protocol-Version")?;
        let mcp_method = seen.mcp_method.value("Mcp-Method")?;
        let mcp_name = seen.mcp_name.value("Mcp-Name")?;
        let era = Era::of_header(version)
            .map_err(|error| Answer::unsupported_version(error, version.unwrap_or_default()))?;
        let mut changes = Changes {
            path: HeaderText::from_slice(seen.path),
            remove: seen.unwanted(),
            credentials: seen.credentials.clone(),
        };
        if matches!(era, Era::Legacy(_)) {
            // An older server does not look at them, so what they say was never checked: nobody
            // behind may trust them.
            changes
                .remove
                .extend(seen.modern_only.iter().map(|name| name.to_vec()));
        }
        if !is_post {
            return match era {
                Era::Modern => Err(Answer::method_not_allowed("POST")),
                Era::Legacy(_) => seen.is_text().map(|()| Self::Bodyless {
                    endpoint,
                    changes,
                    rest: seen.rest(),
                }),
            };
        }
        match seen.content_type {
            Once::One(value) if is_json(value) => {}
            _ => return Err(Answer::content_type()),
        }
        match seen.content_encoding {
            Once::Absent => {}
            Once::One(value) if value.trim_ascii().eq_ignore_ascii_case(b"identity") => {}
            _ => return Err(Answer::content_encoding()),
        }
        let (method, name) = match era {
            Era::Modern => (
                mcp_method.map(|value| HeaderText::from_slice(value.trim_ascii())),
                match mcp_name.map(header_text).transpose() {
                    Ok(name) => name.map(|name| HeaderText::from_slice(&name)),
                    Err(error) => {
                        return Err(Answer::header_mismatch(format!(
                            "the header Mcp-Name {error}"
                        )));
                    }
                },
            ),
            Era::Legacy(_) => (None, None),
        };
        // After `Mcp-Name`, whose faults have a code of their own.
        seen.is_text()?;
        let parameters = match era {
            Era::Modern => seen.parameters.iter(),
            Era::Legacy(_) => [].iter(),
        };
        let parameters = parameters.map(|(name, value)| (name.to_vec(), value.to_vec()));
        let announced = Announced {
            era,
            method,
            name,
            parameters: Parameters(parameters.collect()),
            length: seen.content_length,
        };
        Ok(Self::Message {
            endpoint,
            announced,
            changes,
        })
    }
}

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

/// Whether a `Content-Type` is JSON in UTF-8 (RFC 8259 section 8.1).
fn is_json(value: &[u8]) -> bool {
    if value == b"application/json" {
        return true;
    }
    let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let is_json = parts
        .next()
        .is_some_and(|media| media.eq_ignore_ascii_case(b"application/json"));
    is_json
        && parts.all(
            |parameter| match parameter.iter().position(|byte| *byte == b'=') {
                Some(at) => {
                    let (name, value) = parameter.split_at(at);
                    // RFC 9110 allows no white space around `=`; some readers skip it all the same.
                    let name = name.trim_ascii();
                    let value = value.get(1..).unwrap_or_default().trim_ascii();
                    let value = value
                        .strip_prefix(b"\"")
                        .and_then(|v| v.strip_suffix(b"\""))
                        .unwrap_or(value);
                    !name.eq_ignore_ascii_case(b"charset") || value.eq_ignore_ascii_case(b"utf-8")
                }
                None => parameter.is_empty(),
            },
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_json_from_other_content() {
        for value in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; profile=x;",
        ] {
            assert!(is_json(value.as_bytes()), "{value}");
        }
        for value in [
            "",
            "text/plain",
            "application/json; charset=utf-16",
            "application/json; charset =utf-16",
            "application/json; charset\t= utf-16",
            "application/json; charset = \"utf-16\"",
            "application/json, text/plain",
            "application/jsonp",
            "application/json x",
        ] {
            assert!(!is_json(value.as_bytes()), "{value}");
        }
    }

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

    #[test]
    fn it_knows_headers_that_only_a_proxy_may_write() {
        for name in [
            "forwarded",
            "te",
            "x-envoy-expected-rq-timeout-ms",
            "x-envoy-original-path",
            "x-envoy-upstream-rq-timeout-ms",
            "x-forwarded-host",
            "x-forwarded-prefix",
            "x-http-method",
            "x-http-method-override",
            "x-method-override",
            "x-original-url",
            "x-rewrite-url",
        ] {
            assert!(is_for_proxies(name.as_bytes()), "{name}");
        }
        for name in [
            "x-envoy",
            "x-envoy-external-address",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-hosting",
            "x-request-id",
            "forwarded-by",
            "accept",
        ] {
            assert!(!is_for_proxies(name.as_bytes()), "{name}");
        }
    }
}
