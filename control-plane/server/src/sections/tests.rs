//! Tests of the table of kinds, and of changes of single resources.

use super::*;
use serde_json::json;
use std::collections::BTreeSet;

fn document() -> Value {
    json!({
        "servers": {"data": {"url": "http://127.0.0.1:1/mcp"}},
        "tools": [{"name": "a"}, {"name": "b", "validate": "off"}],
        "clusters": [{"name": "c", "endpoints": ["127.0.0.1:1"], "max_connections": 3}],
        "defaults": {"access": "allow"},
        "routes": [{"name": "r", "to": {"cluster": "c"}}],
        "filters": [{"name": "f", "place": "after"}],
        "module": {"sha256": "00"},
        "listeners": [{"name": "l"}],
        "secrets": {"s": {"env": "S"}},
        "roles": {},
        "rollout": {"waves": []},
    })
}

fn edit(kind: &str, name: &str, change: SectionChange) -> SectionEdit {
    SectionEdit {
        kind: Kind::named(kind).unwrap(),
        name: name.to_owned(),
        change,
        read: None,
    }
}

#[test]
fn it_has_a_kind_for_every_section_of_the_document_and_a_definition_for_every_kind() {
    let schema = serde_json::to_value(gateway_document::json_schema()).unwrap();
    let sections: BTreeSet<&str> = schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let known: BTreeSet<&str> = KINDS.iter().map(|kind| kind.section).collect();
    assert_eq!(known, sections);
    for kind in KINDS {
        assert!(schema["$defs"].get(kind.definition).is_some(), "{kind:?}");
    }
}

#[test]
fn it_changes_nothing_where_what_it_shows_is_put_back() {
    for kind in KINDS {
        let names = match kind.shape {
            Shape::Whole => vec![String::new()],
            _ => kind
                .all(&document())
                .into_iter()
                .map(|(name, _)| name)
                .collect(),
        };
        for name in names {
            let shown = kind.find(&document(), &name).expect("it is there");
            let mut changed = document();
            let put = SectionEdit {
                read: Some(vec![tag_of(&shown)]),
                ..edit(kind.name, &name, SectionChange::Put(shown))
            };
            put.apply(&mut changed).unwrap();
            assert_eq!(changed, document(), "{} {name}", kind.name);
        }
    }
}

#[test]
fn it_adds_replaces_and_removes_in_the_place_that_was_meant() {
    let add = |given, before: Option<&str>| SectionChange::Add {
        given,
        before: before.map(ToOwned::to_owned),
    };
    let cases = [
        (
            edit("rules", "n", add(json!({"name": "n"}), Some("b"))),
            "/tools",
            json!([{"name": "a"}, {"name": "n"}, {"name": "b", "validate": "off"}]),
        ),
        (
            edit("rules", "a", SectionChange::Put(json!({"allow": []}))),
            "/tools/0",
            json!({"name": "a", "allow": []}),
        ),
        (
            edit("roles", "r", add(json!({"name": "r", "claims": {}}), None)),
            "/roles",
            json!({"r": {"claims": {}}}),
        ),
        (
            edit(
                "endpoints",
                "c",
                SectionChange::Put(json!({"name": "c", "endpoints": []})),
            ),
            "/clusters/0",
            json!({"name": "c", "endpoints": [], "max_connections": 3}),
        ),
        (
            edit("servers", "data", SectionChange::Remove),
            "/servers",
            json!({}),
        ),
        (
            edit("rules", "a", SectionChange::Remove),
            "/tools",
            json!([{"name": "b", "validate": "off"}]),
        ),
    ];
    for (edit, place, expected) in cases {
        let mut changed = document();
        edit.apply(&mut changed).unwrap();
        assert_eq!(changed.pointer(place), Some(&expected), "{edit:?}");
    }
}

#[test]
fn it_says_why_it_does_not_make_a_change() {
    let read = |edit: SectionEdit, tags: &[&str]| SectionEdit {
        read: Some(tags.iter().map(|tag| (*tag).to_owned()).collect()),
        ..edit
    };
    let put = |name: &str, given| edit("endpoints", name, SectionChange::Put(given));
    let add = SectionChange::Add {
        given: json!({"name": "a"}),
        before: None,
    };
    let cases = [
        (edit("rules", "a", add), "already"),
        (edit("rules", "x", SectionChange::Remove), "no rule `x`"),
        (put("x", json!({"endpoints": []})), "no cluster `x`"),
        (put("c", json!({"name": "d", "endpoints": []})), "rename"),
        (put("c", json!({"endpoints": [], "max": 1})), "`max`"),
        (put("c", json!({})), "missing"),
        (
            read(put("c", json!({"endpoints": []})), &["0"]),
            "have read",
        ),
        (read(put("x", json!({"endpoints": []})), &[]), "have read"),
    ];
    for (edit, word) in cases {
        let mut changed = document();
        let error = edit.apply(&mut changed).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        assert_eq!(changed, document());
    }
}

#[test]
fn it_finds_the_resource_that_a_pointer_leads_into() {
    let at = |pointer: &str| {
        let found = resource_at(&document(), pointer);
        found.map(|(kind, name)| (kind.name, name))
    };
    let of = |kind, name: &str| Some((kind, name.to_owned()));
    assert_eq!(at("/tools/1/validate"), of("rules", "b"));
    assert_eq!(at("/clusters/0/endpoints/0"), of("clusters", "c"));
    assert_eq!(at("/servers/a~1b~01"), of("servers", "a/b~1"));
    assert_eq!(at("/defaults/access"), of("defaults", ""));
    for nothing in ["", "/", "/tools", "/tools/9", "/tools/x", "/nowhere/0"] {
        assert_eq!(at(nothing), None, "{nothing}");
    }
}

#[test]
fn it_points_to_the_place_of_a_resource() {
    let place = |kind: &str, name: &str| Kind::named(kind).unwrap().place(&document(), name);
    assert_eq!(place("rules", "b").as_deref(), Some("/tools/1"));
    assert_eq!(place("servers", "a/b").as_deref(), Some("/servers/a~1b"));
    assert_eq!(place("endpoints", "c").as_deref(), Some("/clusters/0"));
    assert_eq!(place("defaults", "").as_deref(), Some("/defaults"));
    assert_eq!(place("rules", "x"), None);
}
