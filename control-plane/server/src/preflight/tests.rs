//! The questions to an Envoy, and the meaning of its answer, or of none.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::util::pack_any;
use gateway_document::{CheckedDocument, Format, parse};
use prost::Message as _;
use serde_json::Value;
use store::RevisionNumber;
use tempfile::TempDir;

use super::*;
use crate::descriptors;
use crate::generation::{Built, KnownSchemas, Lists};
use crate::module::{ModuleFacts, ModuleFile, ModuleShelf, ShelvedModule};

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(300);

const FIRST: &str = "servers: {data: {url: 'http://127.0.0.1:1/mcp'}}";
const ROUTED: &str = "
servers: {data: {url: 'http://127.0.0.1:1/mcp'}}
clusters: [{name: web, endpoints: ['127.0.0.1:2']}]
routes: [{name: r, match: {prefix: /r}, to: {cluster: web}}]";

/// The snapshot of a document, with a module of this hash as the gateway's own filter.
fn snapshot(text: &str, own: &str) -> Arc<Snapshot> {
    let shelf = ModuleShelf::default();
    let facts = ModuleFacts {
        bytes: 0,
        manifest: None,
    };
    let kept = ShelvedModule {
        facts,
        uploaded_at: time::OffsetDateTime::UNIX_EPOCH,
    };
    shelf.add("ab".repeat(32), kept);
    let document = CheckedDocument::new(parse(text, Format::Yaml).unwrap()).unwrap();
    let module = ModuleFile {
        sha256: own.to_owned(),
        path: format!("/modules/{own}.wasm").into(),
        shelf,
    };
    let (number, lists) = (RevisionNumber(1), Lists::new());
    let known = KnownSchemas::default();
    let built = Built::first(&known, number, Arc::new(document), &lists, module);
    built.unwrap().snapshot
}

fn with_filter(configuration: &str) -> String {
    let hash = "ab".repeat(32);
    format!("{FIRST}\nfilters: [{{name: own, module: {hash}, configuration: {configuration}}}]")
}

/// Asks a program that stands in the place of Envoy.
fn asking(folder: &TempDir, script: &str, patience: Duration) -> Preflight {
    let envoy = folder.path().join("envoy");
    std::fs::write(&envoy, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&envoy, std::fs::Permissions::from_mode(0o755)).unwrap();
    let patience = Patience {
        without_modules: patience,
        with_modules: patience,
    };
    Preflight::by(envoy, "/modules".into()).waiting(patience)
}

#[test]
fn it_asks_about_everything_but_policies() {
    let (first, other) = (snapshot(FIRST, "a"), snapshot(FIRST, "b"));
    let closed = snapshot(&format!("{FIRST}\ndefaults: {{access: deny}}"), "a");
    let names = |before: &Snapshot, after: &Snapshot| {
        let changed = changed(before, after).into_iter();
        let names = changed.map(|one| format!("{} {}", one.name, one.is_module));
        names.collect::<Vec<_>>()
    };
    assert!(first.generation() != closed.generation() && names(&first, &closed).is_empty());
    assert_eq!(names(&first, &other), ["portcullis.mcp.mcp true"]);
    // The module is not new on a listener that is.
    let listeners = "listeners: [{name: mcp, address: '127.0.0.1:1'},
        {name: second, address: '127.0.0.1:2'}]";
    let second = names(&first, &snapshot(&format!("{FIRST}\n{listeners}"), "a"));
    assert!(second.contains(&"second false".to_owned()), "{second:?}");
    assert!(
        second.iter().all(|name| name.ends_with("false")),
        "{second:?}"
    );
    // Somebody else's module may stand still for what it is configured to do.
    let (one, two) = (with_filter("{a: 1}"), with_filter("{a: 2}"));
    let configured = names(&snapshot(&one, "a"), &snapshot(&two, "a"));
    assert_eq!(configured, ["portcullis.filter.own true"]);
}

/// The places where a message has a secret discovered.
fn discovered<'j>(json: &'j Value, found: &mut Vec<&'j Value>) {
    match json {
        Value::Object(fields) => {
            found.extend(fields.get("sds_config"));
            fields.values().for_each(|value| discovered(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| discovered(value, found)),
        _ => {}
    }
}

#[test]
fn it_has_no_secret_discovered_by_the_envoy_that_is_asked() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway-document/examples");
    let text = std::fs::read_to_string(examples.join("secrets.yaml")).unwrap();
    let snapshot = snapshot(&text, "a");
    let resources = snapshot.resources();
    let resources: Vec<Value> = resources
        .map(|resource| descriptors::to_json(&resource.any()).unwrap())
        .collect();
    let mut in_fleet = Vec::new();
    resources
        .iter()
        .for_each(|json| discovered(json, &mut in_fleet));
    assert!(in_fleet.len() >= 4, "{in_fleet:?}");
    let asked = bootstrap::of(&snapshot, &Depth::WithoutModules).unwrap();
    let asked = Bootstrap::decode(&asked[..])
        .unwrap()
        .static_resources
        .unwrap();
    let clusters = asked.clusters.into_iter().map(pack_any);
    let asked = clusters.chain(asked.listeners.into_iter().map(pack_any));
    let asked: Vec<Value> = asked
        .map(|resource| descriptors::to_json(&resource).unwrap())
        .collect();
    let mut in_question = Vec::new();
    asked
        .iter()
        .for_each(|json| discovered(json, &mut in_question));
    assert_eq!(in_question.len(), in_fleet.len(), "{asked:?}");
    for place in in_question {
        assert_eq!(place["path_config_source"]["path"], "/dev/null", "{place}");
    }
}

#[tokio::test]
async fn it_takes_a_new_module_that_an_envoy_does_not_survive_or_start_in_time_for_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let (first, other) = (snapshot(FIRST, "a"), snapshot(FIRST, "b"));
    for (script, patience, word) in [
        ("exec sleep 100000", SHORT, "had no answer after 0.3 s"),
        ("kill -SEGV $$", LONG, "signal"),
        // Behind the first file that is elsewhere it looks at nothing.
        (
            "echo Invalid path: /x >&2; exit 1",
            LONG,
            "behind it: Invalid path: /x",
        ),
    ] {
        let preflight = asking(&folder, script, patience);
        let answer = preflight.ask(&first, &other).await;
        let PreflightAnswer::ModuleFault(fault) = answer else {
            panic!("{script}: {answer:?}");
        };
        assert!(fault.contains(word), "{fault}");
        // No module is new.
        let answer = preflight.ask(&first, &snapshot(ROUTED, "a")).await;
        let PreflightAnswer::Unjudged(reason) = answer else {
            panic!("{script}: {answer:?}");
        };
        assert!(reason.contains(word), "{reason}");
        let counts: Vec<_> = preflight
            .counts()
            .all()
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(counts, [("module_fault", 1), ("unjudged", 1)]);
    }
}

#[tokio::test]
async fn it_refuses_nothing_where_there_is_nobody_to_ask_and_says_so() {
    let preflight = Preflight::by("/nowhere/envoy".into(), "/modules".into());
    let answer = preflight
        .ask(&snapshot(FIRST, "a"), &snapshot(FIRST, "b"))
        .await;
    let PreflightAnswer::Unjudged(reason) = answer else {
        panic!("{answer:?}");
    };
    assert!(reason.contains("CONTROL_PLANE_ENVOY"), "{reason}");
}

#[tokio::test]
async fn it_waits_for_its_turn_no_longer_than_for_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let preflight = asking(&folder, "exit 0", SHORT);
    let _both = (
        preflight.with_modules.acquire().await.unwrap(),
        preflight.without_modules.acquire().await.unwrap(),
    );
    let first = snapshot(FIRST, "a");
    let answer = preflight.ask(&first, &snapshot(FIRST, "b")).await;
    assert!(matches!(answer, PreflightAnswer::Busy(_)), "{answer:?}");
    let answer = preflight.ask(&first, &snapshot(ROUTED, "a")).await;
    assert!(matches!(answer, PreflightAnswer::Unjudged(_)), "{answer:?}");
}

#[tokio::test]
async fn it_asks_about_routes_while_a_module_takes_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let preflight = asking(&folder, "exit 0", LONG);
    let _module = preflight.with_modules.acquire().await.unwrap();
    let answer = preflight
        .ask(&snapshot(FIRST, "a"), &snapshot(ROUTED, "a"))
        .await;
    assert_eq!(answer, PreflightAnswer::NoObjection);
}

#[tokio::test]
async fn it_asks_about_the_same_change_once() {
    let folder = tempfile::tempdir().unwrap();
    let asked = folder.path().join("asked");
    let script = format!("echo once >> {}; echo words >&2; exit 1", asked.display());
    let preflight = asking(&folder, &script, LONG);
    let (first, routed) = (snapshot(FIRST, "a"), snapshot(ROUTED, "a"));
    for _ in 0..3 {
        let answer = preflight.ask(&first, &routed).await;
        assert_eq!(answer, PreflightAnswer::Objection("words".to_owned()));
    }
    assert_eq!(std::fs::read_to_string(asked).unwrap(), "once\n");
}
