//! Who calls, as the head of a request and its connection tell it.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, HeaderName};

use crate::call::{Claimant, NameTooLong, Principal};
use crate::config::Config;

/// The way in which a request tells who calls.
#[derive(Debug, Clone)]
pub(super) struct PrincipalHeader(Option<HeaderName>);

impl PrincipalHeader {
    /// As the configuration names it; where it names none, every caller is anonymous.
    pub(super) fn of(config: &Config) -> Self {
        let name = config.principal_header.as_deref();
        Self(name.and_then(|name| HeaderName::from_bytes(name.as_bytes()).ok()))
    }

    /// The caller of a request with these headers.
    ///
    /// # Errors
    /// [`NameTooLong`].
    pub(super) fn read(&self, headers: &HeaderMap) -> Result<Principal, NameTooLong> {
        match &self.0 {
            None => Ok(Principal::Anonymous),
            Some(name) => {
                let values = headers.get_all(name).iter();
                Principal::named(values.map(http::HeaderValue::as_bytes))
            }
        }
    }

    /// On whose account a request of this caller takes places.
    pub(super) fn claimant(&self, principal: &Principal, request: &Extensions) -> Claimant {
        let peer = request.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map(|ConnectInfo(peer)| peer.ip());
        Claimant::of(principal.owner(), peer, self.0.is_some())
    }
}
