//! A generation that follows another one is made from what that one has made already.

use store::{Catalogue as StoredList, RawTool};
use time::OffsetDateTime;

use super::*;
use crate::module::ModuleShelf;

/// How long the schema of each tool is at least, so that reading one stands out.
const LONG: usize = 10_000;
const TOOLS: usize = 10;

fn document(rules: &str) -> Arc<CheckedDocument> {
    let text = format!("servers: {{data: {{url: http://127.0.0.1:8000/mcp}}}}\ntools: [{rules}]");
    let document = gateway_document::parse(&text, gateway_document::Format::Yaml).unwrap();
    Arc::new(CheckedDocument::new(document).unwrap())
}

/// The list of a server whose tools have long schemas; `last` is the name of the last tool.
fn lists(last: &str) -> Lists {
    let tool = |name: &str| {
        let text = format!("{name} {}", "x".repeat(LONG));
        let schema = format!(r#"{{"type":"object","description":"{text}"}}"#);
        RawTool {
            name: name.to_owned(),
            json: format!(r#"{{"name":"{name}","inputSchema":{schema}}}"#),
        }
    };
    let names = (1..TOOLS).map(|number| format!("tool_{number}"));
    let tools = names.chain([last.to_owned()]).map(|name| tool(&name));
    let list = StoredList::new(
        "data".to_owned(),
        "2026-07-28".to_owned(),
        OffsetDateTime::UNIX_EPOCH,
        tools.collect(),
    );
    BTreeMap::from([("data".parse().unwrap(), Arc::new(KnownList::new(list)))])
}

fn module() -> ModuleFile {
    ModuleFile {
        sha256: "00".to_owned(),
        path: "/modules/00.wasm".into(),
        shelf: ModuleShelf::default(),
    }
}

fn first() -> (Built, u64) {
    step_count::taken_by(|| first_knowing(&KnownSchemas::default()))
}

fn first_knowing(known: &KnownSchemas) -> Built {
    let lists = lists("last");
    Built::first(known, RevisionNumber(1), document(""), &lists, module()).unwrap()
}

#[test]
fn it_reads_no_schema_again_for_a_changed_rule() {
    let (first, steps) = first();
    assert!(steps >= (TOOLS * LONG) as u64, "{steps} steps");
    let changed = document("{name: r, match: {tool: last}, timeout: 5s}");
    let (next, steps) = step_count::taken_by(|| {
        let lists = lists("last");
        first
            .next(RevisionNumber(2), changed, &lists, module())
            .unwrap()
    });
    assert_ne!(next.generation(), first.generation());
    // All that counts is to look for each resource among the earlier ones, and for those that it
    // names. No schema is read, and no tool is merged with the rules.
    let configs: Vec<_> = next
        .document
        .listeners
        .iter()
        .zip(&*next.listeners)
        .map(|(listener, (_, resolved))| (listener, &resolved.config))
        .collect();
    let earlier = EarlierResources::of(&first.snapshot);
    let (_, rendering) = step_count::taken_by(|| {
        envoy::snapshot(&next.document, &configs, &next.module, earlier).unwrap()
    });
    assert_eq!(steps, rendering);
}

#[test]
fn it_reads_no_schema_again_for_a_generation_that_follows_none_and_knows_them() {
    let (first, _) = first();
    let (again, steps) = step_count::taken_by(|| first_knowing(&first.schemas));
    assert_eq!(again.snapshot, first.snapshot);
    assert!(steps < LONG as u64, "{steps} steps");
}

#[test]
fn it_reads_the_one_schema_that_is_new() {
    let (first, _) = first();
    let (next, steps) = step_count::taken_by(|| {
        let lists = lists("new");
        first
            .next(RevisionNumber(1), document(""), &lists, module())
            .unwrap()
    });
    assert!(next.tools().iter().any(|tool| tool.name == "new"));
    // The compiler looks at its texts once more.
    let one = LONG as u64..3 * LONG as u64;
    assert!(one.contains(&steps), "{steps} steps");
}

#[test]
fn it_makes_the_same_with_what_was_made_before_as_without() {
    let (first, _) = first();
    let changed = || document("{name: r, match: {tool: last}, validate: shadow}");
    let made = |before: Option<&Built>| {
        let (number, lists) = (RevisionNumber(2), lists("new"));
        match before {
            Some(before) => before.next(number, changed(), &lists, module()),
            None => {
                let known = KnownSchemas::default();
                Built::first(&known, number, changed(), &lists, module())
            }
        }
    };
    let (with, without) = (made(Some(&first)).unwrap(), made(None).unwrap());
    assert_eq!(with.snapshot, without.snapshot);
}

#[test]
fn it_shares_the_resources_that_stay_as_they_are() {
    let (first, _) = first();
    let changed = document("{name: r, match: {tool: last}, timeout: 5s}");
    let next = first
        .next(RevisionNumber(2), changed, &lists("last"), module())
        .unwrap();
    let resources = || next.snapshot.resources();
    let is_shared = |resource: &&Arc<Resource>| {
        let (of, name) = (resource.resource_type(), resource.name());
        let earlier = first.snapshot.get(of, name);
        earlier.is_some_and(|earlier| Arc::ptr_eq(earlier, resource))
    };
    let new: Vec<ResourceType> = resources()
        .filter(|resource| !is_shared(resource))
        .map(|resource| resource.resource_type())
        .collect();
    assert!(resources().count() > 3);
    assert_eq!(new, [ResourceType::ExtensionConfig]);
}
