//! Every fault of a text is told by its path, in words for its author, in bounded time.

use super::*;

fn check(text: &str, format: Format, path: &str, line: usize, reason: &str) {
    let error = parse(text, format).unwrap_err();
    assert_eq!(
        (error.0[0].path.as_str(), error.0[0].line),
        (path, Some(line)),
        "{error}"
    );
    assert!(error.0[0].reason.contains(reason), "{error}");
}

#[test]
fn it_tells_the_path_and_the_line_of_a_fault() {
    check(
        "{\"listners\": []}",
        Format::Json,
        "/listners",
        1,
        "unknown field `listners`",
    );
    check(
        "tools:\n  - name: a\n    limit: []\n",
        Format::Yaml,
        "/tools/0/limit",
        3,
        "unknown field `limit`",
    );
    check(
        "{\n\"servers\": {\"a b\": {}}}",
        Format::Json,
        "/servers/a b",
        2,
        "`a b` is not a server name",
    );
    check(
        "tools:\n  - name: a\n    limits:\n      - {requests: 1, window: 1 minute}\n",
        Format::Yaml,
        "/tools/0/limits/0/window",
        4,
        "`1 minute` is not a duration",
    );
    check(
        "tools:\n  - name: a\n    limits:\n      - {requests: x, window: 60}\n",
        Format::Yaml,
        "/tools/0/limits/0/requests",
        4,
        "this is the text \"x\"; write a whole number",
    );
    check(
        "{\"rollout\": {\"ack_deadline\": 60}}",
        Format::Json,
        "/rollout/ack_deadline",
        1,
        "this is the number `60`; write a duration such as `500ms`, `30s` or `1m`",
    );
    check(
        "{\"tools\": [}",
        Format::Json,
        "/tools/0",
        1,
        "nothing that can stand here can be read",
    );
    check(
        "tools: [",
        Format::Yaml,
        "/tools",
        2,
        "did not find expected",
    );
    check("{} {}", Format::Json, "", 1, "something follows the end");
}

#[test]
fn it_refuses_a_repeated_key_whose_first_half_would_be_lost() {
    check(
        "servers:\n  a: {url: http://127.0.0.1:1/mcp}\n  a: {url: http://127.0.0.1:2/mcp}\n",
        Format::Yaml,
        "/servers/a",
        3,
        "`a` appears twice",
    );
    check(
        "{\"tools\": [], \"tools\": []}",
        Format::Json,
        "/tools",
        1,
        "`tools` appears twice",
    );
}

#[test]
fn it_tells_repeated_keys_beside_other_faults_all_with_their_lines() {
    let yaml = "
servers:
  a: {url: http://127.0.0.1:1/mcp, url: http://127.0.0.1:2/mcp}
listners: []
servers: {}
tools:
  - {name: a, colour: 1}
  - name: b
    constraints:
      - {type: object, type: string}
servers: {}
";
    let json = r#"{
"servers": {
  "a": {"url": "http://127.0.0.1:1/mcp", "url": "http://127.0.0.1:2/mcp"}},
"listners": [],
"servers": {},
"tools": [
  {"name": "a", "colour": 1},
  {"name": "b",
   "constraints": [
      {"type": "object", "type": "string"}]}],
"servers": {}
}"#;
    for (text, format) in [(yaml, Format::Yaml), (json, Format::Json)] {
        let ParseError(faults) = parse(text, format).unwrap_err();
        let told: Vec<_> = faults
            .iter()
            .map(|fault| (fault.line, fault.path.as_str()))
            .collect();
        let expected = [
            (Some(3), "/servers/a/url"),
            (Some(4), "/listners"),
            (Some(5), "/servers"),
            (Some(7), "/tools/0/colour"),
            (Some(10), "/tools/1/constraints/0/type"),
            (Some(11), "/servers"),
        ];
        assert_eq!(told, expected, "{format:?}: {faults:?}");
    }
}

#[test]
fn it_tells_few_faults_below_a_key_as_long_as_the_text() {
    let long = "k".repeat(200_000);
    let repeated = "\"a\": 1, ".repeat(100);
    let unknown: Vec<String> = (0..100).map(|name| format!("\"x{name}\": 1")).collect();
    for inside in [
        repeated.trim_end_matches(", ").to_owned(),
        unknown.join(", "),
    ] {
        let text = format!("{{\"clusters\": {{\"{long}\": {{{inside}}}}}}}");
        let faults = parse(&text, Format::Json).unwrap_err();
        let told = faults.to_string().len();
        assert!(told <= 4 * text.len(), "{told} bytes");
    }
}

#[test]
fn it_writes_down_no_more_repeated_keys_than_it_tells() {
    let text = format!("{{{}\"tools\": 1}}", "\"tools\": [], ".repeat(10_000));
    let ParseError(faults) = parse(&text, Format::Json).unwrap_err();
    assert_eq!(faults.len(), MOST_FAULTS);
    // Nor looks for their lines without an end.
    let looked_for = faults.iter().filter(|fault| fault.line.is_some());
    assert_eq!(looked_for.count(), MOST_LOOKED_THROUGH / text.len());
}

#[test]
fn it_refuses_a_text_whose_aliases_make_far_more_of_it() {
    let claims = "*a, ".repeat(20_000);
    let text = format!(
        "roles:\n  a: {{claims: {{g: [&a {}]}}}}\n  b: {{claims: {{g: [{claims}]}}}}",
        "x".repeat(100_000)
    );
    let ParseError(faults) = parse(&text, Format::Yaml).unwrap_err();
    assert!(faults[0].reason.contains("aliases"), "{faults:?}");
    let two = "roles:\n  a: &a {claims: {g: [x]}}\n  b: *a";
    assert_eq!(parse(two, Format::Yaml).unwrap().roles.len(), 2);
}

#[test]
fn it_reads_nothing_as_the_default_document() {
    for (text, format) in [
        ("", Format::Yaml),
        ("# later\n", Format::Yaml),
        ("{}", Format::Json),
    ] {
        assert_eq!(parse(text, format).unwrap(), GatewayDocument::default());
    }
}

#[test]
fn it_reports_every_fault_where_the_author_wrote_it() {
    let text = "
listeners: [{name: m p, address: 127.0.0.1:1}]
tools:
  - {name: a, limits: [{per: [sun, tool, moon], requests: 1, window: 1m}], colour: 1}
  - {match: {}}
  - {name: c, limits: [{requests: 1, window: x}]}
";
    let faults = parse(text, Format::Yaml).unwrap_err().0;
    let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/listeners/0/name",
            "/tools/0/colour",
            "/tools/0/limits/0/per/0",
            "/tools/0/limits/0/per/2",
            "/tools/1",
            "/tools/2/limits/0/window"
        ]
    );
}

/// A number; how many were read is counted.
struct Counted;

impl<'de> serde::Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        step_count::count(1);
        u64::deserialize(deserializer).map(|_| Self)
    }
}

/// The faults of a text, and how many values were read to find them.
fn found<T: serde::de::DeserializeOwned>(text: &str) -> (Vec<String>, u64) {
    let (outcome, steps) = step_count::taken_by(|| {
        read(text, Format::Json, &PhantomData::<T>)
            .map(drop)
            .unwrap_err()
    });
    let paths = outcome.0.into_iter().map(|fault| fault.path);
    (paths.collect(), steps)
}

#[test]
fn it_reads_a_large_list_twice_however_many_faults_it_has() {
    const ITEMS: usize = 200_000;
    let items: Vec<&str> = (0..ITEMS)
        .map(|index| if index % 2_000 == 7 { "-1" } else { "1" })
        .collect();
    let (paths, steps) = found::<Vec<Counted>>(&format!("[{}]", items.join(",")));
    let expected = (0..MOST_FAULTS).map(|fault| format!("/{}", fault * 2_000 + 7));
    assert_eq!(paths, expected.collect::<Vec<_>>());
    assert!(steps <= 2 * ITEMS as u64, "{steps} steps");
}

#[test]
fn it_stops_looking_for_faults_in_a_large_map_after_so_many_steps() {
    let map = |entries: usize| {
        let entries: Vec<String> = (0..entries)
            .map(|index| {
                let is_faulty = entries - index <= 5_000 && index % 50 == 7;
                format!("\"{index:06}\": {}", if is_faulty { -1 } else { 1 })
            })
            .collect();
        found::<BTreeMap<String, Counted>>(&format!("{{{}}}", entries.join(",")))
    };
    let (paths, _) = map(5_000);
    assert_eq!(paths.len(), MOST_FAULTS);
    let (paths, steps) = map(200_000);
    assert_eq!(paths[..2], ["/195007", "/195057"]);
    assert!(steps <= 7 * 200_000, "{steps} steps");
}

#[test]
fn it_reads_the_rule_of_one_tool_without_name_and_match() {
    let body = r#"{"limits":[{"per":["tool"],"requests":2,"window":"1m"}]}"#;
    let rule = parse_tool_rule(body, Format::Json).unwrap().named(
        "tool:x".parse().unwrap(),
        "data".parse().unwrap(),
        "x".to_owned(),
    );
    assert_eq!(rule.name.as_str(), "tool:x");
    assert_eq!(rule.matches.tool.as_deref(), Some("x"));
    assert_eq!(rule.limits[0].requests, 2);

    let named = parse_tool_rule(r#"{"name":"other"}"#, Format::Json).unwrap_err();
    assert!(
        named.0[0].reason.contains("`name` appears twice"),
        "{named}"
    );
    let empty = parse_tool_rule("[]", Format::Json).unwrap_err();
    assert!(
        empty.0[0].reason.contains("the policy of one tool"),
        "{empty}"
    );
}

#[test]
fn it_takes_no_text_for_blank_in_which_a_line_after_a_comment_says_something() {
    for end in ["\n", "\r", "\r\n", "\u{85}", "\u{2028}", "\u{2029}"] {
        assert!(is_blank(&format!("\u{feff}# a{end}---{end}")), "{end:?}");
        let text = format!("# a{end}listners: []{end}");
        assert!(!is_blank(&text), "{end:?}");
        check(&text, Format::Yaml, "/listners", 2, "unknown field");
    }
}
