//! Lists of tools that travel beside a configuration: read once, compiled when they are needed, and
//! decided on as if they were written out.

use std::sync::Arc;

use policy_engine::slots::HashKey;
use policy_engine::wire::{FilterConfig, NamedList, travel};
use policy_engine::{Arguments, Decision, Policy, Principal, Refusal, SchemaCache, compile};
use proptest::prelude::*;
use serde_json::{Value, json};
use step_count::taken_by;

/// A configuration whose server lists these tools, each with its schema, written out.
fn written_out(tools: &[(String, Value)], rules: &Value) -> FilterConfig {
    let names = tools.iter();
    let listed: serde_json::Map<String, Value> = names
        .map(|(name, schema)| (name.clone(), json!({"input_schema": hash(schema)})))
        .collect();
    let schemas = tools.iter();
    let schemas: serde_json::Map<String, Value> = schemas
        .map(|(_, schema)| (hash(schema), schema.clone()))
        .collect();
    let config = json!({
        "version": 2, "listener": "mcp", "allowed_hosts": ["*"], "allowed_origins": ["*"],
        "max_body_bytes": 1_048_576, "max_depth": 64,
        "endpoints": [{"path": "/mcp", "servers": ["data"], "forward": "data"}],
        "servers": {"data": {"cluster": "data", "path": "/mcp", "tools": listed}},
        "defaults": {"access": "allow", "validate": "enforce"},
        "roles": {"analyst": {"claims": {"groups": ["analysts"]}}},
        "rules": rules, "schemas": schemas,
    });
    serde_json::from_value(config).unwrap()
}

/// A name for a schema; that it is no hash makes no difference.
fn hash(schema: &Value) -> String {
    hex::encode(schema.to_string())
}

/// The same with the tools in a list.
fn travelling(mut config: FilterConfig, name: &str) -> FilterConfig {
    let schemas = std::mem::take(&mut config.schemas);
    let server = config.servers.get_mut("data").unwrap();
    let tools = std::mem::take(&mut server.tools);
    let tools = tools.iter().map(|(tool, listed)| {
        let hash = listed.input_schema.as_deref();
        let schema = hash.map(|hash| (hash, schemas[hash].get()));
        (tool.as_str(), schema)
    });
    let list = SchemaCache::new().tool_list(name, tools).unwrap();
    server.list = Some(NamedList::from(list));
    config
}

fn many(count: usize) -> Vec<(String, Value)> {
    let tools = (0..count).map(|number| {
        let schema = json!({"properties": {format!("of_{number}"): {"type": "string"}},
            "additionalProperties": false});
        (format!("tool_{number:04}"), schema)
    });
    tools.collect()
}

fn rule(name: &str, tool: &str, field: &str, value: &Value) -> Value {
    json!({"name": name, "match": {"tool": tool}, field: value})
}

fn read(bytes: &[u8], known: &mut SchemaCache) -> Policy {
    compile(&travel::decode(bytes, known).unwrap(), known).unwrap()
}

fn analyst() -> Principal {
    Principal::Known {
        subject: "ada".to_owned(),
        claims: [("groups".to_owned(), vec!["analysts".to_owned()])].into(),
    }
}

/// The answer to an anonymous call in words.
fn answer(policy: &Policy, tool: &str, arguments: &[u8]) -> String {
    answer_to(&Principal::Anonymous, policy, tool, arguments)
}

/// The answer to a call in words.
fn answer_to(caller: &Principal, policy: &Policy, tool: &str, arguments: &[u8]) -> String {
    let endpoint = policy.endpoint(b"/mcp").unwrap();
    let id = match policy.tool(endpoint, tool.as_bytes()) {
        Ok(id) => id,
        Err(refusal) => return refusal.sentence(),
    };
    let needs = policy.needs_arguments(id, caller);
    let trace = policy.trace(id, caller);
    match policy.decide(id, caller, Arguments::Raw(arguments)) {
        Decision::Refuse(refusal) => refusal.sentence(),
        Decision::Allow(plan) => {
            let target = plan.target();
            let reached = (policy.server(target), policy.cluster(target));
            format!("{needs} {reached:?} {:?} {trace:?}", plan.timeout())
        }
        Decision::Limit(pending) => {
            let key = HashKey([7; 16]);
            let places = policy.places(&pending, &key);
            let places: Vec<String> = places.map(|place| format!("{place:?}")).collect();
            format!("{needs} {places:?} {trace:?}")
        }
    }
}

proptest! {
    /// Read for the first time, or after another configuration: it decides the same.
    #[test]
    fn it_decides_the_same_by_a_list_as_by_tools_that_are_written_out(
        count in 0_usize..12,
        withheld in proptest::collection::btree_set(0_usize..12, 0..4),
        earlier in 0_usize..12,
        picked in proptest::collection::vec(
            (0_usize..6, 0_usize..13, any::<bool>(), any::<bool>()), 0..6),
    ) {
        let fields = [
            ("allow", json!([])),
            ("validate", json!("shadow")),
            ("validate", json!("off")),
            ("timeout_ms", json!(5_000)),
            ("route", json!({"cluster": "other"})),
            ("limits", json!([{"id": "a", "per": ["tool"], "requests": 5, "window_ms": 1_000}])),
        ];
        let rules: Vec<Value> = picked.iter().enumerate().map(|(place, picked)| {
            let (field, tool, is_glob, is_for_some) = picked;
            let pattern = match is_glob {
                true => format!("tool_00*{}", tool % 10),
                false => format!("tool_{tool:04}"),
            };
            let (field, value) = &fields[*field];
            let mut rule = rule(&format!("r{place}"), &pattern, field, value);
            if *is_for_some {
                rule["match"]["roles"] = json!(["analyst"]);
            }
            rule
        }).collect();
        let tools = many(count);
        let plain = {
            let withheld = |name: &str| withheld.iter().any(|one| name == format!("tool_{one:04}"));
            let offered = tools.iter().filter(|(name, _)| !withheld(name));
            let offered: Vec<_> = offered.cloned().collect();
            written_out(&offered, &json!(rules))
        };
        let mut listed = travelling(written_out(&tools, &json!(rules)), "list");
        listed.servers.get_mut("data").unwrap().withheld =
            withheld.iter().map(|one| format!("tool_{one:04}")).collect();
        let bytes = travel::encode(&listed).unwrap();

        let plain = compile(&plain, &mut SchemaCache::new()).unwrap();
        let from_nothing = read(&bytes, &mut SchemaCache::new());
        let mut known = SchemaCache::new();
        let before = travelling(written_out(&many(earlier), &json!([])), "earlier");
        let _before = read(&travel::encode(&before).unwrap(), &mut known);
        let after_another = read(&bytes, &mut known);
        let after_itself = read(&bytes, &mut known);

        for policy in [&from_nothing, &after_another, &after_itself] {
            let names = |policy: &Policy| -> Vec<String> {
                policy.tool_names().map(|(_, _, tool)| tool.to_owned()).collect()
            };
            prop_assert_eq!(names(policy), names(&plain));
            prop_assert!(policy.flawed_tools().is_empty());
            for number in 0..count + 1 {
                let name = format!("tool_{number:04}");
                let explained = |policy: &Policy| {
                    policy.find_tool("data", &name).and_then(|id| policy.explain(id).cloned())
                };
                prop_assert_eq!(explained(policy), explained(&plain));
                for arguments in [&b"{}"[..], br#"{"of_3":"x"}"#, br#"{"of_3":1}"#, b"{"] {
                    for caller in [&Principal::Anonymous, &analyst()] {
                        prop_assert_eq!(
                            answer_to(caller, policy, &name, arguments),
                            answer_to(caller, &plain, &name, arguments)
                        );
                    }
                }
            }
        }
    }
}

const TOOLS: usize = 300;

fn hundred_rules(timeout_ms: u64) -> Value {
    let rules = (0..100).map(|number| {
        let pattern = format!("tool_{number:03}*");
        rule(
            &format!("r{number}"),
            &pattern,
            "timeout_ms",
            &json!(1_000 + number),
        )
    });
    let mut rules: Vec<Value> = rules.collect();
    rules.push(rule("last", "tool_0001", "timeout_ms", &json!(timeout_ms)));
    json!(rules)
}

#[test]
fn it_reads_a_list_once_and_compiles_no_schema_and_merges_no_tool_before_a_call_needs_it() {
    let bytes = |timeout| {
        let config = travelling(written_out(&many(TOOLS), &hundred_rules(timeout)), "list");
        travel::encode(&config).unwrap()
    };
    let (first, second) = (bytes(1), bytes(2));
    let mut known = SchemaCache::new();
    let (before, steps) = taken_by(|| read(&first, &mut known));
    // Its bytes are read, nothing of it is compiled.
    assert!((1..=first.len() as u64).contains(&steps), "{steps} steps");
    let (policy, steps) = taken_by(|| read(&second, &mut known));
    assert_eq!(steps, 0);
    // One tool is called: its rules are looked at and its schema is read.
    let (_, steps) = taken_by(|| answer(&policy, "tool_0001", b"{}"));
    assert!((100..1_000).contains(&steps), "{steps} steps");
    // The next configuration knows what that call has compiled.
    drop(before);
    let third = bytes(3);
    let policy = read(&third, &mut known);
    let (_, steps) = taken_by(|| answer(&policy, "tool_0001", b"{}"));
    assert!((100..200).contains(&steps), "{steps} steps");
}

#[test]
fn it_compiles_a_schema_once_however_many_tools_of_a_list_have_it() {
    let properties = (0..100).map(|number| (format!("of_{number}"), json!({"type": "string"})));
    let schema = json!({"properties": Value::Object(properties.collect())});
    let tools: Vec<_> = ["one", "other"]
        .map(|name| (name.to_owned(), schema.clone()))
        .into();
    let config = travelling(written_out(&tools, &json!([])), "list");
    let mut known = SchemaCache::new();
    let policy = read(&travel::encode(&config).unwrap(), &mut known);
    assert_eq!(known.len(), 1);
    let (_, steps) = taken_by(|| answer(&policy, "one", b"{}"));
    assert!(steps >= schema.to_string().len() as u64, "{steps} steps");
    let (_, steps) = taken_by(|| answer(&policy, "other", b"{}"));
    assert!(steps < 50, "{steps} steps");
}

#[test]
fn it_keeps_of_earlier_lists_what_the_policies_in_force_use() {
    let bytes = |count: usize, name: &str| {
        let config = travelling(written_out(&many(count), &json!([])), name);
        travel::encode(&config).unwrap()
    };
    let mut known = SchemaCache::new();
    let mut policy = read(&bytes(1, "1"), &mut known);
    for count in 2..20 {
        let name = count.to_string();
        policy = read(&bytes(count, &name), &mut known);
        assert_eq!(known.len(), count);
        assert!(known.list(&name).is_some());
    }
    // The list before the last one went with its policy.
    assert!(known.list("18").is_none());
    // Fewer tools: what the last one alone has goes with it.
    let less = read(&bytes(3, "less"), &mut known);
    drop(policy);
    assert_eq!(known.len(), 3);
    drop(less);
    assert!(known.is_empty());
}

#[test]
fn it_refuses_calls_of_a_tool_whose_schema_it_cannot_check_and_names_it_to_whoever_asks() {
    let mut tools = many(2);
    tools[1].1 = json!({"properties": {"a": {"pattern": "^x"}}});
    let check = |rules: &Value, expected: &[&str]| {
        let config = travelling(written_out(&tools, rules), "list");
        let policy = compile(&config, &mut SchemaCache::new()).unwrap();
        let flawed = policy.flawed_tools();
        let names: Vec<&str> = flawed.iter().map(|flawed| flawed.tool.as_str()).collect();
        assert_eq!(names, expected);
        for flawed in &flawed {
            let id = policy.find_tool("data", &flawed.tool).unwrap();
            assert!(!policy.needs_arguments(id, &Principal::Anonymous));
            let decision = policy.decide(id, &Principal::Anonymous, Arguments::NotRead);
            assert!(
                matches!(decision, Decision::Refuse(Refusal::Uncheckable { .. })),
                "{decision:?}"
            );
        }
        flawed.into_iter().flat_map(|flawed| flawed.errors).next()
    };
    let error = check(&json!([]), &["tool_0001"]).unwrap();
    assert!(error.path.starts_with("/schemas/"), "{error}");
    assert!(error.reason.contains("tool `tool_0001`"), "{error}");
    let off = rule("off", "tool_0001", "validate", &json!("off"));
    assert_eq!(check(&json!([off]), &[]), None);
    // The operator's own schema, which the configuration does not hold.
    let constraints = rule("c", "tool_0000", "constraints", &json!("missing"));
    let error = check(&json!([off, constraints]), &["tool_0000"]).unwrap();
    assert_eq!(error.path, "/rules/1/constraints");
}

#[test]
fn it_refuses_the_calls_of_those_callers_alone_whose_arguments_it_cannot_check() {
    let mut tools = many(2);
    tools[1].1 = json!({"properties":
        {"a": {"type": "string", "pattern": "^x", "x-mcp-header": "A"}}});
    let for_analysts = |mut rule: Value| {
        rule["match"]["roles"] = json!(["analyst"]);
        rule
    };
    let constraints = rule("c", "tool_0000", "constraints", &json!("missing"));
    let off = rule("off", "tool_0001", "validate", &json!("off"));
    let rules = json!([for_analysts(constraints), for_analysts(off)]);
    let config = travelling(written_out(&tools, &rules), "list");
    let policy = compile(&config, &mut SchemaCache::new()).unwrap();
    let flawed = policy.flawed_tools();
    let names: Vec<&str> = flawed.iter().map(|flawed| flawed.tool.as_str()).collect();
    assert_eq!(names, ["tool_0000", "tool_0001"]);
    for (tool, caller, is_refused) in [
        ("tool_0000", Principal::Anonymous, false),
        ("tool_0000", analyst(), true),
        ("tool_0001", Principal::Anonymous, true),
        ("tool_0001", analyst(), false),
    ] {
        let id = policy.find_tool("data", tool).unwrap();
        let decision = policy.decide(id, &caller, Arguments::Absent);
        let refused = matches!(decision, Decision::Refuse(Refusal::Uncheckable { .. }));
        assert_eq!(refused, is_refused, "{tool} {caller:?} {decision:?}");
        assert_eq!(
            policy.begin_check(id, &caller).is_some(),
            tool == "tool_0000" && !is_refused
        );
    }
    // The calls that pass say in their headers what their arguments say.
    let tool = policy.find_tool("data", "tool_0001").unwrap();
    assert!(policy.repeats_arguments(tool));
    let arguments = Arguments::Raw(br#"{"a":"y"}"#);
    let repeated = policy
        .header_parameters(tool, &analyst(), arguments)
        .unwrap();
    let repeated: Vec<&str> = repeated.iter().map(|(one, _)| one.header()).collect();
    assert_eq!(repeated, ["A"]);
}

#[test]
fn it_says_what_is_wrong_with_a_list() {
    let config = travelling(written_out(&many(2), &json!([])), "list");
    let bytes = travel::encode(&config).unwrap();
    // The first one is JSON alone, and lacks its list.
    let whole = travel::decode(&bytes, &mut SchemaCache::new()).unwrap();
    let json = serde_json::to_string(&whole).unwrap();
    assert_eq!(travel::json_of(&bytes), json.as_bytes());
    assert_eq!(travel::json_of(json.as_bytes()), json.as_bytes());
    let alone = travel::decode(json.as_bytes(), &mut SchemaCache::new()).unwrap();
    let errors = compile(&alone, &mut SchemaCache::new()).unwrap_err();
    assert_eq!(errors.iter().next().unwrap().path, "/servers/data/list");
    // Both.
    let mut both = whole.clone();
    let tools = serde_json::from_value(json!({"a": {}})).unwrap();
    both.servers.get_mut("data").unwrap().tools = tools;
    let errors = compile(&both, &mut SchemaCache::new()).unwrap_err();
    assert_eq!(errors.iter().next().unwrap().path, "/servers/data/tools");
    // Cut off anywhere, it is refused.
    for length in 0..bytes.len() {
        let mut known = SchemaCache::new();
        let read = travel::decode(&bytes[..length], &mut known);
        let compiled = read.is_ok_and(|config| compile(&config, &mut known).is_ok());
        assert!(!compiled, "{length} of {} bytes", bytes.len());
    }
    let unordered = SchemaCache::new().tool_list("list", [("b", None), ("a", None)]);
    assert!(unordered.unwrap_err().to_string().contains("`a`"));
    for name in ["", "a\tb", "a\n"] {
        let unwritable = SchemaCache::new().tool_list("list", [(name, None)]);
        assert!(unwritable.unwrap_err().to_string().contains("tab"));
    }
}

#[test]
fn it_shares_a_list_between_servers_and_listeners() {
    let mut config = travelling(written_out(&many(5), &json!([])), "list");
    let mut twin = config.servers["data"].clone();
    twin.tool_prefix = "twin_".to_owned();
    config.servers.insert("twin".to_owned(), twin);
    config.endpoints[0].servers.push("twin".to_owned());
    let once = travelling(written_out(&many(5), &json!([])), "list");
    let (twice, once) = (
        travel::encode(&config).unwrap(),
        travel::encode(&once).unwrap(),
    );
    assert!(twice.len() < once.len() + 200, "the list is there once");
    let mut known = SchemaCache::new();
    let read = travel::decode(&twice, &mut known).unwrap();
    let list = |server: &str| read.servers[server].list.clone().unwrap().list.unwrap();
    assert!(Arc::ptr_eq(&list("data"), &list("twin")));
    let policy = compile(&read, &mut known).unwrap();
    assert_eq!(known.len(), 5);
    assert_ne!(
        answer(&policy, "tool_0003", b"{}"),
        answer(&policy, "tool_0009", b"{}")
    );
    assert!(answer(&policy, "twin_tool_0003", b"{}").contains("data"));
}

proptest! {
    #[test]
    fn it_survives_whatever_bytes_it_is_given(bytes: Vec<u8>, place: usize, byte: u8) {
        let mut known = SchemaCache::new();
        let _ = travel::decode(&bytes, &mut known);
        let config = travelling(written_out(&many(3), &json!([])), "list");
        let mut bytes = travel::encode(&config).unwrap();
        let place = place % bytes.len();
        bytes[place] = byte;
        if let Ok(config) = travel::decode(&bytes, &mut known) {
            let _ = compile(&config, &mut known);
        }
    }
}
