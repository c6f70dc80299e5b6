//! The example documents as Envoy gets them. A difference here is a difference for every Envoy of
//! the fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use control_plane::catalogue::KnownList;
use control_plane::descriptors;
use control_plane::generation::{Built, KnownSchemas, Lists};
use control_plane::module::{ModuleFacts, ModuleFile, ModuleShelf, ShelvedModule};
use gateway_document::{CheckedDocument, Format, parse};
use policy_engine::wire::{ModuleManifest, VERSION};
use serde_json::{Value, json};
use store::{Catalogue, RawTool, RevisionNumber};
use time::OffsetDateTime;

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn lists() -> Lists {
    let list = |server: &str, names: &[&str]| {
        let tools = names.iter().map(|name| RawTool {
            name: (*name).to_owned(),
            json: format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#),
        });
        let seen = OffsetDateTime::UNIX_EPOCH;
        Arc::new(KnownList::new(Catalogue::new(
            server.to_owned(),
            "2026-07-28".to_owned(),
            seen,
            tools.collect(),
        )))
    };
    BTreeMap::from([
        (
            "data".parse().unwrap(),
            list("data", &["execute_query", "execute_spark_sql"]),
        ),
        ("math".parse().unwrap(), list("math", &["factorise"])),
    ])
}

/// The modules that examples name: a filter of the gateway's own kind, and another.
fn shelf() -> ModuleShelf {
    let shelf = ModuleShelf::new(Path::new("/modules"), None);
    for (sha256, name, version, wire_form) in [
        ("1", "mcp-filter", "1.4.0", Some(VERSION)),
        ("2", "geo", "2.1.0", None),
    ] {
        let manifest = ModuleManifest {
            name: name.to_owned(),
            version: version.to_owned(),
            wire_form,
        };
        let facts = ModuleFacts {
            bytes: 1000,
            manifest: Some(manifest),
        };
        let uploaded_at = OffsetDateTime::UNIX_EPOCH;
        shelf.add(sha256.repeat(64), ShelvedModule { facts, uploaded_at });
    }
    shelf
}

fn built(document: &Path) -> Built {
    let text = fs::read_to_string(document).unwrap();
    let document = CheckedDocument::new(parse(&text, Format::Yaml).unwrap()).unwrap();
    let shelf = shelf();
    let module = ModuleFile {
        sha256: "0".repeat(64),
        path: shelf.file(&"0".repeat(64)),
        shelf: shelf.clone(),
    };
    Built::first(
        &KnownSchemas::default(),
        RevisionNumber(1),
        Arc::new(shelf.resolve(document).unwrap()),
        &lists(),
        module,
    )
    .unwrap()
}

fn examples() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder("../gateway-document/examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "there is no example document");
    paths
}

/// The names of files, without what follows the dot.
fn stems(paths: impl IntoIterator<Item = PathBuf>) -> BTreeSet<String> {
    let stems = paths
        .into_iter()
        .map(|path| path.file_stem().unwrap().to_owned());
    stems.map(|stem| stem.into_string().unwrap()).collect()
}

#[test]
fn it_has_one_agreed_result_for_each_example_and_none_beside() {
    let golden = fs::read_dir(folder("tests/golden")).unwrap();
    let golden = golden.map(|entry| entry.unwrap().path());
    assert_eq!(stems(golden), stems(examples()));
}

#[test]
fn it_makes_the_resources_of_every_example_that_were_agreed_on() {
    let update = env::var_os("UPDATE_GOLDEN").is_some();
    for example in examples() {
        let snapshot = &built(&example).snapshot;
        let resources: Vec<Value> = snapshot
            .resources()
            .map(|resource| {
                json!({"name": &**resource.name(),
                "content": descriptors::to_json(&resource.any()).unwrap()})
            })
            .collect();
        let written = format!("{}\n", serde_json::to_string_pretty(&resources).unwrap());
        let golden = folder("tests/golden")
            .join(example.file_name().unwrap())
            .with_extension("json");
        if update {
            fs::write(&golden, &written).unwrap();
        }
        assert!(
            fs::read_to_string(&golden).unwrap_or_default() == written,
            "{} differs; run with UPDATE_GOLDEN=1 and read the difference",
            golden.display()
        );
    }
}

#[test]
fn it_makes_the_same_bytes_from_the_same_parts_every_time() {
    for example in examples() {
        let versions = || -> Vec<String> {
            built(&example)
                .snapshot
                .resources()
                .map(|resource| resource.version().to_string())
                .collect()
        };
        let first = versions();
        for _ in 0..20 {
            assert_eq!(versions(), first, "{}", example.display());
        }
    }
}

#[test]
fn it_makes_the_same_after_any_other_example_as_by_itself() {
    for (before, after) in examples()
        .iter()
        .flat_map(|before| examples().into_iter().map(move |after| (before, after)))
    {
        let (before, after) = (built(before), built(&after));
        let (number, document) = (after.revision, Arc::clone(&after.document));
        let next = before.next(number, document, &lists(), after.module.clone());
        assert_eq!(next.unwrap().snapshot, after.snapshot);
    }
}
