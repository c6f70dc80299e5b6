//! The filter modules that are known, by the hash of their content.

use std::path::PathBuf;

use time::OffsetDateTime;

/// A `.wasm` module that was rolled out, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Where the file is.
    pub path: PathBuf,
    /// When a control plane first started with it, or when it was last uploaded, to the
    /// microsecond: what nothing names stays for a day from then.
    pub since: OffsetDateTime,
}
