//! Whose share is taken of what there is little of.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::Taker;

/// The bits of an IPv6 address that name its network. A host chooses the others as it likes.
const NETWORK: u128 = !0 << 64;

/// The caller as far as it can be told from others, on whose account places are taken. A session's
/// id tells nobody apart: whoever likes makes up another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Claimant {
    /// The caller of this name.
    Named(String),
    /// All callers whose connections come from this address, or from this network of IPv6, where
    /// no caller has a name. Behind a proxy these are all of its clients.
    At(IpAddr),
    /// All callers without a name at this address, where others have one: for these they leave room
    /// as one caller does.
    UnnamedAt(IpAddr),
    /// Nothing is known; where a transport has one client, this is the one.
    #[default]
    Unknown,
    /// This server itself, for its work beside calls and for what many calls share: the flows of
    /// pipelines, the looks at a catalogue.
    Server,
}

impl Claimant {
    /// The caller of this name, or at this address of a server whose callers may have names.
    pub fn of(name: Option<&str>, peer: Option<IpAddr>, have_names: bool) -> Self {
        let peer = peer.map(|peer| match peer.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
            address @ IpAddr::V4(_) => address,
        });
        match (name, peer) {
            (Some(name), _) => Self::Named(name.to_owned()),
            (None, None) => Self::Unknown,
            (None, Some(peer)) if have_names => Self::UnnamedAt(peer),
            (None, Some(peer)) => Self::At(peer),
        }
    }
}

impl Taker for Claimant {
    fn is_crowd(&self) -> bool {
        match self {
            Self::Named(_) | Self::UnnamedAt(_) | Self::Server => false,
            Self::At(_) | Self::Unknown => true,
        }
    }
}

impl fmt::Display for Claimant {
    /// No two of them are written alike.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(f, "named {name}"),
            Self::At(address) => write!(f, "at {address}"),
            Self::UnnamedAt(address) => write!(f, "unnamed at {address}"),
            Self::Unknown => f.write_str("unknown"),
            Self::Server => f.write_str("this server"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Claimant {
        let address = address.parse().expect("an address");
        Claimant::of(None, Some(address), false)
    }

    #[test]
    fn it_tells_callers_apart_by_name_and_then_by_the_network_that_they_come_from() {
        let named =
            |name: &str, address: &str| Claimant::of(Some(name), address.parse().ok(), true);
        assert_eq!(named("ada", "10.0.0.1"), named("ada", "10.0.0.2"));
        assert_ne!(named("ada", "10.0.0.1"), named("bob", "10.0.0.1"));
        assert_ne!(named("10.0.0.1", "10.0.0.1"), at("10.0.0.1"));
        assert_ne!(at("10.0.0.1"), at("10.0.0.2"));
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1:2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(Claimant::of(None, None, false), Claimant::Unknown);
    }

    #[test]
    fn it_takes_callers_without_names_for_a_crowd_where_nobody_has_one() {
        let address = "10.0.0.1".parse().ok();
        assert!(Claimant::of(None, address, false).is_crowd());
        assert!(Claimant::Unknown.is_crowd());
        assert!(!Claimant::of(None, address, true).is_crowd());
        assert!(!Claimant::of(Some("ada"), address, true).is_crowd());
        assert!(!Claimant::Server.is_crowd());
    }
}
