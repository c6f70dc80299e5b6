//! The names of the statistics that the filter keeps: Envoy reports them, and the control plane
//! reads them by the same words.

use std::fmt::Write as _;

use crate::item_kind::ItemKind;

/// The word that Envoy puts before the name of every statistic of a module.
pub const PREFIX: &str = "wasmcustom";
/// Counts the calls of a tool, or of a server's items of another kind, that were decided on,
/// refused ones too.
pub const CALLS: &str = "portcullis_calls";
/// Counts the requests that the filter answered itself, by tool or kind of item, and reason.
pub const REFUSALS: &str = "portcullis_refusals";
/// Counts the calls that passed only because validation is in shadow.
pub const SHADOWED: &str = "portcullis_shadowed";
/// Collects how long decisions took, in nanoseconds.
pub const DECISION_NS: &str = "portcullis_decision_ns";
/// Shows the configuration of a listener that is in force, by [`configuration_number`].
pub const CONFIGURATION: &str = "portcullis_configuration";

/// The labels of requests that name no tool.
pub const NO_TOOL: &str = "server.none.tool.none";
/// The labels that stand for every tool for which there was no room.
pub const OTHER_TOOLS: &str = "server.none.tool.others";

/// A name as part of a statistic's: dots would divide it, and other bytes upset what reads
/// statistics.
#[must_use]
pub fn label(name: &str) -> String {
    let mut label = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => label.push(character),
            _ => {
                // Escaped, not replaced, so that two names never share a statistic.
                let _ = write!(label, "%{:x}", u32::from(character));
            }
        }
    }
    label
}

/// The labels of a tool in the names of its statistics.
#[must_use]
pub fn tool_labels(server: &str, tool: &str) -> String {
    format!("server.{}.tool.{}", label(server), label(tool))
}

/// The labels of an item of a server in the names of its statistics: all that are no tools of one
/// kind share them, because callers choose their names, and statistics are never freed.
#[must_use]
pub fn item_labels(kind: ItemKind, (server, name): (&str, &str)) -> String {
    match kind {
        ItemKind::Tool => tool_labels(server, name),
        _ => kind_labels(server, kind),
    }
}

/// The labels of all items of a kind, which are no tools.
#[must_use]
pub fn kind_labels(server: &str, kind: ItemKind) -> String {
    format!("server.{}.kind.{}", label(server), kind.word())
}

/// The label of a listener in the name of [`CONFIGURATION`].
#[must_use]
pub fn listener_label(listener: &str) -> String {
    format!("listener.{}", label(listener))
}

/// The number by which a configuration is known, from the SHA-256 of its JSON: the first twelve
/// hexadecimal digits. It tells configurations apart, and every reader of JSON shows it exactly.
#[must_use]
pub fn configuration_number(sha256: [u8; 32]) -> u64 {
    let [a, b, c, d, e, f, ..] = sha256;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_names_apart_in_labels() {
        assert_eq!(label("list_tables-2"), "list_tables-2");
        assert_eq!(label("a.b"), "a%2eb");
        assert_ne!(label("a.b"), label("a_b"));
        assert_eq!(label("é"), "%e9");
    }

    #[test]
    fn it_knows_a_configuration_by_the_first_digits_of_its_hash() {
        let mut sha256 = [0xff; 32];
        sha256[..6].copy_from_slice(&[0, 0, 0, 0, 1, 2]);
        assert_eq!(configuration_number(sha256), 0x102);
    }
}
