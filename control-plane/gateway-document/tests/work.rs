//! The work that checks take grows with what is written, not with the product of its parts.

use std::sync::Arc;

use gateway_document::{
    Catalogue, CatalogueTool, CheckedDocument, FilterPlace, Format, GatewayDocument, KnownSchemas,
    Warning, parse, resolve, warnings,
};
use serde_json::{Value, json};
use step_count::taken_by;

/// As many of each part as no gateway has; their product is ten times what any check may take.
const MANY: usize = 10_000;
/// The steps that each of them may cost.
const EACH: u64 = 40;

fn list(make: impl Fn(usize) -> Value) -> Value {
    (0..MANY).map(make).collect()
}

fn map(make: impl Fn(usize) -> (String, Value)) -> Value {
    Value::Object((0..MANY).map(make).collect())
}

fn read(document: &Value) -> GatewayDocument {
    parse(&document.to_string(), Format::Json).unwrap()
}

/// The number of problems of a document, found in so many steps.
fn problems(document: &Value) -> (usize, u64) {
    let document = read(document);
    let (checked, steps) = taken_by(|| CheckedDocument::new(document));
    (checked.err().map_or(0, |problems| problems.len()), steps)
}

fn warned(document: &Value, catalogue: &Catalogue) -> (Vec<Warning>, u64) {
    let document = CheckedDocument::new(read(document)).unwrap();
    taken_by(|| warnings(&document, catalogue))
}

fn bounded(steps: u64) {
    assert!(steps <= EACH * MANY as u64, "{steps} steps");
}

fn address(index: usize) -> String {
    format!("127.0.{}.1:{}", index / 1_000, 10_000 + index % 1_000)
}

/// A document with many of each part; each names parts as these say.
fn document(servers_of: impl Fn(usize) -> Value, listeners_of: impl Fn(usize) -> Value) -> Value {
    json!({
        "listeners": list(|i| json!({"name": format!("l{i}"), "address": address(i),
            "servers": servers_of(i), "health_check_path": format!("/up{i}"),
            "access_log": {"format": {"path": "%REQ(:PATH)%"}}})),
        "servers": map(|i| (format!("s{i}"), json!({"url": format!("https://s{i}.internal/mcp"),
            "credentials": {"secret": format!("t{i}")}}))),
        "secrets": map(|i| (format!("t{i}"), json!({"env": format!("T{i}")}))),
        "roles": map(|i| (format!("r{i}"), json!({"claims": {"g": ["a"]}}))),
        "clusters": list(|i| json!({"name": format!("c{i}"), "endpoints": [format!("c{i}:80")]})),
        "routes": list(|i| json!({"name": format!("to{i}"), "to": {"cluster": format!("c{i}")},
            "match": {"path": format!("/p{i}")}, "listeners": listeners_of(i)})),
        "filters": list(|i| json!({"name": format!("f{i}"), "listeners": listeners_of(i),
            "module": "0".repeat(64)})),
        "tools": list(|i| json!({"name": format!("n{i}"), "allow": [format!("r{i}")],
            "match": {"server": format!("s{i}"), "listener": format!("l{i}"),
                "tool": format!("t{i}"), "roles": [format!("r{i}")]},
            "route": {"cluster": format!("s{i}")}})),
    })
}

/// The same document with some of its sections alone.
fn only(mut document: Value, sections: &[&str]) -> Value {
    let all = document.as_object_mut().unwrap();
    all.retain(|section, _| sections.contains(&section.as_str()));
    document
}

#[test]
fn it_checks_many_of_each_part_in_steps_that_grow_with_them() {
    let name = |letter: char| move |i: usize| json!([format!("{letter}{i}")]);
    let (found, steps) = problems(&document(name('s'), name('l')));
    assert_eq!(found, 0);
    bounded(steps);
    let everything = |_| json!(["*"]);
    let (found, steps) = problems(&document(everything, everything));
    assert_eq!(found, 0);
    bounded(steps);
}

#[test]
fn it_finds_many_faults_in_steps_that_grow_with_them() {
    let mut wrong = document(|_| json!(["*"]), |i| json!([format!("m{i}")]));
    for i in 0..MANY {
        wrong["servers"][format!("s{i}")]["credentials"]["secret"] = json!(format!("u{i}"));
        wrong["routes"][i]["to"]["cluster"] = json!(format!("s{i}"));
        wrong["routes"][i]["match"]["path"] = json!(format!("/servers/s{i}/mcp"));
        let listener = json!("*");
        wrong["routes"][i]["listeners"] = json!([listener]);
        wrong["tools"][i]["match"]["listener"] = json!(format!("m{i}"));
        wrong["tools"][i]["match"]["server"] = json!(format!("d{i}"));
        wrong["tools"][i]["route"]["cluster"] = json!(format!("d{i}"));
    }
    let (found, steps) = problems(&wrong);
    // A secret, a listener of a filter, two of each route and three of each rule.
    assert_eq!(found, 7 * MANY);
    // Near names are looked for among all of them, ten times.
    bounded(steps);
}

#[test]
fn it_finds_routes_without_requests_among_many_of_one_path_in_steps_that_grow_with_them() {
    let routes = |matches: &dyn Fn(usize) -> Value, listener: &dyn Fn(usize) -> Value| {
        let document = document(|_| json!(["*"]), |i| json!([format!("l{i}")]));
        let mut document = only(document, &["listeners", "clusters", "routes"]);
        for i in 0..MANY {
            document["routes"][i]["match"] = matches(i);
            document["routes"][i]["listeners"] = listener(i);
        }
        problems(&document)
    };
    let all = |_: usize| json!(["*"]);
    let own = |i: usize| json!([format!("l{i}")]);
    let (found, steps) = routes(&|_| json!({"prefix": "/a"}), &own);
    assert_eq!(found, 0);
    bounded(steps);
    let by_header = |i: usize| json!({"prefix": "/", "headers": {"a": "x", "z": format!("{i}")}});
    let (found, steps) = routes(&by_header, &all);
    assert_eq!(found, 0);
    bounded(steps);
    let (found, steps) = routes(&|_| json!({"prefix": "/a", "query": {"a": "*"}}), &all);
    assert_eq!(found, MANY - 1);
    bounded(steps);
}

fn tool(name: String) -> CatalogueTool {
    CatalogueTool {
        name,
        input_schema: None,
        flaw: None,
        listed_since: 0,
    }
}

fn catalogue(tools_of: impl Fn(usize) -> String) -> Catalogue {
    let list = |i| Arc::new(vec![tool(tools_of(i))].into());
    let servers = (0..MANY).map(|i| (format!("s{i}").parse().unwrap(), list(i)));
    servers.collect()
}

#[test]
fn it_finds_rules_without_effect_among_many_in_steps_that_grow_with_them() {
    let name = |letter: char| move |i: usize| json!([format!("{letter}{i}")]);
    let sections = ["listeners", "servers", "secrets", "roles", "tools"];
    let every = only(document(name('s'), name('l')), &sections);
    let (found, steps) = warned(&every, &catalogue(|i| format!("t{i}")));
    assert_eq!(found.len(), 0);
    bounded(steps);
    // Every tool is listed by another server than the rule is about.
    let (found, steps) = warned(&every, &catalogue(|i| format!("t{}", MANY - 1 - i)));
    assert_eq!(found.len(), MANY);
    bounded(steps);
    // Nobody is asked for, and everybody lists the same.
    let mut anywhere = only(every, &["servers", "secrets", "roles", "tools"]);
    for i in 0..MANY {
        anywhere["tools"][i]["match"] = json!({"tool": format!("t{i}_*")});
    }
    let (found, steps) = warned(&anywhere, &catalogue(|i| format!("t{i}_x")));
    assert_eq!(found.len(), 0);
    bounded(steps);
    // All but the first are shadowed.
    for i in 0..MANY {
        anywhere["tools"][i]["match"] = json!({"roles": ["r1", "r2"]});
    }
    let (found, steps) = warned(&anywhere, &Catalogue::new());
    assert_eq!(found.len(), MANY - 1);
    bounded(steps);
}

#[test]
fn it_compares_rules_of_many_roles_by_the_word() {
    const RULES: usize = 600;
    let roles: Vec<String> = (0..RULES).map(|role| format!("r{role}")).collect();
    let mut document = json!({
        "roles": map(|i| (format!("r{i}"), json!({"claims": {"g": ["a"]}}))),
        "tools": (0..RULES).map(|i| json!({"name": format!("n{i}"), "allow": ["r1"],
            "match": {"roles": roles}})).collect::<Value>(),
    });
    let (found, steps) = warned(&document, &Catalogue::new());
    assert_eq!(found.len(), RULES - 1);
    bounded(steps);
    // Each lacks another one, so that none has all of another's.
    for rule in 0..RULES {
        let mut others = roles.clone();
        others.remove(rule);
        document["tools"][rule]["match"]["roles"] = json!(others);
    }
    let (found, steps) = warned(&document, &Catalogue::new());
    assert_eq!(found.len(), 0);
    assert!(
        steps <= (RULES * RULES * RULES / 64) as u64,
        "{steps} steps"
    );
}

#[test]
fn it_says_where_it_has_stopped_to_look_for_rules_without_effect() {
    let document = document(|_| json!(["*"]), |_| json!(["*"]));
    let mut document = only(document, &["servers", "secrets", "roles", "tools"]);
    for i in 0..MANY {
        document["tools"][i]["match"] = json!({"tool": format!("*{i}")});
    }
    let (found, steps) = warned(&document, &catalogue(|i| format!("t{i}")));
    let stopped = found.last().unwrap();
    assert!(stopped.reason.contains("nobody has looked"), "{stopped:?}");
    assert!(stopped.path.starts_with("/tools/"), "{stopped:?}");
    assert!(steps <= 25_000_000, "{steps} steps");
}

#[test]
fn it_withholds_many_tools_in_steps_that_grow_with_them() {
    let document = CheckedDocument::new(read(&json!({
        "servers": {"s0": {"url": "http://s0.internal/mcp"}},
    })))
    .unwrap();
    let tools = (0..MANY).map(|i| CatalogueTool {
        input_schema: Some(gateway_document::SchemaText::new(
            serde_json::value::to_raw_value(&json!({"type": format!("t{i}")})).unwrap(),
        )),
        ..tool(format!("t{i}"))
    });
    let tools: Vec<CatalogueTool> = tools.collect();
    let catalogue = [("s0".parse().unwrap(), Arc::new(tools.into()))].into();
    let schemas = KnownSchemas::default();
    let listener = &document.shares()[0];
    let (resolved, steps) = taken_by(|| resolve(&document, listener, &catalogue, &schemas));
    assert_eq!(resolved.unwrap().withheld.len(), MANY);
    // The engine has read each schema.
    assert!(steps <= 1_000 * MANY as u64, "{steps} steps");
}

#[test]
fn it_resolves_many_listeners_in_steps_that_grow_with_what_each_has() {
    let name = |letter: char| move |i: usize| json!([format!("{letter}{i}")]);
    let all = document(name('s'), name('l'));
    let mut all = only(
        all,
        &[
            "listeners",
            "servers",
            "secrets",
            "clusters",
            "routes",
            "filters",
        ],
    );
    all["tools"] = list(|i| {
        let matches = match i % 2 {
            0 => json!({"server": format!("s{i}")}),
            _ => json!({"listener": format!("l{i}")}),
        };
        json!({"name": format!("n{i}"), "timeout": "1s", "match": matches})
    });
    let document = CheckedDocument::new(read(&all)).unwrap();
    let (shares, steps) = taken_by(|| document.shares());
    bounded(steps);
    for (i, share) in shares.iter().enumerate() {
        let filters = share
            .filters(FilterPlace::Before)
            .map(|filter| filter.name.as_str());
        assert_eq!(share.rules, [(i, &document.tools[i])]);
        assert_eq!(share.routes, [&document.routes[i]]);
        assert!(filters.eq([document.filters[i].name.as_str()]));
    }
    let (catalogue, schemas) = (catalogue(|i| format!("t{i}")), KnownSchemas::default());
    let ((), steps) = taken_by(|| {
        for share in shares.iter().step_by(100) {
            resolve(&document, share, &catalogue, &schemas).unwrap();
        }
    });
    assert!(steps <= EACH * MANY as u64 / 100, "{steps} steps");
}
