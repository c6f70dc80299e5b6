//! A limit of an item, and the identity of its buckets.

use std::sync::Arc;

use crate::principal::{Access, Principal};
use crate::rate::Rate;
use crate::slots::KnownPlace;

/// A limit, compiled for one item.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    /// The callers whose calls it counts; none where it counts everyone's.
    pub(crate) callers: Option<Access>,
    pub(crate) rule: Arc<str>,
    pub(crate) id: Arc<str>,
    pub(crate) requests: u64,
    pub(crate) window_ms: u64,
    pub(crate) rate: Rate,
    pub(crate) principal: PerPrincipal,
    /// All of a bucket's identity but the principal.
    pub(crate) identity: Vec<u8>,
    pub(crate) common_bucket: CommonBucket,
}

impl Limit {
    /// Whether the limit counts the calls of a caller.
    pub(crate) fn counts(&self, principal: &Principal) -> bool {
        self.callers
            .as_ref()
            .is_none_or(|callers| callers.admits(principal))
    }
}

/// The bucket that callers share: all of them, or those without a name.
#[derive(Clone, Debug)]
pub(crate) struct CommonBucket {
    pub(crate) identity: Vec<u8>,
    pub(crate) place: KnownPlace,
}

impl CommonBucket {
    /// The bucket of a limit of which `identity` is all but the principal.
    pub(crate) fn new(identity: Vec<u8>, principal: PerPrincipal) -> Self {
        Self {
            identity: match principal {
                PerPrincipal::No => identity,
                PerPrincipal::Yes => part(identity, b'a', b""),
            },
            place: KnownPlace::default(),
        }
    }
}

/// Whether each caller has a bucket of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PerPrincipal {
    Yes,
    No,
}

/// Adds a tagged part with its length, so that no two identities run together.
pub(crate) fn part(mut identity: Vec<u8>, tag: u8, text: &[u8]) -> Vec<u8> {
    identity.push(tag);
    identity.extend_from_slice(&(text.len() as u64).to_le_bytes());
    identity.extend_from_slice(text);
    identity
}
