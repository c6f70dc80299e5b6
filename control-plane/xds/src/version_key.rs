//! The key of secrets' versions.

use std::fmt;

use ring::hmac;

/// Makes versions of secrets: hashes that cannot be compared with guesses by anybody who lacks the
/// key. Servers that share one agree on the versions, so that an Envoy which goes from one to
/// another transfers no secret again.
#[derive(Clone)]
pub struct VersionKey(hmac::Key);

impl VersionKey {
    /// Takes a key that nobody can guess.
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The hash of a content, in hexadecimal.
    pub(crate) fn hash(&self, encoded: &[u8]) -> String {
        hex::encode(hmac::sign(&self.0, encoded))
    }
}

impl fmt::Debug for VersionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("VersionKey(…)")
    }
}
