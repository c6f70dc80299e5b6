//! The budget of the bytes that unfinished requests may take, all together.

use std::time::Duration;

use mcp_filter::{Flow, Request};
use proxy_host::StreamId;
use proxy_host::fake::{FakeProxy, SentReply};
use serde_json::{Value, json};

use crate::gateway::{End, Gateway, Sent, call, configuration};

pub const MEBIBYTE: usize = 1 << 20;

/// The configuration, with room for bodies of two MiB.
pub fn configuration_for_large_bodies() -> Value {
    let mut configuration = configuration();
    configuration["max_body_bytes"] = json!(2 * MEBIBYTE);
    configuration
}

fn gateway() -> Gateway {
    Gateway::with(&configuration_for_large_bodies())
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

pub fn requests(gateway: &Gateway, count: usize) -> Vec<FakeProxy> {
    let proxy = |_| gateway.proxy(&Sent::post(""));
    (0..count).map(proxy).collect()
}

/// Begins all requests and sends the same part of each, in two pieces, as over a slow connection.
pub fn begin<'p>(gateway: &Gateway, proxies: &'p [FakeProxy]) -> Vec<Request<'p, FakeProxy>> {
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

pub fn replies(proxies: &[FakeProxy]) -> Vec<SentReply> {
    proxies.iter().filter_map(FakeProxy::sent_reply).collect()
}

/// The id of a tool's result that says `isError`, under 200 and with a time to wait.
pub fn id_of_tool_error(reply: &SentReply) -> Value {
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
    // Of 48 MiB: each takes 1 MiB, and what its headers and its state take.
    assert_eq!(refused.len(), 100 - 47);
    for reply in &refused {
        assert!(id_of_tool_error(reply).as_u64() >= Some(47));
    }
    assert_eq!(gateway.counter(NO_ROOM), 53);
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
    let first = requests(&gateway, 48);
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
    let leaving = (0..47).rev().filter(|place| {
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
fn it_tells_one_that_makes_way_the_refusal_that_already_stood() {
    let gateway = gateway();
    let refused = Sent::post("").with("mcp-protocol-version", "2027-01-01");
    let proxies = [gateway.proxy(&refused)];
    let mut begun = begin(&gateway, &proxies);
    let others = requests(&gateway, 47);
    let _others = begin(&gateway, &others);
    gateway.process.advance(Duration::from_secs(5));
    let second = requests(&gateway, 3);
    let _second = begin(&gateway, &second);
    proxies[0].receive(b"x");
    begun[0].on_body(proxies[0].buffered(), false);
    let reply = proxies[0].sent_reply().unwrap();
    assert_eq!(reply.status, 400, "{}", reply.body);
}

#[test]
fn it_gives_room_back_when_requests_end() {
    let gateway = gateway();
    for _ in 0..3 {
        let proxies = requests(&gateway, 50);
        let begun = begin(&gateway, &proxies);
        assert_eq!(replies(&proxies).len(), 3);
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

/// A request with headers of about 50 KiB, whose body does not come.
fn with_large_headers() -> Sent {
    Sent::post("").with("x-padding", vec![b'x'; 50 << 10])
}

/// How many requests fit into the budget when nothing but their headers comes.
fn begun_with_headers_alone<'p>(
    gateway: &Gateway,
    proxies: &'p [FakeProxy],
) -> Vec<Request<'p, FakeProxy>> {
    let mut begun = Vec::new();
    for (number, proxy) in (0..).zip(proxies) {
        let mut request = gateway.request(proxy, StreamId(number));
        assert_eq!(request.on_headers(false), Flow::Wait);
        if proxy.sent_reply().is_some() {
            return begun;
        }
        begun.push(request);
    }
    begun
}

#[test]
fn it_refuses_requests_for_whose_headers_and_state_there_is_no_room() {
    let gateway = gateway();
    // The budget is 64 MiB; a request takes 8 KiB and its headers.
    for (sent, fit) in [
        (Sent::post(""), 8_000..8_192),
        (with_large_headers(), 1_000..1_130),
    ] {
        let get = sent.clone().replacing(":method", "GET");
        for (request, status) in [
            (sent.clone(), 503),
            // A GET that waits for its end.
            (get.with("content-length", "0"), 503),
            // A refusal that waits for the caller's id is sent without it.
            (sent.with("mcp-protocol-version", "2027-01-01"), 400),
        ] {
            let proxies: Vec<FakeProxy> = (0..=fit.end).map(|_| gateway.proxy(&request)).collect();
            let before = gateway.counter(NO_ROOM);
            let begun = begun_with_headers_alone(&gateway, &proxies);
            assert!(fit.contains(&begun.len()), "{}", begun.len());
            let reply = proxies[begun.len()].sent_reply().unwrap();
            let json: Value = serde_json::from_str(&reply.body).unwrap();
            assert_eq!((reply.status, &json["id"]), (status, &Value::Null));
            if status == 503 {
                let retry_after = ("retry-after".to_owned(), "5".to_owned());
                assert!(reply.headers.contains(&retry_after));
                assert_eq!(json["error"]["code"], json!(50300));
                assert_eq!(gateway.counter(NO_ROOM), before + 1);
            }
        }
    }
}

const NO_ROOM: &str = "portcullis_refusals.server.none.tool.none.reason.no_room";

#[test]
fn it_gives_the_room_of_headers_back_whatever_the_end() {
    let gateway = gateway();
    let call = call("forecast", r#"{"city":"Oslo"}"#);
    let whole = Sent::post(&call).with("x-padding", vec![b'x'; 50 << 10]);
    let ends = [
        // It passes, whole or streamed.
        whole.clone(),
        whole.clone().body(call.as_bytes().chunks(7)),
        // It is refused: by its headers, its body, its trailers.
        whole.clone().with("mcp-protocol-version", "2027-01-01"),
        whole.clone().replacing("content-type", "text/plain"),
        whole.clone().body([&b"{]"[..]]),
        whole.clone().ending(End::Trailers),
        // A GET that waits for its end.
        whole.clone().replacing(":method", "GET").body([&b""[..]]),
        // The client goes away.
        whole.clone().ending(End::Never),
        whole.body([]),
    ];
    for sent in &ends {
        for _ in 0..1_500 {
            gateway.send(sent);
        }
    }
    assert_eq!(gateway.counter(NO_ROOM), 0);
    let proxies: Vec<FakeProxy> = (0..1_000).map(|_| gateway.proxy(&ends[0])).collect();
    assert_eq!(begun_with_headers_alone(&gateway, &proxies).len(), 1_000);
}

#[test]
fn it_lets_requests_that_send_nothing_make_way() {
    let gateway = gateway();
    let idle: Vec<FakeProxy> = (0..1_200)
        .map(|_| gateway.proxy(&with_large_headers()))
        .collect();
    let begun = begun_with_headers_alone(&gateway, &idle);
    gateway.process.advance(Duration::from_secs(5));
    let call = call("forecast", r#"{"city":"Oslo"}"#);
    let large = Sent::post(call).with("x-padding", vec![b'x'; 50 << 10]);
    assert_eq!(gateway.send(&large).cluster(), "weather-cluster");
    // The one that makes way is told with the next answer.
    gateway.send(&Sent::post("{]"));
    let [(stream, reply)] = gateway.process.replies_to_others().try_into().unwrap();
    assert!((stream.0 as usize) < begun.len());
    assert_eq!(reply.status, 503);
}
