//! The questions of a call to the proxy, step by step, with other requests in between.

use std::rc::Rc;

use policy_engine::settlement::Stored;
use policy_engine::slots::{HashKey, SlotIndex, SlotVersion};
use policy_engine::wire::FilterConfig;
use policy_engine::{SchemaCache, UnixNanos, compile};
use proxy_values::{HeaderPairs, StreamId};
use request_path::{Budgets, Effect, Effects, Event, HeaderValue, Next, RequestPath, Settings};

const NOW: UnixNanos = UnixNanos(1_790_000_000_000_000_000);
const NEVER_STORED: SlotVersion = SlotVersion(0);

/// A gateway whose one tool may be called once a minute.
fn settings() -> Rc<Settings> {
    let config: FilterConfig = serde_json::from_str(
        r#"{"version":1,"listener":"l","allowed_hosts":["*"],"allowed_origins":[],
        "max_body_bytes":1024,"max_depth":8,
        "endpoints":[{"path":"/mcp","servers":["s"],"forward":"s"}],
        "servers":{"s":{"cluster":"c","path":"/own","tools":{"t":{}}}},
        "defaults":{"access":"allow","validate":"enforce"},
        "rules":[{"name":"r","timeout_ms":5,
          "limits":[{"id":"a","requests":1,"window_ms":60000}]}]}"#,
    )
    .unwrap();
    let policy = compile(&config, &mut SchemaCache::new()).unwrap();
    Rc::new(Settings::new(policy, HashKey([7; 16]), &Budgets::default()))
}

/// A call that waits for its decision.
fn call(settings: &Rc<Settings>, number: u32) -> RequestPath {
    let mut path = RequestPath::new(Some(Rc::clone(settings)), StreamId(number));
    let pairs = HeaderPairs::of([
        (":method", &b"POST"[..]),
        (":path", b"/mcp"),
        (":authority", b"localhost"),
        ("content-type", b"application/json"),
    ]);
    let headers = Event::Headers {
        pairs: &pairs,
        end: false,
    };
    assert!(matches!(on(&mut path, headers), (Next::Hold, effects) if effects.is_empty()));
    let body = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t"}}"#;
    assert_eq!(path.wanted(body.len()), 0..body.len());
    let body = Event::Body {
        size: body.len(),
        fresh: body.to_vec(),
        end: true,
    };
    assert!(matches!(on(&mut path, body), (Next::Decide(_), effects) if effects.is_empty()));
    path
}

fn on(path: &mut RequestPath, event: Event<'_>) -> (Next, Effects) {
    let mut effects = Effects::new();
    let next = path.on(event, &mut effects);
    (next, effects)
}

/// Hands in an event that changes nothing yet.
fn ask(path: &mut RequestPath, event: Event<'_>) -> Next {
    let (next, effects) = on(path, event);
    assert!(effects.is_empty(), "{effects:?}");
    next
}

fn nothing_stored() -> Event<'static> {
    Event::Slot {
        bytes: &[],
        version: NEVER_STORED,
    }
}

/// The slot for which a call asks that may be decided on.
fn asks_for_slot(path: &mut RequestPath) -> SlotIndex {
    assert!(matches!(ask(path, Event::Decide), Next::TimeOfDay));
    match ask(path, Event::TimeOfDay(NOW)) {
        Next::Read(slot) => slot,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_asks_for_one_thing_at_a_time_and_then_says_all_that_is_to_be_done() {
    let mut path = call(&settings(), 1);
    let read = asks_for_slot(&mut path);
    let Next::Write { slot, version, .. } = ask(&mut path, nothing_stored()) else {
        panic!("nothing to write");
    };
    assert_eq!((slot, version), (read, NEVER_STORED));
    let (next, effects) = on(&mut path, Event::Written(Stored::Yes));
    assert!(matches!(next, Next::Go));
    let told: Vec<String> = effects
        .iter()
        .map(|effect| match effect {
            Effect::SetHeader { name, value } => match value {
                HeaderValue::Milliseconds(time) => format!("{name}: {}", time.as_millis()),
                HeaderValue::Cluster(_) => format!("{name}: cluster"),
                HeaderValue::Path(_) => format!("{name}: path"),
                HeaderValue::Text(text) => format!("{name}: {text}"),
            },
            Effect::Note { name, value } => {
                format!("{name} is {}", String::from_utf8_lossy(value))
            }
            Effect::Called(_) => "called".to_owned(),
            Effect::Passed { item: Some(_), .. } => "passed".to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        "called",
        "x-portcullis-cluster: cluster",
        ":path: path",
        "x-envoy-upstream-rq-timeout-ms: 5",
        "x-envoy-expected-rq-timeout-ms: 5",
        "passed",
        "portcullis_call_id is 7",
    ];
    assert_eq!(told, expected);
}

#[test]
fn it_waits_for_its_answer_whoever_comes_between() {
    let settings = settings();
    let (mut first, mut second) = (call(&settings, 1), call(&settings, 2));
    let slot = asks_for_slot(&mut first);
    assert_eq!(asks_for_slot(&mut second), slot);
    // Both have read the same; the second is faster.
    let Next::Write { bytes, .. } = ask(&mut first, nothing_stored()) else {
        panic!("nothing to write");
    };
    assert!(matches!(
        ask(&mut second, nothing_stored()),
        Next::Write { .. }
    ));
    let (next, _) = on(&mut second, Event::Written(Stored::Yes));
    assert!(matches!(next, Next::Go));
    let again = ask(&mut first, Event::Written(Stored::No));
    assert!(matches!(again, Next::Read(again) if again == slot));
    let now_stored = Event::Slot {
        bytes: &bytes,
        version: SlotVersion(1),
    };
    let (next, effects) = on(&mut first, now_stored);
    assert!(matches!(next, Next::Hold));
    let refused = effects.iter().find_map(|effect| match effect {
        Effect::Refused { reason, rule, .. } => Some((*reason, rule.as_deref())),
        _ => None,
    });
    assert_eq!(refused, Some(("limited", Some("r"))));
    assert!(matches!(effects.last(), Some(Effect::Answer(_))));
}

#[test]
fn it_lets_nothing_pass_by_an_answer_that_nobody_asked_for() {
    let wrong = || {
        [
            nothing_stored(),
            Event::Written(Stored::Yes),
            Event::TimeOfDay(NOW),
            Event::Monotonic(std::time::Duration::ZERO),
        ]
    };
    for event in wrong() {
        let mut path = call(&settings(), 1);
        let passes = matches!(on(&mut path, event).0, Next::Go);
        assert!(!passes);
    }
    for event in [nothing_stored(), Event::Written(Stored::Yes)] {
        let mut path = call(&settings(), 1);
        assert!(matches!(ask(&mut path, Event::Decide), Next::TimeOfDay));
        let (next, effects) = on(&mut path, event);
        assert!(matches!(next, Next::Hold));
        assert!(matches!(effects.last(), Some(Effect::Answer(_))));
    }
    // Before the headers, and after the answer, there is nothing to be decided.
    let mut path = RequestPath::new(Some(settings()), StreamId(1));
    for event in wrong() {
        assert!(matches!(ask(&mut path, event), Next::Hold));
    }
}

#[test]
fn it_refuses_a_request_that_goes_on_before_what_it_asked_for_is_answered() {
    // One question of each kind that a call asks.
    let asking: [fn(&mut RequestPath); 4] = [
        |_| {},
        |path| assert!(matches!(ask(path, Event::Decide), Next::TimeOfDay)),
        |path| {
            asks_for_slot(path);
        },
        |path| {
            asks_for_slot(path);
            assert!(matches!(ask(path, nothing_stored()), Next::Write { .. }));
        },
    ];
    let more = || Event::Body {
        size: 0,
        fresh: Vec::new(),
        end: true,
    };
    for (number, asks) in asking.into_iter().enumerate() {
        for event in [more(), Event::Trailers] {
            let mut path = call(&settings(), 1);
            asks(&mut path);
            let (next, effects) = on(&mut path, event);
            assert!(matches!(next, Next::Hold), "{number}");
            let [
                Effect::Warn(_),
                Effect::Refused { reason, .. },
                Effect::Answer(_),
            ] = effects.as_slice()
            else {
                panic!("{number}: {effects:?}");
            };
            assert_eq!(*reason, "body_lost");
            // Whatever still comes finds it answered.
            for late in [Event::Decide, Event::TimeOfDay(NOW), nothing_stored()] {
                assert!(matches!(ask(&mut path, late), Next::Hold));
            }
            let late = Event::Written(Stored::Yes);
            assert!(matches!(ask(&mut path, late), Next::Hold));
            assert!(matches!(ask(&mut path, more()), Next::Hold));
        }
    }
}

#[test]
fn it_warns_of_limits_that_cannot_be_read_now_and_then_and_not_for_each_call() {
    let settings = settings();
    let mut warnings = Vec::new();
    for seconds in [0, 1, 2, 9, 10, 11, 25] {
        let mut path = call(&settings, 1);
        assert!(matches!(ask(&mut path, Event::Decide), Next::TimeOfDay));
        let now = UnixNanos(NOW.0 + seconds * 1_000_000_000);
        assert!(matches!(
            ask(&mut path, Event::TimeOfDay(now)),
            Next::Read(_)
        ));
        let garbage = Event::Slot {
            bytes: b"garbage",
            version: SlotVersion(1),
        };
        let (_, effects) = on(&mut path, garbage);
        assert!(matches!(effects.last(), Some(Effect::Answer(_))));
        warnings.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::Warn(text) => Some((seconds, text)),
            _ => None,
        }));
    }
    let told = |text: &str, more: u32| text.contains(&format!("; {more} calls more "));
    match warnings.as_slice() {
        [(0, first), (10, second), (25, third)] => {
            assert!(
                first.contains("7 bytes") && !first.contains("more"),
                "{first}"
            );
            assert!(told(second, 3) && told(third, 1), "{second}; {third}");
        }
        other => panic!("{other:?}"),
    }
}
