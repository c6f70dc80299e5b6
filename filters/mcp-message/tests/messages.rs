//! Messages of every form, and what the reader finds in them or refuses, one row each.

use mcp_message::{
    Capability, EndOfBody, Invalid, KNOWN_METHODS, Kind, Member, MessageBounds, NotJson, Place,
    ReadError, ReadProgress, Reader, Reference,
};

fn read(body: &[u8]) -> (Reader, Result<ReadProgress, ReadError>) {
    let mut reader = Reader::new(MessageBounds {
        max_bytes: 10_000,
        max_depth: 8,
        max_keys: 4,
    });
    let outcome = reader.push(body, EndOfBody::Reached);
    (reader, outcome)
}

fn refused(body: impl AsRef<[u8]>) -> ReadError {
    let (_, outcome) = read(body.as_ref());
    outcome.expect_err(&String::from_utf8_lossy(body.as_ref()))
}

#[test]
fn it_finds_what_a_modern_tools_call_holds_in_any_order() {
    let body = br#" { "params" : {"arguments":{"name":"inner","uri":[1,{"name":2}]},
        "_meta":{"x":{"y":1},"io.modelcontextprotocol/protocolVersion":"2026-07-28"},
        "n\u0061me":"list\u005ftables"}, "id":"a\"b", "method":"tools/call","jsonrpc":"2.0"} "#;
    let (reader, outcome) = read(body);
    assert_eq!(outcome, Ok(ReadProgress::Complete(Kind::Request)));
    let message = reader.message();
    assert_eq!(message.id().unwrap().raw(body), br#""a\"b""#);
    assert_eq!(message.method().unwrap().decoded(body), &b"tools/call"[..]);
    assert_eq!(
        message.protocol_version().unwrap().decoded(body),
        &b"2026-07-28"[..]
    );
    assert_eq!(
        message.arguments().unwrap().raw(body),
        br#"{"name":"inner","uri":[1,{"name":2}]}"#
    );
    let Member::Text(name) = message.name() else {
        panic!("{message:?}")
    };
    assert_eq!(name.decoded(body), &b"list_tables"[..]);
    assert_eq!(message.uri(), Member::Absent);
}

#[test]
fn it_knows_what_a_method_is_called_on() {
    let check = |method: &str, params: &str, expected: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let (reader, outcome) = read(body.as_bytes());
        assert_eq!(outcome, Ok(ReadProgress::Complete(Kind::Request)), "{body}");
        let capability = Capability::of_method(method.as_bytes());
        let named = match capability.named_in(reader.message()) {
            Member::Absent => "absent".to_owned(),
            Member::Other => "other".to_owned(),
            Member::Text(text) => {
                String::from_utf8(text.decoded(body.as_bytes()).into_owned()).unwrap()
            }
        };
        assert_eq!(named, expected, "{body}");
    };
    check("tools/call", r#"{"name":"t"}"#, "t");
    check("prompts/get", r#"{"name":"p"}"#, "p");
    check(
        "resources/read",
        r#"{"uri":"a:\/\/b","name":"no"}"#,
        "a://b",
    );
    check("tasks/get", r#"{"taskId":"1"}"#, "1");
    check("tasks/update", r#"{"taskId":1}"#, "other");
    check("tasks/cancel", r#"{"taskId":{"taskId":"2"}}"#, "other");
    check("tools/call", r#"{"name":null}"#, "other");
    check("tools/list", r#"{"name":"t"}"#, "absent");
}

#[test]
fn it_finds_what_a_completion_completes() {
    let text = |body: &str, member: Member| match member {
        Member::Absent => "absent".to_owned(),
        Member::Other => "other".to_owned(),
        Member::Text(text) => String::from_utf8(text.decoded(body.as_bytes()).into()).unwrap(),
    };
    for (params, expected) in [
        (
            r#"{"ref":{"type":"ref/prompt","name":"p","title":{"name":1}}}"#,
            "ref/prompt p absent",
        ),
        (
            r#"{"name":"q","ref":{"uri":"a:b","type":"x"},"uri":"c:d"}"#,
            "x absent a:b",
        ),
        (
            r#"{"ref":{"n\u0061me":"p","type":[{}],"uri":7},"arguments":{"ref":1}}"#,
            "other p other",
        ),
        (r#"{"ref":{}}"#, "absent absent absent"),
        (r#"{"ref":[{"name":"p"}]}"#, "other"),
        (r#"{"x":{"ref":{"name":"p"}},"_meta":{"ref":1}}"#, "absent"),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#);
        let (reader, outcome) = read(body.as_bytes());
        assert_eq!(outcome, Ok(ReadProgress::Complete(Kind::Request)), "{body}");
        let found = match reader.message().reference() {
            Reference::Absent => "absent".to_owned(),
            Reference::Other => "other".to_owned(),
            Reference::Whole { kind, name, uri } => [kind, name, uri]
                .map(|member| text(&body, member))
                .join(" "),
        };
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn it_tells_the_kinds_of_message_apart() {
    let check = |body: &str, expected| {
        assert_eq!(
            read(body.as_bytes()).1,
            Ok(ReadProgress::Complete(expected)),
            "{body}"
        );
    };
    check(r#"{"jsonrpc":"2.0","id":0,"method":"ping"}"#, Kind::Request);
    check(
        r#"{"jsonrpc":"2.0","id":-0,"method":"ping"}"#,
        Kind::Request,
    );
    check(
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        Kind::Notification,
    );
    check(
        r#"{"jsonrpc":"2.0","id":3,"result":{"roots":[]}}"#,
        Kind::Response,
    );
    check(r#"{"jsonrpc":"2.0","id":3,"result":null}"#, Kind::Response);
    check(
        r#"{"jsonrpc":"2.0","id":"x","error":{"code":-1,"message":"m"}}"#,
        Kind::Response,
    );
    check(
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"m"}}"#,
        Kind::Response,
    );
}

#[test]
fn it_refuses_keys_that_occur_twice_however_they_are_written() {
    let check = |body: &str, key: &str, place| {
        assert_eq!(
            refused(body),
            ReadError::DuplicateKey {
                key: key.to_owned(),
                place
            }
        );
    };
    check(r#"{"jsonrpc":"2.0","id":1,"id":1}"#, "id", Place::Message);
    check(r#"{"x":1,"\u0078":2}"#, "x", Place::Message);
    check(
        r#"{"params":{},"method":"m","params":{}}"#,
        "params",
        Place::Message,
    );
    check(
        r#"{"params":{"name":"a","n\u0061me":"b"}}"#,
        "name",
        Place::Params,
    );
    check(
        r#"{"params":{"arguments":{},"arguments":{}}}"#,
        "arguments",
        Place::Params,
    );
    check(
        r#"{"params":{"other":1,"name":"a","other":2}}"#,
        "other",
        Place::Params,
    );
    check(r#"{"params":{"_meta":{"a":[{}],"a":0}}}"#, "a", Place::Meta);
    check(r#"{"params":{"ref":1,"r\u0065f":2}}"#, "ref", Place::Params);
    check(
        r#"{"params":{"ref":{"name":{},"name":0}}}"#,
        "name",
        Place::Reference,
    );
    check(
        r#"{"params":{"ref":{"x":{},"x":0}}}"#,
        "x",
        Place::Reference,
    );
    let twice = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
    check(
        &format!(r#"{{"params":{{"_meta":{{{twice},{twice}}}}}}}"#),
        "io.modelcontextprotocol/protocolVersion",
        Place::Meta,
    );
}

#[test]
fn it_refuses_keys_that_a_reader_which_ignores_case_takes_for_known_ones() {
    let check = |body: &str, key: &str, known: &'static str, place| {
        assert_eq!(
            refused(body),
            ReadError::MisspeltKey {
                key: key.to_owned(),
                known,
                place
            },
            "{body}"
        );
    };
    let rows = [
        ("JSONRPC", "jsonrpc"),
        ("JsonRpc", "jsonrpc"),
        ("j\u{17f}onrpc", "jsonrpc"),
        ("ID", "id"),
        ("Id", "id"),
        ("Method", "method"),
        ("Params", "params"),
        ("param\u{17f}", "params"),
        ("Result", "result"),
        ("re\u{17f}ult", "result"),
        ("ERROR", "error"),
        (" method", "method"),
    ];
    for (key, known) in rows {
        // Instead of the right one, beside it on either side, and in escapes.
        let message = Place::Message;
        check(&format!(r#"{{"{key}":1}}"#), key, known, message);
        check(&format!(r#"{{"x":1,"{key}":{{}}}}"#), key, known, message);
        let known_first = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","{key}":0}}"#);
        check(&known_first, key, known, message);
        let escaped: String = key
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect();
        check(&format!(r#"{{"{escaped}":1}}"#), key, known, message);
    }
    let rows = [
        ("Name", "name"),
        ("URI", "uri"),
        ("taskid", "taskId"),
        ("ta\u{17f}\u{212a}Id", "taskId"),
        ("Arguments", "arguments"),
        ("argument\u{17f}", "arguments"),
        ("_META", "_meta"),
    ];
    for (key, known) in rows {
        let body = format!(r#"{{"params":{{"name":"a","{key}":1}}}}"#);
        check(&body, key, known, Place::Params);
    }
    let version = "io.modelcontextprotocol/protocolVersion";
    for key in [
        version.to_ascii_uppercase(),
        version.replace('s', "\u{17f}"),
    ] {
        let body = format!(r#"{{"params":{{"_meta":{{"{key}":"2026-07-28"}}}}}}"#);
        check(&body, &key, version, Place::Meta);
    }
    // A known key of another place is none here, and other letters fold to nothing of ours.
    let body = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"m","Name":1,"\u0131d":1,"params":{"ID":1,"#,
        r#""Method":2,"x":{"Name":1}}}"#
    );
    assert_eq!(
        read(body.as_bytes()).1,
        Ok(ReadProgress::Complete(Kind::Request))
    );
}

#[test]
fn it_refuses_keys_that_a_reader_which_stops_at_a_nul_takes_for_known_ones() {
    let rows = [
        (r#"{"method":"x","method\u0000":"tools/call"}"#, "method"),
        (r#"{"Method\u0000x":"tools/call"}"#, "method"),
        (r#"{"params":{"name":"a","name\u0000":"b"}}"#, "name"),
    ];
    for (body, expected) in rows {
        let error = refused(body);
        let ReadError::MisspeltKey { known, .. } = &error else {
            panic!("{body}: {error}");
        };
        assert_eq!(*known, expected, "{body}");
    }
}

#[test]
fn it_refuses_methods_that_a_looser_reader_takes_for_a_known_one() {
    for known in KNOWN_METHODS {
        for method in [
            format!("{known}\\u0000"),
            known.to_ascii_uppercase(),
            format!("{known} "),
            format!("\\t{known}"),
        ] {
            let error = refused(format!(r#"{{"method":"{method}"}}"#));
            let ReadError::MisspeltMethod { known: found, .. } = &error else {
                panic!("{method}: {error}");
            };
            assert_eq!(*found, *known, "{method}");
            assert!(!error.to_string().contains(['\0', '\t']), "{error}");
        }
    }
}

#[test]
fn it_repeats_a_callers_key_on_one_line_and_short() {
    let long = format!(
        r#"{{"a\n\"\u001b{0}":1,"a\n\"\u001b{0}":2}}"#,
        "x".repeat(500)
    );
    let sentence = refused(long).to_string();
    assert!(sentence.len() < 200, "{sentence}");
    assert!(!sentence.contains(['\n', '"', '\u{1b}']), "{sentence}");
}

#[test]
fn it_lets_keys_recur_where_they_are_not_the_envelopes() {
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"m","params":{
        "_meta":{"m":{"a":1}},"x":{"name":1,"name":2},"name":"n"},"a":{"id":1}}"#;
    assert_eq!(read(body).1, Ok(ReadProgress::Complete(Kind::Request)));
}

#[test]
fn it_refuses_envelopes_of_the_wrong_shape() {
    let member = |body: &str, member: &str| match refused(body) {
        ReadError::WrongMember { member: found, .. } => assert_eq!(found, member, "{body}"),
        other => panic!("{body}: {other:?}"),
    };
    member(r#"{"jsonrpc":"1.0"}"#, "jsonrpc");
    member(r#"{"jsonrpc":2.0}"#, "jsonrpc");
    member(r#"{"id":1.5}"#, "id");
    member(r#"{"id":1e3}"#, "id");
    member(r#"{"id":true}"#, "id");
    member(r#"{"id":[1]}"#, "id");
    member(r#"{"method":1}"#, "method");
    member(r#"{"params":[1]}"#, "params");
    member(r#"{"params":null}"#, "params");
    member(r#"{"params":{"_meta":1}}"#, "params._meta");
    member(r#"{"error":"e"}"#, "error");

    assert_eq!(refused("[]"), ReadError::Batch);
    assert_eq!(refused(r#"  [{"jsonrpc":"2.0"}]"#), ReadError::Batch);
    for scalar in ["1", " -1.5e3 ", "null", "\"x\"", " true"] {
        assert_eq!(refused(scalar), ReadError::NotAnObject);
    }
    let invalid = |body: &str, why| assert_eq!(refused(body), ReadError::Invalid(why), "{body}");
    invalid("{}", Invalid::NoVersion);
    invalid(r#"{"id":1,"method":"m"}"#, Invalid::NoVersion);
    invalid(
        r#"{"jsonrpc":"2.0","id":1}"#,
        Invalid::NeitherCallNorResponse,
    );
    invalid(
        r#"{"jsonrpc":"2.0","id":1,"method":"m","result":1}"#,
        Invalid::Ambiguous,
    );
    invalid(
        r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#,
        Invalid::Ambiguous,
    );
    invalid(
        r#"{"jsonrpc":"2.0","result":1}"#,
        Invalid::ResponseWithoutId,
    );
    invalid(
        r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#,
        Invalid::NullId,
    );
}

#[test]
fn it_refuses_what_is_not_json_and_says_where() {
    let check = |body: &[u8], at, why| {
        assert_eq!(
            refused(body),
            ReadError::NotJson { at, why },
            "{}",
            String::from_utf8_lossy(body)
        );
    };
    check(b"", 0, NotJson::Truncated);
    check(b"  ", 2, NotJson::Truncated);
    check(b"not json", 1, NotJson::Unexpected(b'o'));
    check(b"tru", 3, NotJson::Truncated);
    check(b"-", 1, NotJson::Truncated);
    check(b"1 {}", 2, NotJson::Unexpected(b'{'));
    check(b"{", 1, NotJson::Truncated);
    check(br#"{"id":1"#, 7, NotJson::Truncated);
    check(
        br#"{"jsonrpc":"2.0","method":"m"} {"#,
        31,
        NotJson::Trailing,
    );
    check(br#"{"jsonrpc":"2.0","method":"m"}]"#, 30, NotJson::Trailing);
    check(br#"{"a":1,}"#, 7, NotJson::Unexpected(b'}'));
    check(br#"{"a":[1,]}"#, 8, NotJson::Unexpected(b']'));
    check(br#"{"a":[1}"#, 7, NotJson::Unexpected(b'}'));
    check(br#"{"a":01}"#, 6, NotJson::Unexpected(b'1'));
    check(br#"{"a":-}"#, 6, NotJson::Unexpected(b'}'));
    check(br#"{"a":1.}"#, 7, NotJson::Unexpected(b'}'));
    check(br#"{"a":+1}"#, 5, NotJson::Unexpected(b'+'));
    check(br#"{"a":NaN}"#, 5, NotJson::Unexpected(b'N'));
    check(br#"{"a":trve}"#, 7, NotJson::Unexpected(b'v'));
    check(br#"{'a':1}"#, 1, NotJson::Unexpected(b'\''));
    check(br#"{"a" 1}"#, 5, NotJson::Unexpected(b'1'));
    check(b"{\"a\0\":1}", 3, NotJson::ControlCharacter(0));
    check(b"{\"a\n\":1}", 3, NotJson::ControlCharacter(b'\n'));
    check(br#"{"\x":1}"#, 3, NotJson::Escape);
    check(br#"{"\u12g4":1}"#, 6, NotJson::Escape);
    check(br#"{"\udc00":1}"#, 7, NotJson::LoneSurrogate);
    check(br#"{"\ud800":1}"#, 8, NotJson::LoneSurrogate);
    check(br#"{"\ud800\n":1}"#, 9, NotJson::LoneSurrogate);
    check(br#"{"\ud800\u0041":1}"#, 13, NotJson::LoneSurrogate);
    check(b"\xef\xbb\xbf{}", 0, NotJson::Unexpected(0xef));
    check(b"{\"a\":\"\xff\"}", 6, NotJson::Utf8);
    check(b"{\"a\":\"\xe4\xb8\"}", 6, NotJson::Utf8);
    check(b"{\"a\":\"\xe4\xb8", 6, NotJson::Utf8);
    check(b"{\"a\":\"\xed\xa0\x80\"}", 6, NotJson::Utf8);
    check(b"{\"a\":\"\xc0\xaf\"}", 6, NotJson::Utf8);
}

#[test]
fn it_holds_to_its_bounds() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"jsonrpc":"2.0","method":"m","x":{open}{close}}}"#)
    };
    assert_eq!(
        read(nested(7).as_bytes()).1,
        Ok(ReadProgress::Complete(Kind::Notification))
    );
    assert_eq!(refused(nested(8)), ReadError::TooDeep { limit: 8 });
    assert_eq!(refused(nested(4_000)), ReadError::TooDeep { limit: 8 });

    let long = |bytes: usize| {
        let body = r#"{"jsonrpc":"2.0","method":"m"}"#;
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    assert_eq!(
        read(long(10_000).as_bytes()).1,
        Ok(ReadProgress::Complete(Kind::Notification))
    );
    assert_eq!(refused(long(10_001)), ReadError::TooLarge { limit: 10_000 });

    assert_eq!(
        refused(r#"{"a":0,"b":0,"c":0,"d":0,"e":0}"#),
        ReadError::TooManyKeys {
            place: Place::Message,
            limit: 4
        }
    );
}

#[test]
fn it_stays_failed() {
    let mut reader = Reader::new(MessageBounds::default());
    let first = reader.push(b"[", EndOfBody::NotYet);
    assert_eq!(first, Err(ReadError::Batch));
    assert_eq!(
        reader.push(br#"{"jsonrpc":"2.0","method":"m"}"#, EndOfBody::Reached),
        first
    );
}

#[test]
fn it_gives_errors_their_json_rpc_codes() {
    assert_eq!(refused("{").code(), -32700);
    assert_eq!(refused("[]").code(), -32600);
    assert_eq!(refused(r#"{"id":1,"id":1}"#).code(), -32600);
}
