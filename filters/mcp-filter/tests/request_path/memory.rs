//! The budget of the bytes that unfinished bodies may buffer, all together.

use std::time::Duration;

use mcp_filter::{Flow, Request};
use proxy_host::StreamId;
use proxy_host::fake::{FakeProxy, SentReply};
use serde_json::{Value, json};

use crate::gateway::{End, Gateway, Sent, call, configuration};

const MEBIBYTE: usize = 1 << 20;

fn gateway() -> Gateway {
    let mut configuration = configuration();
    configuration["max_body_bytes"] = json!(2 * MEBIBYTE);
    Gateway::with(&configuration)
}

/// A call whose body never ends; its id stands first.
fn unfinished(id: u32, bytes: usize) -> Vec<u8> {
    let head = format!(
        concat!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"forecast","#,
            r#""arguments":{{"city":""#
        ),
        id = id
    );
    let mut body = head.into_bytes();
    body.resize(bytes, b'x');
    body
}

fn requests(gateway: &Gateway, count: usize) -> Vec<FakeProxy> {
    let proxy = |_| gateway.proxy(&Sent::post(""));
    (0..count).map(proxy).collect()
}

/// Begins all requests and sends the same part of each, in two pieces, as over a slow connection.
fn begin<'p>(gateway: &Gateway, proxies: &'p [FakeProxy]) -> Vec<Request<'p, FakeProxy>> {
    let begin = |(number, proxy): (u32, &'p FakeProxy)| {
        let mut request = gateway.request(proxy, StreamId(number));
        assert_eq!(request.on_headers(false), Flow::Wait);
        let body = unfinished(number, MEBIBYTE);
        for part in body.chunks(MEBIBYTE / 2) {
            proxy.receive(part);
            assert_eq!(request.on_body(proxy.buffered(), false), Flow::Wait);
        }
        request
    };
    (0..).zip(proxies).map(begin).collect()
}

fn replies(proxies: &[FakeProxy]) -> Vec<SentReply> {
    proxies.iter().filter_map(FakeProxy::sent_reply).collect()
}

/// The id of a tool's result that says `isError`, under 200 and with a time to wait.
fn id_of_tool_error(reply: &SentReply) -> Value {
    let json: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(
        (reply.status, &json["result"]["isError"]),
        (200, &json!(true))
    );
    let retry_after = ("retry-after".to_owned(), "5".to_owned());
    assert!(reply.headers.contains(&retry_after));
    json["id"].clone()
}

#[test]
fn it_refuses_bodies_for_which_the_budget_has_no_room() {
    let gateway = gateway();
    let proxies = requests(&gateway, 100);
    let _begun = begin(&gateway, &proxies);
    let refused = replies(&proxies);
    assert_eq!(refused.len(), 100 - 48);
    for reply in &refused {
        assert!(id_of_tool_error(reply).as_u64() >= Some(48));
    }
    let counter = "portcullis_refusals.server.none.tool.none.reason.no_room";
    assert_eq!(gateway.counter(counter), 52);
}

#[test]
fn it_lets_small_and_whole_bodies_pass_while_large_ones_fill_the_budget() {
    let gateway = gateway();
    let proxies = requests(&gateway, 60);
    let _begun = begin(&gateway, &proxies);
    let body = |size| call("forecast", &format!(r#"{{"city":"{}"}}"#, "x".repeat(size)));
    let small = body(60_000);
    let small = Sent::post("").body(small.as_bytes().chunks(1_000));
    assert_eq!(gateway.send(&small).cluster(), "weather-cluster");
    let whole = Sent::post(body(900_000)).ending(End::WithTheLastChunk);
    assert_eq!(gateway.send(&whole).cluster(), "weather-cluster");
}

#[test]
fn it_lets_slow_bodies_make_way() {
    let gateway = gateway();
    let first = requests(&gateway, 49);
    let mut begun = begin(&gateway, &first);
    assert_eq!(replies(&first).len(), 1);
    gateway.process.advance(Duration::from_secs(5));
    let second = requests(&gateway, 3);
    let _more = begin(&gateway, &second);
    assert_eq!(replies(&second), []);
    // Nobody has been answered yet: what an answer to another request would do to this one's body
    // is no good.
    assert_eq!(gateway.process.replies_to_others(), []);
    // One hears it in its own next callback, where more of its body comes.
    let leaving = (0..48).rev().filter(|place| {
        first[*place].receive(b"x");
        begun[*place].on_body(first[*place].buffered(), false);
        first[*place].sent_reply().is_some()
    });
    let first_leaver = leaving.take(1).next().unwrap();
    let reply = first[first_leaver].sent_reply().unwrap();
    assert_eq!(id_of_tool_error(&reply), first_leaver);
    // The others with the next request that is answered.
    let sent_away = gateway.process.replies_to_others();
    assert_eq!(sent_away.len(), 2);
    for (stream, reply) in sent_away {
        assert_eq!(id_of_tool_error(&reply), stream.0);
        // What still comes of it goes nowhere.
        let gone = stream.0 as usize;
        assert_eq!(
            begun[gone].on_body(first[gone].buffered(), true),
            Flow::Wait
        );
    }
    let counter = "portcullis_refusals.server.none.tool.none.reason.made_way";
    assert_eq!(gateway.counter(counter), 3);
}

#[test]
fn it_gives_room_back_when_requests_end() {
    let gateway = gateway();
    for _ in 0..3 {
        let proxies = requests(&gateway, 50);
        let begun = begin(&gateway, &proxies);
        assert_eq!(replies(&proxies).len(), 2);
        drop(begun);
    }
}

#[test]
fn it_answers_with_the_status_where_nobody_is_known_to_wait() {
    let gateway = gateway();
    let proxies = requests(&gateway, 60);
    let _begun = begin(&gateway, &proxies);
    let endless = vec![b' '; MEBIBYTE];
    let sent = Sent::post("").body([&endless[..]]).ending(End::Never);
    let answer = gateway.send(&sent).answer();
    assert_eq!(answer.error(), (503, 50300, Value::Null));
    assert_eq!(answer.header("retry-after"), Some("5"));
}
