//! Tells the log which generation is to be rolled out, and what an operator may not expect of it.

use std::collections::BTreeMap;

use policy_engine::statistics::listener_label;

use crate::envoy::configuration_numbers;
use crate::generation::Built;

/// The number of each listener's configuration, by the listener's name, as the access log has it:
/// in twelve hexadecimal digits.
pub(super) fn configurations(built: &Built) -> BTreeMap<String, String> {
    let numbers = configuration_numbers(&built.document, &built.snapshot);
    let listeners = built.document.listeners.iter();
    let written = listeners.filter_map(|listener| {
        let name = listener.name.as_str();
        let number = numbers.get(&listener_label(name))?;
        Some((name.to_owned(), format!("{number:012x}")))
    });
    written.collect()
}

/// Logs the generation with the numbers by which the access log knows it; and the tools that are
/// withheld and the rules that have no effect, as far as that is new since `before`.
pub(super) fn log(before: Option<&Built>, now: &Built) {
    tracing::info!(
        revision = now.revision.0, generation = %now.generation(),
        configurations = ?configurations(now), "a generation begins"
    );
    for (listener, withheld) in now.withheld() {
        let known = before
            .is_some_and(|before| before.withheld().any(|known| known == (listener, withheld)));
        if !known {
            tracing::warn!(
                %listener, server = withheld.server, tool = withheld.tool,
                reason = withheld.reason, "the tool is withheld"
            );
        }
    }
    for warning in &now.warnings {
        if !before.is_some_and(|before| before.warnings.contains(warning)) {
            tracing::warn!(
                rule = warning.rule,
                at = warning.path,
                reason = warning.reason,
                "a part of the document may not do what was meant"
            );
        }
    }
}
