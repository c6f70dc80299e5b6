//! The examples of the operator's page are documents in which nothing is wrong.

use std::fs;
use std::path::Path;

use gateway_document::{CheckedDocument, Format, parse};

#[test]
fn it_takes_every_example_of_the_operators_page() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operator/configuring.md");
    let text = fs::read_to_string(page).unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    let blocks: Vec<&str> = blocks.filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 5, "the page has lost its examples");
    for block in blocks {
        let document =
            parse(block, Format::Yaml).unwrap_or_else(|error| panic!("{error}:\n{block}"));
        if let Err(problems) = CheckedDocument::new(document) {
            panic!("{problems:#?}:\n{block}");
        }
    }
}
