//! Addresses to listen on, as operators write them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

/// The name of this machine for itself, whatever the machine's files or name servers say.
const LOCALHOST: &str = "localhost";

/// The ways to write that a server listens on all addresses of its machine.
const EVERYWHERE: [&str; 2] = ["0.0.0.0", "::"];

const WRITE_A_HOST: &str = "write an IP address, or a name of this machine such as localhost; \
                            0.0.0.0 and :: are all of its addresses";

const WRITE_AN_ADDRESS: &str = "write a host and a port, such as 127.0.0.1:8000 or [::1]:8000";

/// An IP address, or a name of this machine: of the addresses of a name, one of IPv4 goes first, as
/// in the default.
///
/// Nothing else that the machine's resolver would take for an address is one: it reads 0 as all
/// addresses, and 010.0.0.1 as 8.0.0.1.
pub(super) fn read_host(text: &str) -> Result<IpAddr, String> {
    let bracketed = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if let Some(bracketed) = bracketed {
        let address = bracketed.parse::<Ipv6Addr>();
        let address = address.map_err(|_| WRITE_A_HOST.to_owned())?;
        return check_is_meant(address.into(), bracketed);
    }
    if let Ok(address) = text.parse() {
        return check_is_meant(address, text);
    }
    if text.eq_ignore_ascii_case(LOCALHOST) {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let found = is_name(text).then(|| (text, 0).to_socket_addrs().ok());
    let found = found.flatten().into_iter().flatten();
    let found = found.map(|address| address.ip());
    let found = found.min_by_key(IpAddr::is_ipv6).ok_or(WRITE_A_HOST)?;
    check_is_meant(found, text)
}

/// Whether a text is the name of a machine, and no number in any of the ways in which resolvers
/// read one.
fn is_name(text: &str) -> bool {
    let is_number = |label: &str| {
        let hexadecimal = label.strip_prefix("0x").or(label.strip_prefix("0X"));
        match hexadecimal {
            Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
            None => label.bytes().all(|byte| byte.is_ascii_digit()),
        }
    };
    let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.bytes().all(is_of_names) && !text.split('.').all(is_number)
}

fn check_is_meant(address: IpAddr, text: &str) -> Result<IpAddr, String> {
    match address.to_canonical().is_unspecified() && !EVERYWHERE.contains(&text) {
        true => Err(WRITE_A_HOST.to_owned()),
        false => Ok(address),
    }
}

/// A host and a port. A host of IPv6 is in brackets, as its last group might be the port.
pub(super) fn read_address(text: &str) -> Result<SocketAddr, String> {
    let parts = text.rsplit_once(':');
    let (host, port) = parts
        .filter(|(host, port)| {
            let is_bracketed = host.starts_with('[');
            (is_bracketed || !host.contains(':')) && port.bytes().all(|byte| byte.is_ascii_digit())
        })
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
        .ok_or(WRITE_AN_ADDRESS)?;
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

    #[test]
    fn it_takes_no_address_without_brackets_whose_last_group_might_be_the_port() {
        for text in ["2001:db8::1:80", "::1:80", "::80", "[::1]", "::1", "a:b:80"] {
            assert!(read_address(text).is_err(), "{text}");
        }
        let address = "[2001:db8::1]:80".parse().expect("an address");
        assert_eq!(read_address("[2001:db8::1]:80"), Ok(address));
    }

    #[test]
    fn it_takes_no_number_for_a_name_and_listens_everywhere_only_where_that_is_written_out() {
        for text in [
            "",
            "0",
            "1",
            "010.0.0.1",
            "127.1",
            "127.0x1",
            "0x7f000001",
            "0X7F.1",
            "0.",
            "1.2.3",
            "[127.0.0.1]",
            "[localhost]",
            "::ffff:0.0.0.0",
            "0::0",
            "127.0.0.1 x",
            "[::1",
        ] {
            assert!(read_host(text).is_err(), "{text}");
            assert!(read_address(&format!("{text}:80")).is_err(), "{text}");
        }
        for text in ["0.0.0.0", "::"] {
            assert!(
                read_host(text).is_ok_and(|host| host.is_unspecified()),
                "{text}"
            );
        }
        assert!(read_address("[::]:80").is_ok());
        assert!(read_address("0.0.0.0:80").is_ok());
    }
}
