//! Whose share is taken of what there is little of.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::Principal;

/// The bits of an IPv6 address that name its network. A host chooses the others as it likes.
const NETWORK: u128 = !0 << 64;

/// The caller as far as it can be told from others, on whose account places are taken. A session's
/// id tells nobody apart: whoever likes makes up another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Claimant {
    /// The caller of this name.
    Named(String),
    /// All callers whom nobody names and whose connections come from this address, or from this
    /// network of IPv6. Behind a proxy that names nobody these are all of its clients.
    At(IpAddr),
    /// Nothing is known; where a transport has one client, this is the one.
    #[default]
    Unknown,
}

impl Claimant {
    /// The caller of this name, or at this address.
    pub fn of(principal: &Principal, peer: Option<IpAddr>) -> Self {
        match (principal, peer.map(|peer| peer.to_canonical())) {
            (Principal::Named(name), _) => Self::Named(name.clone()),
            (Principal::Anonymous, None) => Self::Unknown,
            (Principal::Anonymous, Some(IpAddr::V6(address))) => {
                let network = Ipv6Addr::from_bits(address.to_bits() & NETWORK);
                Self::At(network.into())
            }
            (Principal::Anonymous, Some(address)) => Self::At(address),
        }
    }
}

impl fmt::Display for Claimant {
    /// No two of them are written alike.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(f, "named {name}"),
            Self::At(address) => write!(f, "at {address}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Claimant {
        let address = address.parse().expect("an address");
        Claimant::of(&Principal::Anonymous, Some(address))
    }

    #[test]
    fn it_tells_callers_apart_by_name_and_then_by_the_network_that_they_come_from() {
        let named = |name: &str, address: &str| {
            let principal = Principal::Named(name.to_owned());
            Claimant::of(&principal, address.parse().ok())
        };
        assert_eq!(named("ada", "10.0.0.1"), named("ada", "10.0.0.2"));
        assert_ne!(named("ada", "10.0.0.1"), named("bob", "10.0.0.1"));
        assert_ne!(named("10.0.0.1", "10.0.0.1"), at("10.0.0.1"));
        assert_ne!(at("10.0.0.1"), at("10.0.0.2"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(Claimant::of(&Principal::Anonymous, None), Claimant::Unknown);
    }
}
