//! How a secret is, for whoever asks, without a part of it.

use time::OffsetDateTime;
use xds::Version;

/// How a secret is; nothing of what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretStatus {
    /// The name under which Envoys know it.
    pub resource: String,
    /// The version that Envoys are given, and since when.
    pub given: Option<(Version, OffsetDateTime)>,
    /// The reason why what its place holds now is not taken.
    pub fault: Option<String>,
    /// Whether Envoys are given what the secret's place holds now.
    pub state: SecretState,
}

/// Whether Envoys are given what a secret's place holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretState {
    /// They are given just that.
    Given,
    /// They are given what was there before: it cannot be used as it is now.
    Old,
    /// They are given nothing: it cannot be used, and never could.
    Missing,
    /// Nobody has looked there yet.
    Unknown,
}

impl SecretState {
    /// The word for it in answers, events and metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Old => "old",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }
}
