//! Tells what Envoys refused: the difference between two looks at their reports, a few lines at
//! most.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use envoy_reports::Traffic;
use policy_engine::ItemKind;
use serde_json::{Value, json};

/// The time between two looks. Envoys report as often; a caller who is refused a thousand times in
/// between is one event.
pub(super) const BETWEEN_LOOKS: Duration = Duration::from_secs(5);

/// How many tools and reasons one look tells of, those with the most refusals; the others are one
/// event together. More would drive every other event out of the ring within minutes.
const MOST_TOLD: usize = 20;

/// The refusals as a look saw them: by server, kind of item, tool and reason.
#[derive(Debug, Default)]
pub(super) struct Denials(BTreeMap<(String, ItemKind, String, String), u64>);

impl Denials {
    /// The refusals so far, of which nothing is told.
    pub(super) fn of(traffic: &Traffic) -> Self {
        let tools = traffic.tools.iter();
        let refusals = tools.flat_map(|tool| {
            tool.refusals.iter().map(|(reason, count)| {
                let (server, name) = (tool.server.clone(), tool.tool.clone());
                let key = (server, tool.kind, name, reason.clone());
                (key, count.total)
            })
        });
        Self(refusals.collect())
    }

    /// The particulars of what was refused since `before`, the most frequent first.
    pub(super) fn since(&self, before: &Self) -> Vec<Value> {
        let grown = self.0.iter().filter_map(|(key, total)| {
            let known = before.0.get(key).copied().unwrap_or_default();
            let count = total.saturating_sub(known);
            (count > 0).then_some((key, count))
        });
        let mut grown: Vec<_> = grown.collect();
        grown.sort_by_key(|(key, count)| (Reverse(*count), *key));
        let others = grown.split_off(grown.len().min(MOST_TOLD));
        let mut told: Vec<Value> = grown
            .into_iter()
            .map(|((server, kind, tool, reason), count)| {
                let mut data = json!({"reason": reason, "count": count});
                match kind {
                    ItemKind::Tool => data["tool"] = tool.as_str().into(),
                    kind => data["kind"] = kind.word().into(),
                }
                if !server.is_empty() {
                    data["server"] = server.as_str().into();
                }
                data
            })
            .collect();
        if !others.is_empty() {
            let count: u64 = others.iter().map(|(_, count)| count).sum();
            told.push(json!({"tool": "others", "reason": "others", "count": count}));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use envoy_reports::{Count, ToolTraffic};

    use super::*;

    fn traffic(refusals: &[(&str, &str, u64)]) -> Traffic {
        let tools = refusals.iter().map(|(tool, reason, total)| ToolTraffic {
            server: "data".to_owned(),
            tool: (*tool).to_owned(),
            refusals: [(
                (*reason).to_owned(),
                Count {
                    total: *total,
                    last_minute: 0,
                },
            )]
            .into(),
            ..ToolTraffic::default()
        });
        Traffic {
            tools: tools.collect(),
            ..Traffic::default()
        }
    }

    #[test]
    fn it_tells_what_was_refused_since_the_last_look_the_most_frequent_first() {
        let before = Denials::of(&traffic(&[("a", "limited", 5), ("b", "forbidden", 1)]));
        let now = traffic(&[
            ("a", "limited", 6),
            ("b", "forbidden", 9),
            ("c", "forbidden", 0),
        ]);
        assert_eq!(
            Denials::of(&now).since(&before),
            [
                json!({"server": "data", "tool": "b", "reason": "forbidden", "count": 8}),
                json!({"server": "data", "tool": "a", "reason": "limited", "count": 1}),
            ]
        );
        assert_eq!(
            Denials::of(&now).since(&Denials::of(&now)),
            [Value::Null; 0]
        );
    }

    #[test]
    fn it_tells_of_prompts_by_their_kind() {
        let mut now = traffic(&[("", "forbidden", 3)]);
        now.tools[0].kind = ItemKind::Prompt;
        assert_eq!(
            Denials::of(&now).since(&Denials::default()),
            [json!({"server": "data", "kind": "prompt", "reason": "forbidden", "count": 3})]
        );
    }

    #[test]
    fn it_tells_of_a_bounded_number_of_tools_and_of_the_others_together() {
        let names: Vec<String> = (0..100).map(|number| format!("t{number:02}")).collect();
        let refusals: Vec<_> = names
            .iter()
            .map(|name| (name.as_str(), "limited", 2))
            .collect();
        let told = Denials::of(&traffic(&refusals)).since(&Denials::default());
        assert_eq!(told.len(), MOST_TOLD + 1);
        assert_eq!(told[MOST_TOLD]["count"], 160);
    }
}
