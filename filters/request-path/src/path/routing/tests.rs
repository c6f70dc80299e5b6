//! A plan that names no target of the policy in force lets nothing pass.

use std::rc::Rc;

use mcp_message::Reader;
use policy_engine::slots::HashKey;
use policy_engine::wire::FilterConfig;
use policy_engine::{Policy, SchemaCache, compile};
use proxy_values::{HeaderPairs, StreamId};

use crate::effects::{Effect, Effects, Event, Next};
use crate::path::RequestPath;
use crate::path::clearance::Clearance;
use crate::path::message::MessageFate;
use crate::path::phase::Phase;
use crate::settings::{Budgets, Settings};

/// A policy with so many servers, which sends messages to the last of them.
fn policy(servers: usize) -> Policy {
    let names: Vec<String> = (0..servers)
        .map(|number| format!(r#""s{number}""#))
        .collect();
    let reached: Vec<String> = names
        .iter()
        .map(|name| format!(r#"{name}:{{"cluster":{name},"path":"/mcp","tools":{{}}}}"#))
        .collect();
    let endpoints: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(number, name)| {
            let path = if number + 1 == servers {
                "/mcp"
            } else {
                "/other"
            };
            format!(r#"{{"path":"{path}","servers":[{name}],"forward":{name}}}"#)
        })
        .collect();
    let config: FilterConfig = serde_json::from_str(&format!(
        r#"{{"version":1,"listener":"l","allowed_hosts":["*"],"allowed_origins":[],
        "max_body_bytes":1024,"max_depth":8,
        "endpoints":[{}],
        "servers":{{{}}},"defaults":{{"access":"allow","validate":"off"}}}}"#,
        endpoints.join(","),
        reached.join(",")
    ))
    .unwrap();
    compile(&config, &mut SchemaCache::new()).unwrap()
}

/// Lets a message pass by the plan of a policy with so many servers, at a gateway with one.
fn pass(servers: usize) -> (Next, Effects) {
    let settings = Settings::new(policy(1), HashKey([7; 16]), &Budgets::default());
    let settings = Rc::new(settings);
    let mut path = RequestPath::new(Some(Rc::clone(&settings)), StreamId(1));
    let pairs = HeaderPairs::of([
        (":method", &b"POST"[..]),
        (":path", b"/mcp"),
        (":authority", b"localhost"),
        ("content-type", b"application/json"),
        ("authorization", b"Bearer x"),
        ("x-portcullis-cluster", b"theirs"),
    ]);
    let mut effects = Effects::new();
    let headers = Event::Headers {
        pairs: &pairs,
        end: false,
    };
    assert!(matches!(path.on(headers, &mut effects), Next::Hold));
    let Phase::Reading(message) = std::mem::replace(&mut path.phase, Phase::Answered) else {
        panic!("it is not being read");
    };
    let theirs = policy(servers);
    let plan = theirs.forward(theirs.endpoint(b"/mcp").unwrap()).unwrap();
    let clearance = Clearance::new(plan, &mut Reader::new(settings.limits), b"").unwrap();
    let fate = MessageFate::Pass(clearance);
    (path.meet(&settings, message, fate, &mut effects), effects)
}

#[test]
fn it_refuses_a_message_whose_plan_is_of_another_policy() {
    let (next, effects) = pass(1);
    assert!(matches!(next, Next::Go), "{effects:?}");
    let is_routed = |effects: &Effects| {
        let mut effects = effects.iter();
        effects.any(|effect| matches!(effect, Effect::SetHeader { .. } | Effect::Passed { .. }))
    };
    assert!(is_routed(&effects));
    let (next, effects) = pass(2);
    // The answer is sent at the end of the body.
    assert!(
        matches!(next, Next::Hold) && !is_routed(&effects),
        "{effects:?}"
    );
}
