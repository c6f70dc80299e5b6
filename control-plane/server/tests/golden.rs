//! The example documents as Envoy gets them. A difference here is a difference for every Envoy of the fleet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use control_plane::catalogue::KnownList;
use control_plane::descriptors;
use control_plane::envoy::ModuleFile;
use control_plane::generation::{Built, Lists};
use gateway_document::{CheckedDocument, Format, parse};
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

fn built(document: &Path) -> Built {
    let text = fs::read_to_string(document).unwrap();
    let module = ModuleFile {
        sha256: "0".repeat(64),
        path: format!("/modules/{}.wasm", "0".repeat(64)).into(),
    };
    Built::new(
        RevisionNumber(1),
        Arc::new(CheckedDocument::new(parse(&text, Format::Yaml).unwrap()).unwrap()),
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
    paths
}

#[test]
fn every_example_becomes_the_resources_that_were_agreed_on() {
    let update = env::var_os("UPDATE_GOLDEN").is_some();
    for example in examples() {
        let snapshot = &built(&example).snapshot;
        let resources: Vec<Value> = snapshot
            .resources()
            .map(|resource| json!({"name": &**resource.name(), "content": descriptors::to_json(resource.any()).unwrap()}))
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
fn the_same_parts_become_the_same_bytes_every_time() {
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
