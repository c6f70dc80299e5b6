//! A generation that follows another one is made from what that one has made already.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

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
    // What counts is to look for each resource among the earlier ones, and for those that it names,
    // and a few looks into the document. No schema is read, and not every tool is merged with the
    // rule, which would count as often as there are tools.
    let source = Source {
        document: &next.document,
        listeners: &next.listeners,
        module: &next.module,
    };
    let earlier = Some(first.as_earlier());
    let (_, rendering) = step_count::taken_by(|| envoy::render(source, earlier).map(drop).unwrap());
    assert!(
        steps < rendering + TOOLS as u64,
        "{steps} steps, {rendering} of them for the resources"
    );
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
fn it_makes_a_generation_while_another_one_compiles_a_schema() {
    let (first, _) = first();
    let (under_way, is_under_way) = mpsc::channel();
    let (go_on, until) = mpsc::channel::<()>();
    let (made, is_made) = mpsc::channel();
    let is_made = thread::scope(|scope| {
        let pause = move || {
            under_way.send(()).unwrap();
            // An error means that the other one need not be waited for any more.
            let _is_over = until.recv();
        };
        scope.spawn(|| {
            let lists = lists("new");
            let next = || first.next(RevisionNumber(2), document(""), &lists, module());
            step_count::paused_at(LONG, pause, next).unwrap();
        });
        is_under_way.recv().unwrap();
        scope.spawn(|| {
            let changed = document("{name: r, match: {tool: last}, timeout: 5s}");
            let next = first.next(RevisionNumber(2), changed, &lists("last"), module());
            made.send(next.is_ok()).unwrap();
        });
        let is_made = is_made.recv_timeout(Duration::from_secs(60));
        drop(go_on);
        is_made
    });
    assert_eq!(is_made, Ok(true));
}

#[test]
fn it_reads_no_schema_again_that_a_list_has_been_compiled_with() {
    let known = KnownSchemas::default();
    let lists = lists("last");
    let compile = || {
        lists
            .values()
            .for_each(|list| list.tools.compile_schemas(&known));
    };
    let ((), steps) = step_count::taken_by(compile);
    assert!(steps >= (TOOLS * LONG) as u64, "{steps} steps");
    let make = || Built::first(&known, RevisionNumber(1), document(""), &lists, module());
    let (built, steps) = step_count::taken_by(|| make().unwrap());
    assert!(steps < LONG as u64, "{steps} steps");
    // Nor once nothing is made with it any more.
    drop(built);
    let (_, steps) = step_count::taken_by(make);
    assert!(steps < LONG as u64, "{steps} steps");
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

/// A gateway with something of each kind, as a change of it makes it.
fn gateway(change: &str) -> Arc<CheckedDocument> {
    const WHOLE: &str = "
listeners: [{name: a, address: '127.0.0.1:1'}, {name: b, address: '127.0.0.1:2'}]
servers: {data: {url: 'http://127.0.0.1:8000/mcp'}, other: {url: 'http://127.0.0.1:8001/mcp'}}
clusters: [{name: one, endpoints: ['127.0.0.1:3']}, {name: two, endpoints: ['two:3']},
  {name: three, endpoints: ['127.0.0.1:4']}]
routes: [{name: r, listeners: [b], match: {prefix: /r}, to: {cluster: one}}]
filters: [{name: f, listeners: [a], envoy: envoy.extensions.filters.http.fault.v3.HTTPFault,
  configuration: {abort: {http_status: 503, percentage: {numerator: 1}}}}]
secrets: {token: {env: TOKEN}}
tools: [{name: t, match: {listener: a}, timeout: 1s}, {name: u, timeout: 1s}]
";
    let (from, to) = change.split_once(" -> ").unwrap_or(("", ""));
    assert!(WHOLE.contains(from), "{from}");
    let text = WHOLE.replacen(from, to, 1);
    let document = gateway_document::parse(&text, gateway_document::Format::Yaml).unwrap();
    Arc::new(CheckedDocument::new(document).unwrap())
}

#[test]
fn it_renders_nothing_but_what_a_change_changes() {
    let (known, lists) = (KnownSchemas::default(), lists("last"));
    let make = |document| Built::first(&known, RevisionNumber(1), document, &lists, module());
    let first = make(gateway("")).unwrap();
    assert_eq!(
        first.rendered_anew.len(),
        first.snapshot.resources().count()
    );
    let rows: [(&str, &[&str]); 14] = [
        ("", &[]),
        (
            "listener: a}, timeout: 1s -> listener: a}, timeout: 2s",
            &["portcullis.mcp.a"],
        ),
        (
            "u, timeout: 1s -> u, timeout: 2s",
            &["portcullis.mcp.a", "portcullis.mcp.b"],
        ),
        (
            "127.0.0.1:8001/mcp' -> 127.0.0.1:8002/mcp'",
            &["other", "other"],
        ),
        ("name: two, -> name: two, max_connections: 7,", &["two"]),
        ("cluster: one -> cluster: two", &["b"]),
        ("prefix: /r -> prefix: /s", &["b"]),
        ("numerator: 1 -> numerator: 2", &["portcullis.filter.f"]),
        ("env: TOKEN -> env: OTHER", &[]),
        ("'127.0.0.1:1'} -> '127.0.0.1:4'}", &["a", "a"]),
        ("secrets: -> roles: {}\nsecrets:", &[]),
        (
            "8001/mcp'} -> 8001/mcp', credentials: {secret: token}}",
            &["other"],
        ),
        (
            "127.0.0.1:8001/mcp' -> 127.0.0.1:8001/other'",
            &["portcullis.mcp.a", "portcullis.mcp.b"],
        ),
        (
            "[{name: t, -> [{name: s, route: {weights: {three: 1, two: 2}}}, {name: t,",
            &["split.s", "a", "b", "portcullis.mcp.a", "portcullis.mcp.b"],
        ),
    ];
    for (change, expected) in rows {
        let number = RevisionNumber(2);
        let next = first
            .next(number, gateway(change), &lists, module())
            .unwrap();
        let mut anew: Vec<&str> = next.rendered_anew.iter().map(|(_, name)| &**name).collect();
        anew.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(anew, expected, "{change}");
        // As without a generation before it, and so is the way back.
        assert_eq!(
            next.snapshot,
            make(gateway(change)).unwrap().snapshot,
            "{change}"
        );
        let back = next.next(number, gateway(""), &lists, module()).unwrap();
        assert_eq!(back.snapshot, first.snapshot, "{change}");
    }
}

#[test]
fn it_renders_anew_what_another_version_had_rendered() {
    let (known, lists, number) = (KnownSchemas::default(), lists("last"), RevisionNumber(1));
    let make = || Built::first(&known, number, gateway(""), &lists, module()).unwrap();
    let mut stored = make().to_stored();
    for resource in &mut stored.resources {
        // Another connect time-out, where one is given twice the last one counts: 4 {1: 9}.
        if resource.type_url == ResourceType::Cluster.type_url() {
            resource.value.extend([0x22, 0x02, 0x08, 0x09]);
        }
    }
    let resources = stored.resources.iter().map(|stored| {
        let (type_url, value) = (stored.type_url.clone(), stored.value.clone());
        Resource::from_any(Any { type_url, value }).unwrap()
    });
    let resources: Vec<Resource> = resources.collect();
    stored.generation = Generation::of(&resources).as_str().to_owned();
    let restored = make().with_stored_bytes(&stored).unwrap();
    assert_ne!(restored.snapshot, make().snapshot);
    let next = restored
        .next(number, gateway(""), &lists, module())
        .unwrap();
    assert_eq!(next.snapshot, make().snapshot);
    assert!(next.rendered_anew.is_empty());
}

#[test]
fn it_renders_many_listeners_in_steps_that_grow_with_what_each_has() {
    const MANY: usize = 300;
    let list = |part: &dyn Fn(usize) -> String| (0..MANY).map(part).collect::<Vec<_>>().join(", ");
    let listeners = list(&|i| {
        let port = 10_000 + i;
        format!("{{name: l{i}, address: '127.0.0.1:{port}', servers: [s{i}]}}")
    });
    let servers = list(&|i| format!("s{i}: {{url: 'http://127.0.0.1:{}/mcp'}}", 20_000 + i));
    let clusters = list(&|i| format!("{{name: c{i}, endpoints: ['a.b:1']}}"));
    let routes = list(&|i| {
        format!("{{name: r{i}, listeners: [l{i}], match: {{path: /r}}, to: {{cluster: c{i}}}}}")
    });
    let filters = list(&|i| {
        format!(
            "{{name: f{i}, listeners: [l{i}], configuration: {{}}, \
             envoy: envoy.extensions.filters.http.fault.v3.HTTPFault}}"
        )
    });
    let rules = list(&|i| {
        let weights = format!("{{s{i}: 2, s{}: 1}}", (i + 1) % MANY);
        format!("{{name: n{i}, match: {{listener: l{i}}}, route: {{weights: {weights}}}}}")
    });
    let text = format!(
        "listeners: [{listeners}]\nservers: {{{servers}}}\nroutes: [{routes}]\n\
         clusters: [{clusters}]\nfilters: [{filters}]\ntools: [{rules}]"
    );
    let document = gateway_document::parse(&text, gateway_document::Format::Yaml).unwrap();
    let document = Arc::new(CheckedDocument::new(document).unwrap());
    let (known, number) = (KnownSchemas::default(), RevisionNumber(1));
    let (built, steps) = step_count::taken_by(|| {
        Built::first(&known, number, document, &Lists::new(), module()).unwrap()
    });
    assert_eq!(
        built.snapshot.of_type(ResourceType::Cluster).count(),
        3 * MANY
    );
    assert!(steps <= 100 * MANY as u64, "{steps} steps");
}
