//! `SPARK_REMOTE`: where Spark Connect listens, in the form that Spark's own clients take.

use std::fmt;
use std::str::FromStr;

/// The address of a Spark Connect server: `sc://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    host: String,
    port: u16,
}

/// Spark Connect's port where the address names none.
const DEFAULT_PORT: u16 = 15002;

/// An address that this client cannot use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRemote {
    /// Not of the form `sc://host:port`.
    #[error("`{0}` is no address of Spark Connect: write it as `sc://host:15002`")]
    Malformed(String),
    /// An option after `/;`, such as `token` or `use_ssl`. Its value may be a secret and is not
    /// shown.
    #[error(
        "the Spark Connect address sets `{0}`, which this server does not support yet: remove it, \
         or connect through a proxy that adds it"
    )]
    Unsupported(String),
}

impl FromStr for Remote {
    type Err = InvalidRemote;

    fn from_str(text: &str) -> Result<Self, InvalidRemote> {
        let address = text.split(['/', ';']).nth(2).unwrap_or_default();
        let malformed = || InvalidRemote::Malformed(format!("sc://{address}"));
        let rest = text.strip_prefix("sc://").ok_or_else(malformed)?;
        let options = rest.split_once('/').map_or("", |(_, options)| options);
        let keys = options
            .split(';')
            .filter_map(|option| option.split('=').next());
        if let Some(key) = keys.map(str::trim).find(|key| !key.is_empty()) {
            return Err(InvalidRemote::Unsupported(key.to_owned()));
        }
        let url = url::Url::parse(&format!("http://{address}")).map_err(|_| malformed())?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidRemote::Unsupported("user:password".to_owned()));
        }
        let host = url.host_str().ok_or_else(malformed)?.to_owned();
        // `Url` drops a port that is HTTP's default.
        let named = address.rsplit_once(':').filter(|(_, p)| !p.contains(']'));
        let port = match named {
            Some((_, port)) => port.parse().map_err(|_| malformed())?,
            None => DEFAULT_PORT,
        };
        Ok(Self { host, port })
    }
}

impl Remote {
    /// The address as gRPC's transport wants it.
    pub(super) fn http(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sc://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_the_addresses_that_sparks_own_clients_read() {
        for (text, expected) in [
            ("sc://127.0.0.1:15002", "sc://127.0.0.1:15002"),
            ("sc://spark.example.com", "sc://spark.example.com:15002"),
            ("sc://localhost:80/", "sc://localhost:80"),
            ("sc://[::1]:15002/;", "sc://[::1]:15002"),
            ("sc://[::1]", "sc://[::1]:15002"),
        ] {
            let remote: Remote = text.parse().expect(text);
            assert_eq!(remote.to_string(), expected);
        }
    }

    #[test]
    fn it_refuses_what_it_cannot_honour_and_shows_no_secret() {
        for text in ["", "spark://x:7077", "sc://", "sc://x:port", "sc://x:99999"] {
            let refused = text.parse::<Remote>();
            assert!(
                matches!(refused, Err(InvalidRemote::Malformed(_))),
                "{text}: {refused:?}"
            );
        }
        for text in ["sc://x:1/;token=s3cret", "sc://me:s3cret@x:1"] {
            let refused = text.parse::<Remote>().expect_err(text).to_string();
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }
}
