//! Addresses to listen on, as operators write them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};

/// The name of this machine for itself, whatever the machine's files or name servers say.
const LOCALHOST: &str = "localhost";

/// An IP address, or a name of this machine: of the addresses of a name, one of IPv4 goes first, as
/// in the default.
pub(super) fn read_host(text: &str) -> Result<IpAddr, String> {
    let plain = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Ok(address) = plain.unwrap_or(text).parse() {
        return Ok(address);
    }
    if text.eq_ignore_ascii_case(LOCALHOST) {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let found = (text, 0).to_socket_addrs().map(Vec::from_iter);
    let found = found.unwrap_or_default().into_iter();
    let found = found.map(|address| address.ip());
    found.min_by_key(IpAddr::is_ipv6).ok_or_else(|| {
        "write an IP address, or a name of this machine such as localhost".to_owned()
    })
}

/// A host and a port.
pub(super) fn read_address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let parts = text.rsplit_once(':');
    let parts = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let (host, port) =
        parts.ok_or("write a host and a port, such as 127.0.0.1:8000 or [::1]:8000")?;
    Ok(SocketAddr::new(read_host(host)?, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_addresses_and_the_name_of_the_machine_itself() {
        for (text, expected) in [
            ("127.0.0.1", "127.0.0.1"),
            ("localhost", "127.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(read_host(text), Ok(expected.parse().expect("an address")));
            if expected != text || !text.contains(':') {
                let with_port = SocketAddr::new(expected.parse().expect("an address"), 80);
                assert_eq!(read_address(&format!("{text}:80")), Ok(with_port));
            }
        }
    }

    #[test]
    fn it_says_how_an_address_is_written() {
        for text in ["", "localhost", "localhost:x", "127.0.0.1:99999"] {
            assert!(read_address(text).is_err_and(|error| error.contains("127.0.0.1:8000")));
        }
        assert!(read_host("no host").is_err_and(|error| error.contains("localhost")));
    }
}
