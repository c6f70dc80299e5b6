//! The address of a control plane.

use anyhow::bail;
use clap::Args;
use url::Url;

/// Says which control plane is asked.
#[derive(Debug, Args)]
pub(crate) struct Address {
    /// The control plane's REST address
    #[arg(
        long,
        env = "CONTROL_PLANE_REST_ADDRESS",
        default_value = "127.0.0.1:8080",
        value_parser = base_url
    )]
    rest_address: Url,
}

impl Address {
    /// The URL of the control plane, without a path and without a slash at its end.
    pub(super) fn url(&self) -> &str {
        self.rest_address.as_str().trim_end_matches('/')
    }
}

/// Reads `host:port`, or the URL that a browser shows.
fn base_url(text: &str) -> anyhow::Result<Url> {
    let url = match text.split_once("://") {
        Some(("http", _)) => text.to_owned(),
        Some(("https", _)) => bail!(
            "the control plane speaks no TLS: write `http://…`, or the address of what leads \
             there from this machine, such as a tunnel"
        ),
        _ => format!("http://{text}"),
    };
    let parsed = Url::parse(&url);
    let parsed = parsed.ok().filter(|url| {
        url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    match parsed {
        Some(url) => Ok(url),
        None => bail!("write a host and a port, such as `127.0.0.1:8080`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        let address = base_url(text).map(|rest_address| Address { rest_address });
        match (&address, expected) {
            (Ok(address), Ok(url)) => assert_eq!(address.url(), url),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            _ => panic!("{text}: {address:?}"),
        }
    }

    #[test]
    fn it_takes_a_host_and_a_port_or_their_url() {
        check("127.0.0.1:8080", Ok("http://127.0.0.1:8080"));
        check("gateway.internal:81", Ok("http://gateway.internal:81"));
        check("[::1]:8080", Ok("http://[::1]:8080"));
        check("http://127.0.0.1:8080/", Ok("http://127.0.0.1:8080"));
        check("https://127.0.0.1:8080", Err("speaks no TLS"));
        for text in [
            "",
            "a b",
            "127.0.0.1:8080/api/v1",
            "me@host:1",
            "127.0.0.1:x",
            "http://",
        ] {
            check(text, Err("write a host and a port"));
        }
    }
}
