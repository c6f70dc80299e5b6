//! Tells the log what an operator may not expect of a generation.

use crate::generation::Built;

/// Logs the tools that are withheld and the rules that have no effect, as far as that is new since
/// `before`.
pub(super) fn log(before: Option<&Built>, now: &Built) {
    for (listener, withheld) in now.withheld() {
        let known = before
            .is_some_and(|before| before.withheld().any(|known| known == (listener, withheld)));
        if !known {
            tracing::warn!(
                %listener, server = withheld.server, tool = withheld.tool,
                "the tool is withheld: {}", withheld.reason
            );
        }
    }
    for warning in &now.warnings {
        if !before.is_some_and(|before| before.warnings.contains(warning)) {
            tracing::warn!(rule = warning.rule, at = warning.path, "{}", warning.reason);
        }
    }
}
