//! The judgements that headers alone allow.

use mcp_filter::Flow;
use serde_json::{Value, json};

use crate::gateway::{End, Gateway, Sent, call, configuration};

const ADD: &str = r#"{"a":1}"#;

#[track_caller]
fn refused(request: &Sent, status: u16, code: i64) -> String {
    let gateway = Gateway::new();
    let answer = gateway.send(request).answer();
    assert_eq!(
        (answer.reply.status, answer.error().1),
        (status, code),
        "{}",
        answer.reply.body
    );
    // With the end of the body in another callback, and chunked, the answer is the same.
    assert_eq!(
        gateway
            .send(&request.clone().ending(End::WithTheLastChunk))
            .answer()
            .reply,
        answer.reply
    );
    answer.sentence().to_owned()
}

#[test]
fn it_leaves_paths_alone_that_are_no_endpoints_but_takes_what_only_proxies_may_say() {
    let gateway = Gateway::new();
    for path in ["/", "/health", "/mcp/x", "/mcpx"] {
        let request = Sent::bare("GET")
            .replacing(":path", path)
            .with("x-portcullis-cluster", "math-cluster")
            .with("x-original-url", "/mcp")
            .with("mcp-name", "x");
        let outcome = gateway.send(&request);
        assert_eq!(outcome.flows, [Flow::Continue]);
        assert_eq!(outcome.header("x-portcullis-cluster"), [""; 0]);
        assert_eq!(outcome.header("x-original-url"), [""; 0]);
        assert_eq!(outcome.header("mcp-name"), ["x"]);
    }
    let outcome = gateway.send(
        &Sent::post("anything")
            .replacing(":path", "/other")
            .ending(End::Trailers),
    );
    assert_eq!(outcome.flows, [Flow::Continue; 3]);
}

#[test]
fn it_refuses_paths_that_a_server_might_take_for_an_endpoint() {
    for path in [
        "/mcp/",
        "//mcp",
        "/MCP",
        "/%6dcp",
        "/mcp%2f",
        "/x/../mcp",
        "/x/%2e%2e/mcp",
        "/mcp;a",
        "/servers/math/mcp/?a",
        "\\mcp",
    ] {
        let request = Sent::post(call("add", ADD)).replacing(":path", path);
        assert!(refused(&request, 404, -32600).contains("exactly"), "{path}");
    }
}

#[test]
fn it_answers_to_its_own_hosts_on_every_path() {
    for path in ["/", "/health", "/mcp/x", "/MCP"] {
        for host in ["evil.example", "", "localhost.evil.example:80"] {
            let request = Sent::bare("GET").replacing(":path", path);
            let answer = Gateway::new()
                .send(&request.replacing(":authority", host))
                .answer();
            assert_eq!(answer.error(), (403, -32600, Value::Null), "{path} {host}");
        }
        let twice = Sent::bare("GET")
            .replacing(":path", path)
            .with("host", "localhost");
        assert_eq!(Gateway::new().send(&twice).answer().reply.status, 403);
    }
}

#[test]
fn it_refuses_headers_that_the_proxy_did_not_hand_over() {
    let gateway = Gateway::new();
    let whole = Sent::post(call("add", ADD));
    for lost in [
        whole.clone().without(":path"),
        whole.clone().losing_headers(1),
        whole.clone().losing_headers(4),
    ] {
        let answer = gateway.send(&lost).answer();
        assert_eq!(answer.error(), (400, -32600, Value::Null));
        assert!(answer.sentence().contains("could not be read"));
    }
    assert_eq!(gateway.send(&whole).cluster(), "math-cluster");
}

#[test]
fn it_keeps_credentials_from_servers_that_do_not_ask_for_them() {
    let mut configuration = configuration();
    configuration["servers"]["math"]["credentials"] = json!("passthrough");
    configuration["rules"][2]["route"] = json!({"cluster": "weather-cluster"});
    let gateway = Gateway::with(&configuration);
    let credentials = [
        ("authorization", "Bearer a"),
        ("proxy-authorization", "Basic b"),
        ("cookie", "c=1"),
    ];
    let with_credentials = |request: Sent| {
        let with = |request: Sent, (name, value): (&str, &str)| request.with(name, value);
        let once = credentials.into_iter().fold(request, with);
        once.with("cookie", "d=2")
    };
    let check = |request: Sent, pass: bool| {
        let outcome = gateway.send(&with_credentials(request));
        outcome.cluster();
        for (name, value) in credentials {
            let seen = outcome.header(name);
            assert_eq!(seen.first().map(String::as_str), pass.then_some(value));
        }
    };
    check(Sent::post(call("add", ADD)), true);
    check(Sent::post(call("forecast", r#"{"city":"x"}"#)), false);
    // A rule sends the calls of this tool to the other server, which did not ask.
    check(Sent::post(call("slow", "{}")), false);
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    check(Sent::post(list), false);
    check(
        Sent::post(list).replacing(":path", "/servers/math/mcp"),
        true,
    );
    check(Sent::bare("GET"), false);
}

#[test]
fn it_always_sets_the_cluster_itself() {
    let request = Sent::post(call("add", ADD))
        .with("x-portcullis-cluster", "weather-cluster")
        .with("x-portcullis-cluster", "other");
    assert_eq!(Gateway::new().send(&request).cluster(), "math-cluster");
}

#[test]
fn it_takes_headers_away_that_only_a_proxy_may_write() {
    let lies = [
        ("forwarded", "host=evil.example"),
        ("te", "trailers"),
        ("x-envoy-max-retries", "9"),
        ("x-envoy-original-path", "/admin"),
        ("x-envoy-retry-on", "5xx"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-prefix", "/admin"),
        ("x-http-method-override", "DELETE"),
        ("x-method-override", "DELETE"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
    ];
    let envoys_own = [
        ("x-envoy-external-address", "10.0.0.1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "http"),
    ];
    let with = |request: Sent, (name, value): (&str, &str)| request.with(name, value);
    for request in [Sent::post(call("add", ADD)), Sent::bare("GET")] {
        let request = lies.into_iter().chain(envoys_own).fold(request, with);
        let outcome = Gateway::new().send(&request);
        outcome.cluster();
        for (name, _) in lies {
            assert_eq!(outcome.header(name), [""; 0], "{name}");
        }
        for (name, value) in envoys_own {
            assert_eq!(outcome.header(name), [value]);
        }
    }
}

#[test]
fn it_sends_the_servers_own_path() {
    let gateway = Gateway::new();
    assert_eq!(
        gateway.send(&Sent::post(call("add", ADD))).header(":path"),
        ["/math"]
    );
    let request = Sent::post(call("add", ADD)).replacing(":path", "/servers/math/mcp?session=1");
    assert_eq!(gateway.send(&request).header(":path"), ["/math"]);
    let request = Sent::post(call("forecast", r#"{"city":"x"}"#));
    assert_eq!(gateway.send(&request).header(":path"), ["/mcp"]);
}

#[test]
fn it_refuses_methods_that_mcp_does_not_use() {
    for method in ["OPTIONS", "PUT", "HEAD", "CONNECT", "post", ""] {
        let answer = Gateway::new().send(&Sent::bare(method)).answer();
        assert_eq!(answer.error(), (405, -32600, Value::Null));
        assert_eq!(answer.header("allow"), Some("POST, GET, DELETE"));
    }
}

#[test]
fn it_refuses_tunnels_at_once() {
    // What follows an upgrade never ends, whatever length was announced.
    let post = Sent::post(call("add", ADD)).with("upgrade", "websocket");
    for request in [post.clone(), post.with("content-length", "2")] {
        let outcome = Gateway::new().send(&request.ending(End::Never));
        assert_eq!(outcome.flows, [Flow::Wait]);
        assert_eq!(outcome.answer().error(), (400, -32600, Value::Null));
    }
    refused(&Sent::bare("GET").with("upgrade", "websocket"), 400, -32600);
    refused(
        &Sent::bare("CONNECT").with(":protocol", "websocket"),
        400,
        -32600,
    );
}

#[test]
fn it_answers_to_its_own_hosts_only() {
    let post = || Sent::post(call("add", ADD));
    for host in ["localhost", "LOCALHOST:1", "[::1]:10000", "127.0.0.1"] {
        assert_eq!(
            Gateway::new()
                .send(&post().replacing(":authority", host))
                .cluster(),
            "math-cluster"
        );
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "",
        "127.0.0.1@evil",
    ] {
        refused(&post().replacing(":authority", host), 403, -32600);
    }
    refused(&post().replacing(":authority", b"\xff\xfe"), 403, -32600);
    refused(&post().without(":authority"), 403, -32600);
    refused(&post().with("host", "evil.example"), 403, -32600);
}

#[test]
fn it_answers_to_allowed_origins_and_to_none() {
    let post = || Sent::post(call("add", ADD));
    assert_eq!(
        Gateway::new()
            .send(&post().with("origin", "http://localhost:3000"))
            .cluster(),
        "math-cluster"
    );
    for origin in [
        &b"http://evil.example"[..],
        b"null",
        b"",
        b"http://localhost.evil:1",
        b"\xff",
    ] {
        let sentence = refused(&post().with("origin", origin), 403, -32600);
        assert!(sentence.contains("is not allowed here"), "{sentence}");
    }
    refused(
        &post()
            .with("origin", "http://localhost:1")
            .with("origin", "http://evil.example"),
        403,
        -32600,
    );
}

#[test]
fn it_refuses_headers_that_occur_twice_with_the_callers_id() {
    for name in ["mcp-protocol-version", "mcp-method", "mcp-name"] {
        for version in ["2025-11-25", "2026-07-28"] {
            let request = Sent::post(call("add", ADD)).with("mcp-protocol-version", version);
            let request = request.with(name, "x").with(name, "x");
            let answer = Gateway::new().send(&request).answer();
            assert_eq!(
                answer.error(),
                (400, -32020, Value::from(41)),
                "{name} {version}"
            );
            assert!(answer.sentence().contains("twice"));
        }
    }
}

#[test]
fn it_refuses_versions_that_it_does_not_know_and_lists_those_it_does() {
    for version in ["2027-01-01", "2026-07-29", "draft", "", "1"] {
        let request = Sent::post(call("add", ADD)).with("mcp-protocol-version", version);
        let answer = Gateway::new().send(&request).answer();
        assert_eq!(answer.error(), (400, -32022, Value::from(41)));
        assert_eq!(answer.json["error"]["data"]["requested"], version);
        assert_eq!(answer.json["error"]["data"]["supported"][0], "2026-07-28");
    }
}

#[test]
fn it_reads_json_only() {
    let post = || Sent::post(call("add", ADD));
    refused(&post().without("content-type"), 415, -32600);
    refused(&post().replacing("content-type", "text/plain"), 415, -32600);
    refused(
        &post().replacing("content-type", "application/json; charset=latin1"),
        415,
        -32600,
    );
    refused(
        &post().with("content-type", "application/json"),
        415,
        -32600,
    );
    refused(&post().with("content-encoding", "gzip"), 415, -32600);
    refused(
        &post()
            .with("content-encoding", "identity")
            .with("content-encoding", "identity"),
        415,
        -32600,
    );
    let request = post()
        .replacing("content-type", "Application/JSON;charset=UTF-8")
        .with("content-encoding", "identity");
    assert_eq!(Gateway::new().send(&request).cluster(), "math-cluster");
}

#[test]
fn it_refuses_bytes_that_are_no_text_in_any_header() {
    let post = || Sent::post(call("add", ADD));
    for name in [
        "x-op",
        "cookie",
        "mcp-session-id",
        "mcp-name",
        "mcp-param-x",
    ] {
        let sentence = refused(&post().with(name, b"ab\xff\xfe"), 400, -32600);
        assert!(sentence.contains(name), "{sentence}");
    }
    let text = post().with("x-op", "über").with("cookie", b"\0");
    assert_eq!(Gateway::new().send(&text).cluster(), "math-cluster");
}

#[test]
fn it_waits_for_the_end_of_the_body_before_it_refuses_by_the_headers() {
    let request = Sent::post("")
        .replacing(":authority", "evil")
        .body([&b"{\"id\""[..], b":1}"]);
    let outcome = Gateway::new().send(&request);
    assert_eq!(outcome.flows, [Flow::Wait; 4]);
    assert_eq!(outcome.answer().reply.status, 403);
    // But not for a body without end.
    let endless = vec![b'x'; 5000];
    let outcome = Gateway::new().send(
        &Sent::post("")
            .replacing(":authority", "evil")
            .body([&endless[..]])
            .ending(End::Never),
    );
    assert_eq!(outcome.answer().reply.status, 403);
}

#[test]
fn it_refuses_everything_without_a_configuration() {
    let gateway = Gateway::without_configuration();
    for request in [
        Sent::bare("GET").replacing(":path", "/other"),
        Sent::post(call("add", ADD)),
    ] {
        let answer = gateway.send(&request).answer();
        assert_eq!(answer.error(), (503, 50300, Value::Null));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
}

#[test]
fn it_passes_get_and_delete_of_the_legacy_era_without_body() {
    let gateway = Gateway::new();
    for method in ["GET", "DELETE"] {
        let request = Sent::bare(method)
            .with("mcp-session-id", "s")
            .with("mcp-method", "x")
            .with("mcp-param-a", "x");
        let outcome = gateway.send(&request);
        assert_eq!(outcome.cluster(), "weather-cluster");
        assert_eq!(outcome.header("mcp-session-id"), ["s"]);
        assert_eq!(
            [outcome.header("mcp-method"), outcome.header("mcp-param-a")],
            [[""; 0], [""; 0]]
        );
        let request = request.with("content-length", "0");
        let ends_later = gateway.send(&request.clone().body([&b""[..]]));
        assert_eq!(ends_later.cluster(), "weather-cluster");
        let with_body = gateway.send(&request.clone().body([&b"{}"[..]]));
        assert_eq!(with_body.answer().error(), (400, -32600, Value::Null));
        let with_trailers = gateway.send(&request.body([&b""[..]]).ending(End::Trailers));
        assert_eq!(with_trailers.answer().error(), (400, -32600, Value::Null));

        let modern = gateway
            .send(&Sent::bare(method).with("mcp-protocol-version", "2026-07-28"))
            .answer();
        assert_eq!(modern.error(), (405, -32600, Value::Null));
        assert_eq!(modern.header("allow"), Some("POST"));
    }
    let request = Sent::bare("GET").replacing(":path", "/servers/math/mcp");
    assert_eq!(gateway.send(&request).cluster(), "math-cluster");
}

#[test]
fn it_waits_for_no_end_that_nobody_announced() {
    let gateway = Gateway::new();
    // As Envoy shows the attempt of an upgrade over HTTP/1.1: headers that do not end the request,
    // and nothing more.
    let check = |request: Sent, status: u16| {
        let outcome = gateway.send(&request.body([&b""[..]]).ending(End::Never));
        assert_eq!(outcome.flows, [Flow::Wait]);
        assert_eq!(outcome.answer().error(), (status, -32600, Value::Null));
    };
    for method in ["GET", "DELETE"] {
        check(Sent::bare(method), 400);
        check(Sent::bare(method).with("upgrade", "websocket"), 400);
        check(Sent::bare(method).replacing(":authority", "evil"), 403);
        check(
            Sent::bare(method).with("mcp-protocol-version", "2026-07-28"),
            405,
        );
    }
    check(Sent::bare("OPTIONS"), 405);
}
