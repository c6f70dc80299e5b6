//! Every example document is read, found right, resolved, and fits the published schema.

use std::fs;
use std::path::{Path, PathBuf};

use gateway_document::{
    Catalogue, CheckedDocument, Format, GatewayDocument, KnownSchemas, json_schema, parse, resolve,
};

fn examples() -> Vec<(PathBuf, GatewayDocument)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut documents: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let document = parse(&text, Format::Yaml)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path, document)
        })
        .collect();
    documents.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(!documents.is_empty());
    documents
}

#[test]
fn it_resolves_every_example_for_every_listener() {
    for (path, document) in examples() {
        let document = CheckedDocument::new(document)
            .unwrap_or_else(|problems| panic!("{}: {problems:?}", path.display()));
        for listener in document.shares() {
            resolve(
                &document,
                &listener,
                &Catalogue::new(),
                &KnownSchemas::default(),
            )
            .unwrap_or_else(|problems| panic!("{}: {problems:?}", path.display()));
        }
    }
}

#[test]
fn it_reads_every_example_the_same_after_it_was_written() {
    for (path, document) in examples() {
        let written = document.to_canonical_json().unwrap();
        assert_eq!(
            parse(&written, Format::Json).unwrap(),
            document,
            "{}",
            path.display()
        );
        assert_eq!(
            parse(&written, Format::Yaml).unwrap(),
            document,
            "{}",
            path.display()
        );
    }
}

#[test]
fn it_publishes_a_schema_that_every_example_fits() {
    let validator = jsonschema::validator_for(json_schema().as_value()).unwrap();
    for (path, document) in examples() {
        let written = serde_json::to_value(&document).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&written)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, [""; 0], "{}", path.display());
    }
}
