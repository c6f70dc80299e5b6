//! `SPARK_REMOTE`: where Spark Connect listens and how it is reached, in the form that Spark's own
//! clients take.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use config::Secret;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

/// The address of a Spark Connect server, `sc://host:port`, and what a connection to it needs:
/// `/;use_ssl=true;token=…` behind it.
#[derive(Debug, Clone)]
pub struct Remote {
    host: String,
    port: u16,
    uses_tls: bool,
    token: Option<Secret>,
    /// The authorities that are trusted in the place of the system's, in PEM.
    authorities: Option<Vec<u8>>,
}

/// Spark Connect's port where the address names none.
const DEFAULT_PORT: u16 = 15002;

/// An address that this client cannot use. None of its sentences shows a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRemote {
    /// Not of the form `sc://host:port`.
    #[error("`{0}` is no address of Spark Connect: write it as `sc://host:15002`")]
    Malformed(String),
    /// An option after `/;` other than `use_ssl` and `token`. Its value may be a secret and is not
    /// shown.
    #[error(
        "the Spark Connect address sets `{0}`, which this server does not support: remove it; \
         `use_ssl` and `token` are supported"
    )]
    Unsupported(String),
    /// `use_ssl` is neither `true` nor `false`.
    #[error("`use_ssl` of the Spark Connect address is `true` or `false`")]
    UseSsl,
    /// A token that cannot stand in a header.
    #[error("the token for Spark Connect has signs that no header can have, or is empty")]
    Token,
    /// More than one token.
    #[error("the token for Spark Connect is set twice: in its address, and by a setting")]
    TwoTokens,
    /// A token that everybody on the way could read.
    #[error(
        "a token would go to Spark Connect at `{0}` without encryption: write the address as \
         `{0}/;use_ssl=true`; only to this machine itself may it go in clear"
    )]
    TokenInClear(String),
    /// Authorities for a connection that checks none.
    #[error(
        "SPARK_SSLROOTCERT is set, and Spark Connect is reached without encryption: write its \
         address as `{0}/;use_ssl=true`"
    )]
    AuthoritiesInClear(String),
    /// The authorities' certificates cannot be read.
    #[error("the certificates of SPARK_SSLROOTCERT cannot be used: {0}")]
    Authorities(String),
}

impl FromStr for Remote {
    type Err = InvalidRemote;

    fn from_str(text: &str) -> Result<Self, InvalidRemote> {
        let address = text.split(['/', ';']).nth(2).unwrap_or_default();
        let malformed = || InvalidRemote::Malformed(format!("sc://{address}"));
        let rest = text.strip_prefix("sc://").ok_or_else(malformed)?;
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
        let mut remote = Self {
            host,
            port,
            uses_tls: false,
            token: None,
            authorities: None,
        };
        let options = rest.split_once('/').map_or("", |(_, options)| options);
        for option in options
            .split(';')
            .filter(|option| !option.trim().is_empty())
        {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            match key.trim() {
                "use_ssl" => {
                    let uses_tls = value.trim().to_ascii_lowercase().parse();
                    remote.uses_tls = uses_tls.map_err(|_| InvalidRemote::UseSsl)?;
                }
                "token" => remote = remote.with_token(unescape(value))?,
                other => return Err(InvalidRemote::Unsupported(other.to_owned())),
            }
        }
        Ok(remote)
    }
}

/// The value of an option, in which Spark's own clients write signs as `%3D`, too.
fn unescape(value: &str) -> Secret {
    let plus = value.replace('+', "%2B");
    let pair = format!("v={plus}");
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    Secret::new(
        pairs
            .next()
            .map_or_else(String::new, |(_, value)| value.into_owned()),
    )
}

impl Remote {
    /// The address with the token that the server wants to be shown with every call.
    ///
    /// # Errors
    /// It has a token already.
    pub fn with_token(mut self, token: Secret) -> Result<Self, InvalidRemote> {
        match self.token.replace(token) {
            None => Ok(self),
            Some(_) => Err(InvalidRemote::TwoTokens),
        }
    }

    /// The address with the certificates (PEM) of the authorities that are trusted, in the place of
    /// the system's.
    #[must_use]
    pub fn trusting(mut self, authorities: Vec<u8>) -> Self {
        self.authorities = Some(authorities);
        self
    }

    /// The way to the server.
    ///
    /// # Errors
    /// A token would travel in clear to another machine, or the authorities cannot be used.
    pub(super) fn endpoint(&self) -> Result<Endpoint, InvalidRemote> {
        let scheme = if self.uses_tls { "https" } else { "http" };
        let url = format!("{scheme}://{}:{}", self.host, self.port);
        let endpoint =
            Endpoint::from_shared(url).map_err(|_| InvalidRemote::Malformed(self.to_string()))?;
        if !self.uses_tls {
            return match () {
                () if self.token.is_some() && !self.is_this_machine() => {
                    Err(InvalidRemote::TokenInClear(self.to_string()))
                }
                () if self.authorities.is_some() => {
                    Err(InvalidRemote::AuthoritiesInClear(self.to_string()))
                }
                () => Ok(endpoint),
            };
        }
        let tls = ClientTlsConfig::new().domain_name(self.name());
        let tls = match &self.authorities {
            None => tls.with_native_roots(),
            Some(pem) if String::from_utf8_lossy(pem).contains("-BEGIN CERTIFICATE-") => {
                tls.ca_certificate(Certificate::from_pem(pem))
            }
            Some(_) => {
                let reason = "there is no certificate in PEM in the file";
                return Err(InvalidRemote::Authorities(reason.to_owned()));
            }
        };
        endpoint
            .tls_config(tls)
            .map_err(|error| InvalidRemote::Authorities(error.to_string()))
    }

    /// The proof of who calls, which is shown to the server with every call.
    ///
    /// # Errors
    /// The token cannot stand in a header.
    pub(super) fn credentials(&self) -> Result<Credentials, InvalidRemote> {
        let bearer = self.token.as_ref().map(|token| {
            let value = format!("Bearer {}", token.expose());
            let is_empty = token.expose().trim().is_empty();
            let value = MetadataValue::try_from(value).ok().filter(|_| !is_empty);
            let mut value = value.ok_or(InvalidRemote::Token)?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Credentials(bearer.transpose()?))
    }

    /// The host without the brackets that a URL puts around an address of IPv6.
    fn name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    fn is_this_machine(&self) -> bool {
        let address = self.name().parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

/// Puts the token into each call.
#[derive(Debug, Clone)]
pub(super) struct Credentials(Option<MetadataValue<Ascii>>);

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(bearer) = &self.0 {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", bearer.clone());
        }
        Ok(request)
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
        for (text, expected, uses_tls, token) in [
            ("sc://127.0.0.1:15002", "sc://127.0.0.1:15002", false, None),
            (
                "sc://spark.example.com",
                "sc://spark.example.com:15002",
                false,
                None,
            ),
            ("sc://localhost:80/", "sc://localhost:80", false, None),
            ("sc://[::1]:15002/;", "sc://[::1]:15002", false, None),
            ("sc://[::1]", "sc://[::1]:15002", false, None),
            ("sc://x/;use_ssl=true", "sc://x:15002", true, None),
            (
                "sc://x:1/;use_ssl=True;token=a%3Db+c",
                "sc://x:1",
                true,
                Some("a=b+c"),
            ),
            (
                "sc://x:1/;token=a=b;use_ssl=false",
                "sc://x:1",
                false,
                Some("a=b"),
            ),
        ] {
            let remote: Remote = text.parse().expect(text);
            assert_eq!(remote.to_string(), expected);
            assert_eq!(remote.uses_tls, uses_tls, "{text}");
            let found = remote.token.as_ref().map(Secret::expose);
            assert_eq!(found, token, "{text}");
            assert!(!format!("{remote:?}").contains("a=b"), "{remote:?}");
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
        for text in [
            "sc://x:1/;user_id=s3cret",
            "sc://me:s3cret@x:1",
            "sc://x/;use_ssl=s3cret",
            "sc://x/;token=s3cret;token=s3cret",
        ] {
            let refused = text.parse::<Remote>().expect_err(text).to_string();
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }

    #[test]
    fn it_sends_a_token_in_clear_to_this_machine_alone() {
        let way = |text: &str| text.parse::<Remote>().expect(text).endpoint().map(drop);
        for text in [
            "sc://localhost/;token=s3cret",
            "sc://127.0.0.1:1/;token=s3cret",
            "sc://[::1]:1/;token=s3cret",
            "sc://x/;use_ssl=true;token=s3cret",
        ] {
            assert_eq!(way(text), Ok(()), "{text}");
        }
        for text in [
            "sc://x/;token=s3cret",
            "sc://10.0.0.1/;use_ssl=false;token=s3cret",
        ] {
            let refused = way(text).expect_err(text);
            assert!(
                matches!(refused, InvalidRemote::TokenInClear(_)),
                "{refused}"
            );
            assert!(!refused.to_string().contains("s3cret"), "{refused}");
        }
    }

    #[test]
    fn it_refuses_tokens_and_authorities_that_would_be_of_no_use() {
        let remote = |text: &str| text.parse::<Remote>().expect(text);
        for text in ["sc://localhost/;token=", "sc://localhost/;token=a%0Ab"] {
            let refused = remote(text).credentials().map(drop);
            assert_eq!(refused, Err(InvalidRemote::Token), "{text}");
        }
        let clear = remote("sc://localhost").trusting(b"-BEGIN CERTIFICATE-".to_vec());
        let refused = clear.endpoint().map(drop);
        assert!(matches!(refused, Err(InvalidRemote::AuthoritiesInClear(_))));
        let empty = remote("sc://x/;use_ssl=true").trusting(b"a key".to_vec());
        let refused = empty.endpoint().map(drop);
        assert!(matches!(refused, Err(InvalidRemote::Authorities(_))));
    }
}
