//! A schema has bounds, and so has the work for a call and the memory for a tool, whatever a server
//! lists and an operator writes.

use allocation_counter::measure;
use policy_engine::wire::{FilterConfig, NamedList};
use policy_engine::{
    Arguments, CompileErrors, Decision, Policy, Principal, Schema, SchemaCache, compile,
    compile_schema,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use step_count::taken_by;

const MOST_BYTES: usize = 256 << 10;
const MOST_PARTS: usize = 10_000;

fn compiled(schema: &str) -> Result<Schema, CompileErrors> {
    compile_schema(&RawValue::from_string(schema.to_owned()).unwrap())
}

/// A policy whose one tool is in a list beside it.
fn policy(schema: &Value, rules: &Value, roles: &[String]) -> Policy {
    let claims = |role: &String| (role.clone(), json!({"claims": {"groups": [role]}}));
    let roles: serde_json::Map<String, Value> = roles.iter().map(claims).collect();
    let config = json!({
        "version": 2, "listener": "mcp", "allowed_hosts": ["*"], "allowed_origins": ["*"],
        "max_body_bytes": 1_048_576, "max_depth": 64,
        "endpoints": [{"path": "/mcp", "servers": ["data"], "forward": "data"}],
        "servers": {"data": {"cluster": "data", "path": "/mcp"}},
        "defaults": {"access": "allow", "validate": "enforce"},
        "roles": roles, "rules": rules, "schemas": {},
    });
    let mut config: FilterConfig = serde_json::from_value(config).unwrap();
    let mut known = SchemaCache::new();
    let schema = schema.to_string();
    let list = known.tool_list("list", [("tool", Some(("hash", schema.as_str())))]);
    config.servers.get_mut("data").unwrap().list = Some(NamedList::from(list.unwrap()));
    compile(&config, &mut known).unwrap()
}

/// An object with so many properties that clients repeat in headers.
fn with_headers(count: usize) -> Value {
    let of = |number: usize| {
        let name = format!("{number:x}");
        (
            name.clone(),
            json!({"type": "string", "x-mcp-header": name}),
        )
    };
    let all: serde_json::Map<String, Value> = (0..count).map(of).collect();
    json!({"properties": all})
}

fn holder(role: &str) -> Principal {
    Principal::Known {
        subject: "ada".to_owned(),
        claims: [("groups".to_owned(), vec![role.to_owned()])].into(),
    }
}

#[test]
fn it_bounds_the_text_of_a_schema() {
    let of_length = |bytes: usize| {
        let empty = json!({"description": ""}).to_string().len();
        json!({"description": "x".repeat(bytes - empty)}).to_string()
    };
    assert!(compiled(&of_length(MOST_BYTES)).is_ok());
    let errors = compiled(&of_length(MOST_BYTES + 1)).unwrap_err();
    let told = errors.to_string();
    assert!(
        told.contains("has 262145 bytes, more than the 262144"),
        "{told}"
    );
    let (_, steps) = taken_by(|| compiled(&of_length(MOST_BYTES + 1)));
    assert_eq!(steps, 0, "it is not read");
    let of_length = |bytes| serde_json::from_str(&of_length(bytes)).unwrap();
    assert!(passes_unchecked(&of_length(MOST_BYTES)));
    assert!(!passes_unchecked(&of_length(MOST_BYTES + 1)));
}

/// Whether calls pass of which nothing is checked. Of a schema that is too large nobody knows
/// whether it names headers, so not even they do.
fn passes_unchecked(schema: &Value) -> bool {
    let off = json!([{"name": "off", "match": {}, "validate": "off"}]);
    let policy = policy(schema, &off, &[]);
    let tool = policy.find_tool("data", "tool").unwrap();
    let decision = policy.decide(tool, &Principal::Anonymous, Arguments::NotRead);
    let passes = matches!(decision, Decision::Allow(_));
    assert_eq!(policy.flawed_tools().is_empty(), passes, "{decision:?}");
    passes
}

#[test]
fn it_bounds_the_parts_of_a_schema() {
    let properties = |count: usize| -> Value {
        let names = (0..count).map(|number| (number.to_string(), json!(true)));
        Value::Object(names.collect())
    };
    let definitions = |count: usize| json!({"$defs": properties(count)});
    let alternatives = |count: usize| json!({"anyOf": vec![json!({}); count]});
    let listed = |count: usize| json!({"properties": properties(count)});
    let choices = |count: usize| json!({"enum": (1..count).collect::<Vec<_>>()});
    let nested = |count: usize| json!({"const": {"a": vec![0; count - 2]}});
    let required = |count: usize| {
        let names = (0..count).map(|number| number.to_string());
        json!({"required": names.collect::<Vec<_>>()})
    };
    // A property with a header takes as many as names lead to it, besides its own schema.
    let headers = |count: usize| {
        let some = with_headers((count - 1) / 3);
        json!({"properties": {"a": some}, "$defs": properties((count - 1) % 3)})
    };
    let shapes: [&dyn Fn(usize) -> Value; 7] = [
        &definitions,
        &alternatives,
        &listed,
        &choices,
        &nested,
        &required,
        &headers,
    ];
    for shape in shapes {
        // The root is one.
        assert!(compiled(&shape(MOST_PARTS - 1).to_string()).is_ok());
        let told = compiled(&shape(MOST_PARTS).to_string())
            .unwrap_err()
            .to_string();
        assert!(told.contains("has more than 10000 subschemas"), "{told}");
        assert!(passes_unchecked(&shape(MOST_PARTS - 1)));
        assert!(!passes_unchecked(&shape(MOST_PARTS)));
    }
}

#[test]
fn it_reads_a_schema_no_further_than_its_parts_may_reach() {
    let names = (0..25_000).rev().map(|number| format!("{number:05}"));
    let names: Vec<String> = names.collect();
    let object = |of: Value| -> Value {
        let all = names.iter().map(|name| (name.clone(), of.clone()));
        Value::Object(all.collect())
    };
    // How many they are is known at once, or found out while they are read.
    let shapes = [
        (json!({"required": names}), 0),
        (json!({"enum": names}), 0),
        (json!({"properties": object(json!(0))}), 8),
        (json!({"$defs": object(json!(0))}), 8),
        (json!({"anyOf": vec![json!({}); 85_000]}), 8),
        (
            json!({"allOf": vec![json!({"required": ["a"]}); 13_000]}),
            8,
        ),
    ];
    for (shape, more) in shapes {
        // The same text, of which all is read and nothing is a part.
        let (read, text) = (json!({"type": shape}).to_string(), shape.to_string());
        let (outcome, least) = taken_by(|| compiled(&read));
        assert!(outcome.is_err());
        let (outcome, steps) = taken_by(|| compiled(&text));
        assert!(outcome.is_err());
        let most = least + more * MOST_PARTS as u64;
        assert!(
            steps <= most,
            "{steps} steps, {least} for reading alone: {text:.30}"
        );
        let least = measure(|| assert!(compiled(&read).is_err())).bytes_total;
        let bytes = measure(|| assert!(compiled(&text).is_err())).bytes_total;
        let most = least + (more << 20);
        assert!(
            bytes <= most,
            "{bytes} bytes, {least} for reading alone: {text:.30}"
        );
    }
}

#[test]
fn it_compiles_a_schema_in_memory_of_its_size_whatever_names_are_above_its_parts() {
    let (long, short) = ("k".repeat(180_000), "k".to_owned());
    let properties = |of: &Value| -> Value {
        let names = (0..4_000).map(|number| (number.to_string(), of.clone()));
        let names: serde_json::Map<String, Value> = names.collect();
        json!({"properties": names})
    };
    let memory = |name: &String, schema: &dyn Fn() -> Value| {
        let text = json!({"properties": {name: schema()}}).to_string();
        let mut kept = None;
        let taken = measure(|| kept = Some(compiled(&text)));
        (taken.bytes_max, taken.bytes_current)
    };
    let sound = || properties(&json!({}));
    let faulty = || properties(&json!(0));
    let headers = || with_headers(1_500);
    let shapes: [&dyn Fn() -> Value; 3] = [&sound, &faulty, &headers];
    for shape in shapes {
        let (most, kept) = memory(&long, shape);
        let (least, least_kept) = memory(&short, shape);
        let name = long.len() as u64;
        assert!(
            most < least + 16 * name,
            "{most} bytes, {least} below a short name"
        );
        let kept_more = i64::try_from(8 * name).unwrap();
        assert!(
            kept < least_kept + kept_more,
            "{kept} bytes stay, {least_kept}"
        );
    }
}

#[test]
fn it_tells_some_of_many_faults_and_cuts_their_places() {
    let faults = |count: usize| {
        let long = "k".repeat(5_000);
        let items = (0..count).map(|_| json!({long.as_str(): {"minimum": "1"}}));
        let items: Vec<Value> = items.map(|some| json!({"properties": some})).collect();
        compiled(&json!({"allOf": items}).to_string()).unwrap_err()
    };
    assert_eq!(faults(20).iter().count(), 20);
    let many = faults(40);
    assert_eq!(many.iter().count(), 21);
    assert!(many.iter().all(|fault| fault.path.len() < 1_100));
    let last = many.iter().last().unwrap();
    assert_eq!(last.reason, "has more faults; mend these first");
}

/// Rules about some of the callers, each of which names all roles.
fn conditional(roles: &[String]) -> Value {
    let rules = (0..20).map(|number| {
        json!({"name": format!("r{number}"), "match": {"roles": roles}, "allow": roles,
            "timeout_ms": 5_000, "validate": "shadow",
            "limits": [{"id": "a", "per": ["principal"], "requests": 60, "window_ms": 60_000}]})
    });
    Value::Array(rules.collect())
}

#[test]
fn it_merges_the_rules_of_a_tool_in_memory_that_does_not_grow_with_their_roles() {
    let merged = |count: usize| {
        let roles: Vec<String> = (0..count).map(|role| format!("role {role}")).collect();
        let policy = policy(&json!({}), &conditional(&roles), &roles);
        let tool = policy.find_tool("data", "tool").unwrap();
        let taken = measure(|| {
            let closed = policy.closed_to(&tool.into(), &Principal::Anonymous);
            assert!(closed.is_none());
        });
        taken.bytes_total
    };
    let few = merged(1);
    assert!(few > 0);
    assert_eq!(merged(500), few);
}

#[test]
fn it_compiles_nothing_for_a_caller_who_may_not_call_the_tool() {
    let properties = (0..500).map(|number| (format!("p{number}"), json!({"type": "string"})));
    let schema = json!({"properties": Value::Object(properties.collect())});
    let roles = ["a".to_owned()];
    let rules = json!([{"name": "r", "match": {}, "allow": roles, "constraints": "of no schema"},
        {"name": "s", "match": {}}, {"name": "t", "match": {}}]);
    let bytes = schema.to_string().len() as u64;
    let constrained = policy(&schema, &rules, &roles);
    let open = json!([{"name": "r", "match": {}, "allow": roles}]);
    for (policy, rules) in [(constrained, 3), (policy(&schema, &open, &roles), 1)] {
        let tool = policy.find_tool("data", "tool").unwrap();
        let refused = || {
            let decision = policy.decide(tool, &Principal::Anonymous, Arguments::NotRead);
            assert!(matches!(decision, Decision::Refuse(_)), "{decision:?}");
            assert!(
                policy
                    .closed_to(&tool.into(), &Principal::Anonymous)
                    .is_some()
            );
        };
        let (_, steps) = taken_by(refused);
        assert!(steps <= rules, "{steps} steps for {rules} rules");
        // Whoever may call it has it compiled.
        let (_, steps) = taken_by(|| policy.begin_check(tool, &holder("a")));
        assert!(steps >= bytes, "{steps} steps");
    }
}

#[test]
fn it_compiles_the_largest_schemas_in_a_few_megabytes() {
    let properties = |count: usize, of: Value| -> Value {
        let names = (0..count).map(|number| (number.to_string(), of.clone()));
        json!({"properties": Value::Object(names.collect())})
    };
    let scalars = format!("{{\"default\":[{}0]}}", "0,".repeat(131_000));
    let nested = format!("{}{}", "[".repeat(96), "]".repeat(96));
    let deep = |keyword: &str| {
        let items = vec![nested.as_str(); 261_000 / (nested.len() + 1)];
        format!("{{\"{keyword}\":[{}]}}", items.join(","))
    };
    let members: String = (0..26_000).map(|key| format!("\"{key:x}\":[],")).collect();
    let below_46 = (0..46).fold(
        with_headers(200),
        |inner, _| json!({"properties": {"p": inner}}),
    );
    let shapes = [
        with_headers(4_990).to_string(),
        below_46.to_string(),
        properties(9_990, json!({"type": "string"})).to_string(),
        properties(4_990, json!({"minimum": 1, "minLength": 1, "minItems": 1})).to_string(),
        properties(4_990, json!({"required": ["a"]})).to_string(),
        properties(3_320, json!({"enum": [1]})).to_string(),
        json!({"anyOf": vec![json!({"anyOf": [{}]}); 4_990]}).to_string(),
        scalars,
        deep("default"),
        deep("x-annotation"),
    ];
    // These are refused when they have been read.
    let refused = [
        deep("wrong"),
        deep("const"),
        deep("required"),
        format!("{{\"const\":[{}0]}}", "[],".repeat(87_000)),
        format!("{{\"const\":{{{members}\"\":0}}}}"),
    ];
    let shapes = shapes.into_iter().map(|text| (text, true));
    let refused = refused.into_iter().map(|text| (text, false));
    for (text, compiles) in shapes.chain(refused) {
        assert!(text.len() <= MOST_BYTES);
        let mut schema = None;
        let taken = measure(|| schema = compiled(&text).ok());
        assert_eq!(schema.is_some(), compiles, "{text:.20}");
        assert!(
            taken.bytes_max < 10 << 20,
            "{} bytes: {text:.20}",
            taken.bytes_max
        );
        assert!(
            taken.bytes_current < 4 << 20,
            "{} bytes",
            taken.bytes_current
        );
    }
}
