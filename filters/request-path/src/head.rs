//! The headers of a request, read in one pass and judged without the body.

mod for_proxies;
mod seen;

use mcp_message::{Era, header_text};
use policy_engine::wire::Exchange;
use policy_engine::{EndpointId, HeaderParameter, Policy};
use proxy_values::HeaderPairs;
use smallvec::SmallVec;

use crate::answer::Answer;
use crate::settings::Settings;
use seen::{Once, Seen};

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
    /// The headers of these names, behind the prefix, and values.
    pub(crate) fn of(headers: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        Self(headers)
    }

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
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) path: HeaderText,
    pub(crate) remove: Vec<Vec<u8>>,
    /// The headers with the caller's credentials, which only some servers are to see.
    pub(crate) credentials: Vec<&'static str>,
}

impl Head {
    /// Reads the headers and judges what can be judged without the body, in the order of the
    /// protocol's checklist.
    pub(crate) fn read(pairs: &HeaderPairs, settings: &Settings) -> Self {
        let seen = Seen::read(pairs);
        if seen.path.is_empty() || seen.pairs != pairs.count() {
            return Self::Refused {
                answer: Answer::headers_lost(),
                rest: Rest::MayNeverEnd,
            };
        }
        let policy = &settings.policy;
        let judged = match policy.endpoint(seen.path) {
            Some(endpoint) => Self::judge(&seen, endpoint, policy),
            None => Self::judge_other(&seen, settings),
        };
        judged.unwrap_or_else(|answer| Self::Refused {
            answer,
            rest: seen.rest(),
        })
    }

    /// Judges what is no MCP endpoint. A path that some server could take for one must not reach a
    /// server by another route, where nobody reads the message.
    fn judge_other(seen: &Seen<'_>, settings: &Settings) -> Result<Self, Answer> {
        seen.check_host(&settings.policy)?;
        if settings.endpoint_look_alikes.match_path(seen.path) {
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
        let is_post = match (policy.exchange(endpoint), seen.method) {
            (Exchange::Streamable | Exchange::Messages, b"POST") => true,
            (Exchange::Streamable, b"GET" | b"DELETE") | (Exchange::EventStream, b"GET") => false,
            (Exchange::Streamable, _) => {
                return Err(Answer::method_not_allowed("POST, GET, DELETE"));
            }
            (Exchange::EventStream, _) => return Err(Answer::method_not_allowed("GET")),
            (Exchange::Messages, _) => return Err(Answer::method_not_allowed("POST")),
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
                Era::Legacy(_) => seen.check_text().map(|()| Self::Bodyless {
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
        seen.check_text()?;
        let parameters = match era {
            Era::Modern => seen.parameters.iter(),
            Era::Legacy(_) => [].iter(),
        };
        let parameters = parameters.map(|(name, value)| (name.to_vec(), value.to_vec()));
        let announced = Announced {
            era,
            method,
            name,
            parameters: Parameters::of(parameters.collect()),
            length: seen.content_length,
        };
        Ok(Self::Message {
            endpoint,
            announced,
            changes,
        })
    }
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
                    // `charset*` and `charset*0` say it in the form of RFC 2231, to some readers.
                    match name.get(..b"charset".len()) {
                        Some(start) if start.eq_ignore_ascii_case(b"charset") => {
                            name.len() == start.len() && value.eq_ignore_ascii_case(b"utf-8")
                        }
                        _ => true,
                    }
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
            "application/json; charset*=utf-8''utf-7",
            "application/json; charset*0=utf-; Charset*1=7",
            "application/json, text/plain",
            "application/jsonp",
            "application/json x",
        ] {
            assert!(!is_json(value.as_bytes()), "{value}");
        }
    }
}
