//! The price of a call besides the reading of its bytes: calls of the host, of which each leaves
//! the VM, and allocations. Exact numbers, so that a change which adds one says so here.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use allocation_counter::{measure, opt_out};
use mcp_filter::Flow;
use policy_engine::UnixNanos;
use proxy_host::fake::FakeProxy;
use proxy_host::{
    Answering, Clock, Conflict, HeaderPairs, LocalReply, MetricId, MetricKind, Metrics,
    RequestBody, RequestHeaders, SharedData, SharedValue, StreamId, Version,
};
use serde_json::json;

use crate::gateway::{Gateway, Sent, call, configuration, modern_call};

/// A proxy whose calls are counted, and whose own allocations are not.
struct CountedProxy {
    proxy: FakeProxy,
    calls: RefCell<BTreeMap<&'static str, usize>>,
}

impl CountedProxy {
    fn call<T>(&self, name: &'static str, answer: impl FnOnce(&FakeProxy) -> T) -> T {
        let mut answered = None;
        opt_out(|| {
            *self.calls.borrow_mut().entry(name).or_default() += 1;
            answered = Some(answer(&self.proxy));
        });
        answered.expect("the proxy answers")
    }
}

impl RequestHeaders for CountedProxy {
    fn header_pairs(&self) -> HeaderPairs {
        self.call("header_pairs", RequestHeaders::header_pairs)
    }

    fn set_header(&self, name: &str, value: &str) {
        self.call("set_header", |proxy| proxy.set_header(name, value));
    }

    fn remove_header(&self, name: &[u8]) {
        self.call("remove_header", |proxy| proxy.remove_header(name));
    }
}

impl RequestBody for CountedProxy {
    fn body(&self, from: usize, length: usize) -> Vec<u8> {
        self.call("body", |proxy| proxy.body(from, length))
    }

    fn replace_body(&self, bytes: &[u8]) {
        self.call("replace_body", |proxy| proxy.replace_body(bytes));
    }
}

impl Answering for CountedProxy {
    fn reply(&self, reply: &LocalReply<'_>) {
        self.call("reply", |proxy| proxy.reply(reply));
    }

    fn reply_to(&self, other: StreamId, own: StreamId, reply: &LocalReply<'_>) {
        self.call("reply_to", |proxy| proxy.reply_to(other, own, reply));
    }

    fn note(&self, name: &str, value: &[u8]) {
        self.call("note", |proxy| proxy.note(name, value));
    }
}

impl SharedData for CountedProxy {
    fn read(&self, key: &str) -> SharedValue {
        self.call("read", |proxy| SharedData::read(proxy, key))
    }

    fn compare_and_set(&self, key: &str, bytes: &[u8], version: Version) -> Result<(), Conflict> {
        self.call("compare_and_set", |proxy| {
            proxy.compare_and_set(key, bytes, version)
        })
    }
}

impl Metrics for CountedProxy {
    fn define_metric(&self, kind: MetricKind, name: &str) -> Option<MetricId> {
        self.call("define_metric", |proxy| proxy.define_metric(kind, name))
    }

    fn increment(&self, metric: MetricId) {
        self.call("increment", |proxy| proxy.increment(metric));
    }

    fn record(&self, metric: MetricId, value: u64) {
        self.call("record", |proxy| proxy.record(metric, value));
    }
}

impl Clock for CountedProxy {
    fn now(&self) -> UnixNanos {
        self.call("now", Clock::now)
    }

    fn monotonic(&self) -> Duration {
        self.call("monotonic", Clock::monotonic)
    }
}

fn gateway() -> Gateway {
    let mut configuration = configuration();
    configuration["rules"] = json!([
        {"name": "each", "match": {"tool": "get_weather"},
         "limits": [{"id": "each", "per": ["tool", "principal"],
                     "requests": 1_000_000, "window_ms": 1000}]},
    ]);
    Gateway::with(&configuration)
}

/// The length that an HTTP/1.1 client announces.
fn announced(sent: Sent) -> Sent {
    let length: usize = sent.chunks.iter().map(Vec::len).sum();
    sent.with("content-length", length.to_string())
}

/// The calls of the host, and the allocations, of a call that passes: its body comes in one piece,
/// and its end by itself, as over HTTP/1.1.
fn cost(gateway: &Gateway, sent: &Sent) -> (BTreeMap<&'static str, usize>, u64) {
    let host = CountedProxy {
        proxy: gateway.proxy(sent),
        calls: RefCell::default(),
    };
    let body = &sent.chunks[0];
    let allocations = measure(|| {
        let mut request = gateway.request(&host, StreamId(1));
        assert_eq!(request.on_headers(false), Flow::Wait);
        opt_out(|| host.proxy.receive(body));
        assert_eq!(request.on_body(body.len(), false), Flow::Wait);
        assert_eq!(request.on_body(body.len(), true), Flow::Continue);
    });
    (host.calls.into_inner(), allocations.count_total)
}

/// Compares what a call costs once its tool has been called before; the timed call that
/// comes once in sixteen calls costs three calls of the host more.
#[track_caller]
fn check(sent: Sent, expected: &[(&str, usize)], allocations: u64) {
    let gateway = gateway();
    let sent = announced(sent);
    cost(&gateway, &sent);
    for _ in 1..16 {
        let (calls, count) = cost(&gateway, &sent);
        let calls: Vec<(&str, usize)> = calls.into_iter().collect();
        assert_eq!(calls, expected);
        assert_eq!(count, allocations);
    }
    let (calls, count) = cost(&gateway, &sent);
    let mut timed: BTreeMap<&str, usize> = expected.iter().copied().collect();
    if sent.chunks[0].windows(10).any(|word| word == b"tools/call") {
        timed.insert("monotonic", 2);
        timed.insert("record", 1);
    }
    assert_eq!((calls, count), (timed, allocations));
}

const LIMITED: [(&str, usize); 8] = [
    ("body", 1),
    ("compare_and_set", 1),
    ("header_pairs", 1),
    ("increment", 1),
    ("note", 1),
    ("now", 1),
    ("read", 1),
    ("set_header", 1),
];

const UNLIMITED: [(&str, usize); 5] = [
    ("body", 1),
    ("header_pairs", 1),
    ("increment", 1),
    ("note", 1),
    ("set_header", 1),
];

#[test]
fn it_asks_the_host_eight_times_for_a_checked_and_limited_call_and_allocates_once() {
    let arguments = r#"{"city":"Oslo"}"#;
    // The message in hand is the one allocation.
    check(Sent::post(call("get_weather", arguments)), &LIMITED, 1);
    let modern = modern_call("get_weather", arguments);
    let modern = Sent::modern("tools/call", Some("get_weather"), modern);
    check(modern, &LIMITED, 1);
}

#[test]
fn it_asks_the_host_five_times_for_a_call_without_limit() {
    check(
        Sent::post(call("forecast", r#"{"city":"Oslo"}"#)),
        &UNLIMITED,
        1,
    );
    let slow = Sent::post(call("add", r#"{"a":[1,2,{"b":3}]}"#));
    let rerouted = [UNLIMITED.as_slice(), &[]].concat();
    let rerouted: Vec<(&str, usize)> = rerouted
        .into_iter()
        .map(|(name, count)| (name, if name == "set_header" { 2 } else { count }))
        .collect();
    check(slow, &rerouted, 1);
}

#[test]
fn it_asks_the_host_four_times_for_a_list() {
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let expected: Vec<(&str, usize)> = UNLIMITED
        .into_iter()
        .filter(|(name, _)| *name != "increment")
        .collect();
    check(Sent::post(list), &expected, 1);
}
