//! Keeps web pages away from the API: a page's own name that was pointed at this machine (DNS
//! rebinding), and pages of other origins.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use thiserror::Error;
use url::{Host, Url};

use super::problem::Problem;

/// The host names by which the API may be addressed, on any port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHosts(Vec<AllowedHost>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum AllowedHost {
    Any,
    This(Host),
}

/// The reason why a text is no host name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a host name: write it without scheme and port, or `*` for any")]
pub struct InvalidHost(String);

impl Default for AllowedHosts {
    /// This machine's names for itself.
    fn default() -> Self {
        let loopback = ["127.0.0.1", "[::1]", "localhost"];
        Self(
            loopback
                .iter()
                .filter_map(|host| Some(AllowedHost::This(Host::parse(host).ok()?)))
                .collect(),
        )
    }
}

impl FromStr for AllowedHosts {
    type Err = InvalidHost;
    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let hosts = text.split(',').map(str::trim).map(|host| match host {
            "*" => Ok(AllowedHost::Any),
            // As everywhere else in the product, an IPv6 address may be written without brackets.
            address if address.matches(':').count() > 1 && !address.starts_with('[') => {
                Host::parse(&format!("[{address}]"))
                    .map(AllowedHost::This)
                    .map_err(|_| InvalidHost(address.to_owned()))
            }
            name => Host::parse(name)
                .map(AllowedHost::This)
                .map_err(|_| InvalidHost(name.to_owned())),
        });
        hosts.collect::<Result<_, _>>().map(Self)
    }
}

impl AllowedHosts {
    fn allow(&self, host: Option<&Host<&str>>) -> bool {
        self.0.iter().any(|allowed| match allowed {
            AllowedHost::Any => true,
            AllowedHost::This(allowed) => host.is_some_and(|host| host.to_owned() == *allowed),
        })
    }

    fn allow_authority(&self, authority: &str) -> bool {
        // What a browser writes after `http://`, and nothing else.
        let url = Url::parse(&format!("http://{authority}/")).ok();
        let plain = url.filter(|url| {
            url.path() == "/" && url.username().is_empty() && url.password().is_none()
        });
        self.allow(plain.as_ref().and_then(Url::host).as_ref())
    }

    fn allow_origin(&self, origin: &str) -> bool {
        let url = Url::parse(origin).ok();
        self.allow(url.as_ref().and_then(Url::host).as_ref())
    }
}

pub(super) async fn check(
    State(allowed): State<Arc<AllowedHosts>>,
    request: Request,
    next: Next,
) -> Response {
    match refused(&allowed, request.uri(), request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

fn refused(allowed: &AllowedHosts, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
    let text = |name| {
        headers
            .get(name)
            .map(|value: &HeaderValue| value.to_str().unwrap_or_default())
    };
    let authority = uri
        .authority()
        .map(Authority::as_str)
        .or_else(|| text(header::HOST));
    if !authority.is_some_and(|authority| allowed.allow_authority(authority)) {
        return Some(refusal(
            "the request is addressed to a host that is not allowed; use `127.0.0.1` or \
             `localhost`, or add the name to CONTROL_PLANE_ALLOWED_HOSTS",
        ));
    }
    if text(header::ORIGIN).is_some_and(|origin| !allowed.allow_origin(origin)) {
        return Some(refusal(
            "the request comes from a web page of another origin; add its host to \
             CONTROL_PLANE_ALLOWED_HOSTS if you trust it",
        ));
    }
    None
}

fn refusal(detail: &str) -> Response {
    Problem::new(
        StatusCode::FORBIDDEN,
        "urn:portcullis:forbidden-host",
        "the host or origin is not allowed",
        detail,
    )
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_allows_this_machine_by_default_and_nothing_that_looks_like_it() {
        let hosts = AllowedHosts::default();
        for authority in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "localhost:1",
            "LOCALHOST",
            "[::1]:8080",
        ] {
            assert!(hosts.allow_authority(authority), "{authority}");
        }
        for authority in [
            "",
            "evil.example",
            "localhost.evil.example:8080",
            "localhost@evil.example",
            "evil@localhost",
            "localhost/x",
        ] {
            assert!(!hosts.allow_authority(authority), "{authority}");
        }
        assert!(hosts.allow_origin("http://localhost:3000"));
        for origin in ["null", "http://evil.example", "file://", ""] {
            assert!(!hosts.allow_origin(origin), "{origin}");
        }
    }

    #[test]
    fn it_allows_what_it_is_told_to() {
        let hosts: AllowedHosts = "gateway.internal, ::1".parse().unwrap();
        assert!(
            hosts.allow_authority("gateway.internal:8080") && hosts.allow_authority("[::1]:8080")
        );
        assert!(!hosts.allow_authority("localhost"));
        assert!(
            "*".parse::<AllowedHosts>()
                .unwrap()
                .allow_authority("anything")
        );
        assert!("http://x".parse::<AllowedHosts>().is_err());
    }
}
