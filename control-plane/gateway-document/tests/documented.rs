//! Every example in YAML on the operator's pages is a document in which nothing is wrong.

use std::fs;
use std::path::Path;

use gateway_document::{CheckedDocument, Format, parse};

/// The pages whose YAML is read by another program: Prometheus, and the data server.
const OF_OTHER_PROGRAMS: [&str; 3] = ["changes.md", "databases.md", "declared-tools.md"];

/// The pages that must have examples: without them the test would read nothing.
const WITH_EXAMPLES: [&str; 5] = [
    "configuring.md",
    "modules.md",
    "rollouts.md",
    "secrets.md",
    "servers.md",
];

#[test]
fn it_takes_every_example_of_the_operators_pages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operator");
    let mut read = Vec::new();
    for page in fs::read_dir(&folder).unwrap() {
        let page = page.unwrap();
        let name = page.file_name().into_string().unwrap();
        if OF_OTHER_PROGRAMS.contains(&name.as_str()) {
            continue;
        }
        let text = fs::read_to_string(page.path()).unwrap();
        for rest in text.split("```yaml\n").skip(1) {
            check(&name, rest.split("```").next().unwrap());
            read.push(name.clone());
        }
    }
    for page in WITH_EXAMPLES {
        assert!(
            read.iter().any(|name| name == page),
            "`{page}` has lost its examples"
        );
    }
}

/// Fails where a block of a page is no document, or one in which something is wrong.
fn check(page: &str, block: &str) {
    let document = parse(block, Format::Yaml);
    let document = document.unwrap_or_else(|error| panic!("{page}: {error}:\n{block}"));
    if let Err(problems) = CheckedDocument::new(document) {
        panic!("{page}: {problems:#?}:\n{block}");
    }
}
