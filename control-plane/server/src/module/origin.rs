//! Where Envoys fetch modules from, if they share no disk with the control plane.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use url::{Host, Url};

/// The address of the control plane's REST interface, as Envoys reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleOrigin {
    host: Host,
    port: u16,
}

/// The reason why a text is no [`ModuleOrigin`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not the address of a control plane: write it like `http://control-plane:8080`")]
pub struct InvalidModuleOrigin(String);

impl ModuleOrigin {
    /// The host name or address.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The TCP port at the host.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for ModuleOrigin {
    type Err = InvalidModuleOrigin;
    fn from_str(text: &str) -> Result<Self, InvalidModuleOrigin> {
        let invalid = || InvalidModuleOrigin(text.to_owned());
        let url = Url::parse(text).map_err(|_| invalid())?;
        let is_plain = url.scheme() == "http"
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        match (url.host(), url.port_or_known_default()) {
            (Some(host), Some(port)) if is_plain => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for ModuleOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_an_address_and_nothing_more() {
        for (text, same) in [
            ("http://control-plane:8080", "http://control-plane:8080"),
            ("http://10.0.0.1:8080/", "http://10.0.0.1:8080"),
            ("http://[::1]", "http://[::1]:80"),
        ] {
            assert_eq!(text.parse::<ModuleOrigin>().unwrap().to_string(), same);
        }
        for text in [
            "",
            "control-plane:8080",
            "https://a",
            "http://a/b",
            "http://u@a",
            "http://a?b",
        ] {
            assert!(text.parse::<ModuleOrigin>().is_err(), "{text}");
        }
    }
}
