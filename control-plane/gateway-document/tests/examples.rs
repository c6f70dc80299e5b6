//! Every example document is read, found right, resolved, and fits the published schema.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use gateway_document::{
    Catalogue, CheckedDocument, Format, GatewayDocument, KnownSchemas, json_schema, parse,
    parse_value, resolve,
};
use serde_json::Value;

/// The fields that the published schema has and that are refused still.
const REFUSED: [(&str, &str); 1] = [("Rule", "when")];

fn texts() -> impl Iterator<Item = (PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let paths = fs::read_dir(folder).unwrap();
    let paths = paths.map(|entry| entry.unwrap().path());
    paths.map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    })
}

fn examples() -> Vec<(PathBuf, GatewayDocument)> {
    let mut documents: Vec<_> = texts()
        .map(|(path, text)| {
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

/// The fields of a schema, each with the name of the type that has it.
type Fields = BTreeSet<(String, String)>;

/// Collects the fields that values use.
struct Uses<'s> {
    definitions: &'s Value,
    used: Fields,
}

impl Uses<'_> {
    fn look(&mut self, name: &str, schema: &Value, value: &Value) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap();
            let definitions = self.definitions;
            self.look(name, &definitions[name], value);
        }
        for alternative in alternatives(schema) {
            self.look(name, alternative, value);
        }
        for element in value.as_array().into_iter().flatten() {
            self.look(name, &schema["items"], element);
        }
        for (key, value) in value.as_object().into_iter().flatten() {
            if let Some(field) = schema["properties"].get(key) {
                self.used.insert((name.to_owned(), key.clone()));
                self.look(name, field, value);
                continue;
            }
            let patterns = schema["patternProperties"].as_object();
            let patterns = patterns.into_iter().flat_map(serde_json::Map::values);
            for values in patterns.chain(schema.get("additionalProperties")) {
                self.look(name, values, value);
            }
        }
    }
}

fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    let words = ["allOf", "anyOf", "oneOf"].into_iter();
    let lists = words.filter_map(|word| schema[word].as_array());
    lists.flatten()
}

/// The fields that a type has by its schema.
fn fields(name: &str, schema: &Value) -> Fields {
    let here = [schema].into_iter().chain(alternatives(schema));
    let fields = here.filter_map(|schema| schema["properties"].as_object());
    let fields = fields.flat_map(serde_json::Map::keys);
    fields
        .map(|field| (name.to_owned(), field.clone()))
        .collect()
}

#[test]
fn it_has_an_example_of_every_field_of_the_published_schema() {
    let schema = serde_json::to_value(json_schema()).unwrap();
    let definitions = &schema["$defs"];
    let types = definitions.as_object().unwrap().iter();
    let mut all: Fields = types
        .flat_map(|(name, schema)| fields(name, schema))
        .chain(fields("GatewayDocument", &schema))
        .collect();
    for (name, field) in REFUSED {
        assert!(all.remove(&(name.to_owned(), field.to_owned())), "{field}");
    }
    let used = Fields::new();
    let mut uses = Uses { definitions, used };
    for (path, text) in texts() {
        let value = parse_value(&text, Format::Yaml);
        let value = value.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        uses.look("GatewayDocument", &schema, &value);
    }
    let missing: Vec<_> = all.difference(&uses.used).collect();
    assert!(missing.is_empty(), "no example has {missing:?}");
}
