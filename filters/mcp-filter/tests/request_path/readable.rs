//! A message that passes is JSON, whoever of the reader and the engine has read its arguments, and
//! however the body was cut.
//!
//! Invariant 1 of `docs/architecture.md`.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::de::IgnoredAny;
use serde_json::json;

use crate::gateway::{End, Gateway, Sent, configuration};

/// A gateway whose tools have a schema that asks for something, one that asks for nothing, one that
/// only counts, and none.
fn gateway() -> Gateway {
    let mut configuration = configuration();
    configuration["schemas"]["anything"] = json!({});
    let tools = &mut configuration["servers"]["math"]["tools"];
    tools["free"] = json!({"input_schema": "anything"});
    tools["watched"] = json!({"input_schema": "weather"});
    let rules = configuration["rules"].as_array_mut().unwrap();
    rules.push(json!({"name": "watch", "match": {"tool": "watched"}, "validate": "shadow"}));
    Gateway::with(&configuration)
}

/// Messages with arguments, a few of whose bytes are changed, added or dropped.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let tool = select(vec!["add", "forecast", "free", "watched", "drop"]);
    let method = select(vec!["tools/call", "tools/call", "prompts/get", "x"]);
    let arguments = select(vec![
        r#"{"city":"Oslo"}"#,
        r#"{"city":"\u00e5 \"}]\\","more":[1.5e3,-0,true,null,{"a":[[],{}]}]}"#,
        r#"[{"a":"[{"},"\ud83d\ude00"]"#,
        r#""text""#,
        "-12.5",
        "{}",
    ]);
    let order = any::<bool>();
    let byte = prop_oneof![any::<u8>(), select(&b"{}[],:\"\\ 0e.-u\xc3\xff"[..])];
    let changes = proptest::collection::vec((any::<Index>(), byte, 0..3), 0..3);
    (method, tool, arguments, order, changes).prop_map(
        |(method, tool, arguments, name_first, changes)| {
            let members = [
                format!(r#""name":"{tool}""#),
                format!(r#""arguments":{arguments}"#),
            ];
            let [first, second] = if name_first {
                [&members[0], &members[1]]
            } else {
                [&members[1], &members[0]]
            };
            let text = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{first},{second}}}}}"#
            );
            let mut body = text.into_bytes();
            for (place, byte, how) in changes {
                let at = place.index(body.len());
                match how {
                    0 => body[at] = byte,
                    1 => body.insert(at, byte),
                    _ => drop(body.remove(at)),
                }
            }
            body
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn it_passes_json_alone_and_answers_every_cut_alike(
        body in message(), cuts in proptest::collection::vec(any::<Index>(), 0..6),
    ) {
        let gateway = gateway();
        let whole = gateway.send(&Sent::post(&body).ending(End::WithTheLastChunk));
        let is_json = serde_json::from_slice::<IgnoredAny>(&body).is_ok();
        if whole.upstream.ended {
            prop_assert!(is_json, "{}", body.escape_ascii());
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len())).collect();
        cuts.extend([0, body.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &body[cut[0]..cut[1]]).collect();
        for end in [End::Alone, End::WithTheLastChunk] {
            let cut = gateway.send(&Sent::post("").body(pieces.clone()).ending(end));
            prop_assert_eq!(cut.upstream.ended, whole.upstream.ended, "{}", body.escape_ascii());
            if !whole.upstream.ended {
                prop_assert_eq!(
                    &cut.late_answer().reply, &whole.answer().reply, "{}", body.escape_ascii()
                );
            }
        }
    }
}
