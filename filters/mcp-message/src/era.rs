//! Protocol revisions and the two eras they fall into.

use thiserror::Error;

/// The revision of the modern era.
pub const MODERN: &str = "2026-07-28";

/// The member of `params._meta` that says the revision of a message of the modern era.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// Every revision that is served, newest first, as `data.supported` lists them.
pub const SUPPORTED: [&str; 5] = [
    MODERN,
    "2025-11-25",
    "2025-06-18",
    "2025-03-26",
    "2024-11-05",
];

/// How a client speaks: with every request whole in itself, or within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// 2026-07-28: stateless, with `Mcp-*` headers that say what the body says.
    Modern,
    /// An older revision, opened by `initialize`.
    Legacy(LegacyRevision),
}

/// The revisions that open with `initialize`, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LegacyRevision {
    /// 2024-10-07, which the first TypeScript SDK still offers.
    V2024_10_07,
    /// The revision 2024-11-05, the first with a specification of its own.
    V2024_11_05,
    /// 2025-03-26, the first with Streamable HTTP; meant where a request names no revision.
    V2025_03_26,
    /// The revision 2025-06-18, which dropped batches.
    V2025_06_18,
    /// The revision 2025-11-25, the last that opens with `initialize`.
    V2025_11_25,
}

/// A revision that nobody here knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "this protocol version is not supported; use one of 2026-07-28, 2025-11-25, 2025-06-18, \
     2025-03-26, 2024-11-05"
)]
pub struct UnsupportedVersion;

impl Era {
    /// Reads the value of `MCP-Protocol-Version`; none means 2025-03-26 (Streamable HTTP, "Protocol
    /// Version Header").
    ///
    /// # Errors
    /// The version is none of those known.
    pub fn of_header(value: Option<&[u8]>) -> Result<Self, UnsupportedVersion> {
        use LegacyRevision as L;
        let Some(value) = value else {
            return Ok(Self::Legacy(L::V2025_03_26));
        };
        Ok(match value.trim_ascii() {
            b"2026-07-28" => Self::Modern,
            b"2025-11-25" => Self::Legacy(L::V2025_11_25),
            b"2025-06-18" => Self::Legacy(L::V2025_06_18),
            b"2025-03-26" => Self::Legacy(L::V2025_03_26),
            b"2024-11-05" => Self::Legacy(L::V2024_11_05),
            b"2024-10-07" => Self::Legacy(L::V2024_10_07),
            _ => return Err(UnsupportedVersion),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_a_request_without_a_version_for_2025_03_26() {
        assert_eq!(
            Era::of_header(None),
            Ok(Era::Legacy(LegacyRevision::V2025_03_26))
        );
    }

    #[test]
    fn it_reads_each_supported_version_and_ignores_white_space_around_it() {
        for version in SUPPORTED {
            assert!(
                Era::of_header(Some(format!(" {version}\t").as_bytes())).is_ok(),
                "{version}"
            );
        }
        assert_eq!(Era::of_header(Some(b"2026-07-28")), Ok(Era::Modern));
    }

    #[test]
    fn it_refuses_versions_that_nobody_knows() {
        for version in [
            &b"2027-01-01"[..],
            b"",
            b"2026-07-28, 2025-11-25",
            b"\xff",
            b"draft",
        ] {
            assert_eq!(Era::of_header(Some(version)), Err(UnsupportedVersion));
        }
    }
}
