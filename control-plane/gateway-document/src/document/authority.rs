//! Hosts and ports to connect to.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Host;

/// A host and a port to connect to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UpstreamAuthority {
    host: Host,
    port: u16,
}

/// The reason why a text is no [`UpstreamAuthority`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a host and a port: write it like `10.0.0.5:8001`, `[::1]:8001` or \
     `tools.internal:8001`"
)]
pub struct InvalidAuthority(String);

impl UpstreamAuthority {
    /// The IP address, unless the host is a name that has to be resolved.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    /// The host as Envoy wants it: a name, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }

    /// The port, never 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for UpstreamAuthority {
    type Err = InvalidAuthority;
    fn from_str(text: &str) -> Result<Self, InvalidAuthority> {
        let invalid = || InvalidAuthority(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(invalid)?;
        let host = Host::parse(host).map_err(|_| invalid())?;
        Ok(Self { host, port })
    }
}

impl TryFrom<String> for UpstreamAuthority {
    type Error = InvalidAuthority;
    fn try_from(text: String) -> Result<Self, InvalidAuthority> {
        text.parse()
    }
}

impl From<UpstreamAuthority> for String {
    fn from(authority: UpstreamAuthority) -> String {
        authority.to_string()
    }
}

impl fmt::Display for UpstreamAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl JsonSchema for UpstreamAuthority {
    fn schema_name() -> Cow<'static, str> {
        "HostAndPort".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^.+:[0-9]{1,5}$"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_addresses_from_names() {
        let cases = [
            ("10.0.0.5:8001", Some("10.0.0.5"), "10.0.0.5:8001"),
            ("[::1]:80", Some("::1"), "[::1]:80"),
            ("Tools.internal:8001", None, "tools.internal:8001"),
        ];
        for (text, ip, written) in cases {
            let authority: UpstreamAuthority = text.parse().unwrap();
            assert_eq!(authority.ip().map(|ip| ip.to_string()).as_deref(), ip);
            assert_eq!(authority.to_string(), written);
        }
    }

    #[test]
    fn it_refuses_what_nothing_listens_on() {
        for text in [
            "host",
            "host:",
            ":80",
            "host:0",
            "host:65536",
            "ho st:80",
            "::1:80",
        ] {
            assert!(text.parse::<UpstreamAuthority>().is_err(), "{text}");
        }
    }
}
