//! The budget of the bytes that bodies take behind the filter, all together.

use std::time::Duration;

use mcp_filter::{Flow, Request};
use proxy_host::StreamId;
use proxy_host::fake::FakeProxy;
use serde_json::json;

use crate::gateway::{End, Gateway, Sent, call};
use crate::memory::{
    MEBIBYTE, begin, configuration_for_large_bodies, id_of_tool_error, replies, requests,
};

fn gateway() -> Gateway {
    Gateway::with(&configuration_for_large_bodies())
}

/// Whole calls that their server has not answered; those that were refused are gone.
fn on_their_way<'p>(
    gateway: &Gateway,
    proxies: &'p [FakeProxy],
    body: &[u8],
    pieces: usize,
) -> Vec<Request<'p, FakeProxy>> {
    let mut open = Vec::new();
    for (number, proxy) in (0..).zip(proxies) {
        let mut request = gateway.request(proxy, StreamId(number));
        request.on_headers(false);
        let parts = body.chunks(body.len().div_ceil(pieces));
        for (place, part) in (1..=parts.len()).zip(parts) {
            proxy.receive(part);
            if request.on_body(proxy.buffered(), place == pieces) == Flow::Continue {
                proxy.pass_on();
            }
            if proxy.sent_reply().is_some() {
                break;
            }
        }
        if proxy.sent_reply().is_none() {
            open.push(request);
        }
    }
    open
}

const LARGE_SIZE: usize = 1_833 << 10;

/// The arguments of a large call. Of 64 MiB one server may have 15 such, no more than three
/// quarters of what is then free; half of the next would find room, too.
fn large_arguments() -> String {
    format!(r#"{{"city":"{}"}}"#, "x".repeat(LARGE_SIZE))
}

const LARGE_CALLS_OF_ONE_SERVER: usize = 15;

#[test]
fn it_refuses_bodies_for_a_server_that_has_its_part_of_the_budget_full_and_for_no_other() {
    let gateway = gateway();
    // Judged as a whole; and read as it passes, so that a part of it may have passed before.
    for (tool, pieces, others) in [("forecast", 1, "add"), ("add", 4, "forecast")] {
        let body = call(tool, &large_arguments());
        let proxies = requests(&gateway, 40);
        let open = on_their_way(&gateway, &proxies, body.as_bytes(), pieces);
        let refused = replies(&proxies);
        assert_eq!(open.len(), LARGE_CALLS_OF_ONE_SERVER, "{tool} in {pieces}");
        assert_eq!(open.len() + refused.len(), proxies.len());
        for reply in &refused {
            assert_eq!(id_of_tool_error(reply), 41);
        }
        let passes = |tool, size| {
            let body = call(tool, &format!(r#"{{"city":"{}"}}"#, "x".repeat(size)));
            let sent = Sent::post(body).ending(End::WithTheLastChunk);
            gateway.send(&sent).cluster().ends_with("-cluster")
        };
        // Small calls pass, and so do all of another server.
        assert!([0, 3_000, 60_000].iter().all(|size| passes(tool, *size)));
        for size in [0, 3_000, 60_000, MEBIBYTE, LARGE_SIZE] {
            assert!(passes(others, size), "{others} of {size} bytes");
        }
        // What is still being sent has a budget of its own.
        let unfinished = requests(&gateway, 47);
        let begun = begin(&gateway, &unfinished);
        assert_eq!(replies(&unfinished), []);
        drop(begun);
        // Whatever their time, those on their way stay: their server may be at work.
        gateway.process.advance(Duration::from_secs(60));
        gateway.send(&Sent::post("{]"));
        assert_eq!(gateway.process.replies_to_others(), []);
        drop(open);
        assert!(passes(tool, MEBIBYTE));
    }
}

#[test]
fn it_refuses_no_call_of_the_smallest_however_many_a_server_has_to_answer() {
    let gateway = gateway();
    let smallest = call("add", &format!(r#"{{"city":"{}"}}"#, "x".repeat(3_900)));
    let proxies = requests(&gateway, 10_000);
    for pieces in [1, 3] {
        let open = on_their_way(&gateway, &proxies, smallest.as_bytes(), pieces);
        assert_eq!((open.len(), replies(&proxies)), (10_000, Vec::new()));
    }
}

#[test]
fn it_counts_no_call_for_whose_body_its_server_has_no_room() {
    let gateway = gateway();
    let large = call("forecast", &large_arguments());
    let proxies = requests(&gateway, LARGE_CALLS_OF_ONE_SERVER);
    let open = on_their_way(&gateway, &proxies, large.as_bytes(), 1);
    assert_eq!(open.len(), LARGE_CALLS_OF_ONE_SERVER);
    // Two of these may pass in a minute.
    let limited = Sent::post(call("get_weather", &large_arguments()));
    for _ in 0..3 {
        let answer = gateway.send(&limited).answer();
        assert!(answer.sentence().contains("as many large calls to answer"));
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
    let counter = "portcullis_refusals.server.weather.tool.get_weather.reason.servers_behind";
    assert_eq!(gateway.counter(counter), 3);
    drop(open);
    for _ in 0..2 {
        assert_eq!(gateway.send(&limited).cluster(), "weather-cluster");
    }
    let answer = gateway.send(&limited).answer();
    assert!(answer.sentence().contains("limited to 2 calls"));
}

#[test]
fn it_counts_no_call_for_whose_later_pieces_its_server_has_no_room() {
    let mut configuration = configuration_for_large_bodies();
    let limit = json!({"id": "each", "per": ["tool"], "requests": 2, "window_ms": 60000});
    let rule = json!({"name": "two", "match": {"tool": "slow"}, "limits": [limit]});
    configuration["rules"].as_array_mut().unwrap().push(rule);
    let gateway = Gateway::with(&configuration);
    let large = call("add", &large_arguments());
    let proxies = requests(&gateway, LARGE_CALLS_OF_ONE_SERVER);
    let open = on_their_way(&gateway, &proxies, large.as_bytes(), 1);
    assert_eq!(open.len(), LARGE_CALLS_OF_ONE_SERVER);
    // It is decided on with its first piece, and for that there is room.
    let body = call("slow", &large_arguments());
    let limited = Sent::post("")
        .with("content-length", body.len().to_string())
        .body(body.as_bytes().chunks(MEBIBYTE / 2));
    for _ in 0..3 {
        let answer = gateway.send(&limited).answer();
        assert!(answer.sentence().contains("as many large calls to answer"));
    }
    drop(open);
    for _ in 0..2 {
        assert_eq!(gateway.send(&limited).cluster(), "math-cluster");
    }
    let answer = gateway.send(&limited).answer();
    assert!(answer.sentence().contains("limited to 2 calls"));
}

#[test]
fn it_gives_back_the_room_of_a_call_that_a_limit_refuses() {
    let gateway = gateway();
    let limited = call("get_weather", &large_arguments());
    let proxies = requests(&gateway, 40);
    let mut open = Vec::new();
    for (number, proxy) in (0..).zip(&proxies) {
        let mut request = gateway.request(proxy, StreamId(number));
        request.on_headers(false);
        proxy.receive(limited.as_bytes());
        request.on_body(proxy.buffered(), true);
        open.push(request);
    }
    for reply in replies(&proxies) {
        assert!(reply.body.contains("limited to 2 calls"), "{}", reply.body);
    }
    let more = requests(&gateway, 40);
    let large = call("forecast", &large_arguments());
    let more = on_their_way(&gateway, &more, large.as_bytes(), 1);
    assert_eq!(more.len(), LARGE_CALLS_OF_ONE_SERVER - 2);
    drop(open);
}

/// A request for a stream of events, with its method before or behind so much of its body.
fn listen(method_first: bool, size: usize) -> String {
    let method = r#""jsonrpc":"2.0","id":"a","method":"subscriptions/listen""#;
    let params = format!(
        r#""params":{{"_meta":{{"{}":"2026-07-28"}},"pad":"{}"}}"#,
        "io.modelcontextprotocol/protocolVersion",
        "x".repeat(size)
    );
    if method_first {
        format!("{{{method},{params}}}")
    } else {
        format!("{{{params},{method}}}")
    }
}

#[test]
fn it_refuses_a_large_request_for_a_stream_in_the_form_of_its_revision() {
    let gateway = gateway();
    for method_first in [true, false] {
        let modern = |body: &str| Sent::modern("subscriptions/listen", None, body);
        let honest = listen(method_first, 60_000);
        let sent = modern(&honest).body(honest.as_bytes().chunks(9_000));
        assert_eq!(gateway.send(&sent).cluster(), "weather-cluster");
        let large = listen(method_first, 66_000);
        for piece in [large.len(), 9_000, 65_000] {
            let sent = modern(&large).body(large.as_bytes().chunks(piece));
            let announced = sent.clone().with("content-length", large.len().to_string());
            for sent in [sent, announced] {
                let answer = gateway.send(&sent).late_answer();
                assert_eq!(answer.error(), (413, -32600, json!("a")), "{piece}");
                assert!(answer.sentence().contains("has at most 65536 bytes"));
            }
        }
        let legacy = Sent::post(&large);
        let answer = gateway.send(&legacy).answer();
        assert_eq!(answer.error(), (200, -32600, json!("a")));
    }
}
