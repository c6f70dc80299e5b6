//! URLs of MCP endpoints.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

use super::authority::UpstreamAuthority;

/// The URL of an MCP endpoint: scheme, host, port and path, nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointUrl {
    url: Url,
    authority: UpstreamAuthority,
}

/// The reason why a text is not the URL of an MCP endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not the URL of an MCP endpoint: {reason}")]
pub struct InvalidUrl {
    text: String,
    reason: &'static str,
}

impl EndpointUrl {
    /// The scheme: `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.url.scheme()
    }

    /// The host and port to connect to.
    #[must_use]
    pub fn authority(&self) -> &UpstreamAuthority {
        &self.authority
    }

    /// The path of the endpoint on the server.
    #[must_use]
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The whole URL as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }
}

impl FromStr for EndpointUrl {
    type Err = InvalidUrl;
    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let invalid = |reason| InvalidUrl {
            // A password that somebody put here must not come back in an answer or a log line.
            text: if text.contains('@') {
                "…".to_owned()
            } else {
                text.to_owned()
            },
            reason,
        };
        let url =
            Url::parse(text).map_err(|_| invalid("write it like `http://127.0.0.1:8000/mcp`"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid("its scheme is neither `http` nor `https`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid(
                "take the user and password out; a URL is shown in logs and answers",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("take everything from `?` or `#` on out"));
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(invalid("it names no host"));
        };
        let authority = format!("{host}:{port}")
            .parse()
            .map_err(|_| invalid("its host or port cannot be connected to"))?;
        Ok(Self { url, authority })
    }
}

impl TryFrom<String> for EndpointUrl {
    type Error = InvalidUrl;
    fn try_from(text: String) -> Result<Self, InvalidUrl> {
        text.parse()
    }
}

impl From<EndpointUrl> for String {
    fn from(endpoint: EndpointUrl) -> String {
        endpoint.url.into()
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl schemars::JsonSchema for EndpointUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EndpointUrl".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "uri",
            "pattern": "^https?://[^/?#@]+(/[^?#]*)?$"})
    }
}
