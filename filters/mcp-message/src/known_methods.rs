//! The methods of MCP, and those that a looser server would take for one of them.

use key_folding::read_loosely;
use step_count::count;

/// Every method that a revision of the protocol defines, from 2024-11-05 to 2026-07-28, its
/// extension for tasks included.
pub const KNOWN_METHODS: &[&str] = &[
    "completion/complete",
    "elicitation/create",
    "initialize",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/elicitation/complete",
    "notifications/initialized",
    "notifications/message",
    "notifications/progress",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
    "notifications/resources/updated",
    "notifications/roots/list_changed",
    "notifications/subscriptions/acknowledged",
    "notifications/tasks",
    "notifications/tasks/status",
    "notifications/tools/list_changed",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "roots/list",
    "sampling/createMessage",
    "server/discover",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tools/call",
    "tools/list",
];

/// The known method for which a server that ignores case, trims or stops at a NUL would take this
/// one, which is none of them. A gateway reads it as a method that nobody knows, and would let it
/// pass by a rule for those.
pub(crate) fn known_for(method: &[u8]) -> Option<&'static str> {
    if KNOWN_METHODS.iter().any(|known| known.as_bytes() == method) {
        return None;
    }
    count(method.len());
    let read = read_loosely(method);
    KNOWN_METHODS
        .iter()
        .find(|known| known.as_bytes().eq_ignore_ascii_case(&read))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_method_that_a_looser_server_would_run() {
        for known in KNOWN_METHODS {
            assert_eq!(known_for(known.as_bytes()), None, "{known}");
            let spellings = [
                known.to_ascii_uppercase(),
                known[..1].to_ascii_uppercase() + &known[1..],
                format!("{known}\0"),
                format!("{known}\0x"),
                format!("{known} "),
                format!("\t{known}\r\n"),
                format!("\u{feff}{known}\u{a0}"),
            ];
            let folding = [('s', '\u{17f}'), ('k', '\u{212a}')];
            let folding = folding
                .into_iter()
                .filter(|(letter, _)| known.contains(*letter))
                .map(|(letter, looks_alike)| known.replace(letter, &looks_alike.to_string()));
            for spelling in spellings.into_iter().chain(folding) {
                let found = known_for(spelling.as_bytes());
                assert_eq!(found, Some(*known), "{spelling:?}");
            }
        }
    }

    #[test]
    fn it_leaves_methods_alone_that_only_resemble_a_known_one() {
        for method in [
            "",
            "x",
            "tools/calls",
            "tools /call",
            "tool/list",
            "notifications/x",
        ] {
            assert_eq!(known_for(method.as_bytes()), None, "{method}");
        }
    }
}
