//! Whatever an operator sends, the document is read, checked and resolved without a panic, and what
//! was read can be written and read again.

use std::sync::Arc;

use gateway_document::{
    Catalogue, CatalogueTool, CheckedDocument, Format, KnownSchemas, parse, parse_tool_rule,
    resolve, warnings,
};

fn catalogue() -> Catalogue {
    let tool = |name: &str, listed_since| CatalogueTool {
        name: name.to_owned(),
        input_schema: None,
        flaw: None,
        listed_since,
    };
    let data = vec![tool("execute_query", 1), tool("list_tables", 2)];
    let math = vec![tool("execute_query", 2)];
    Catalogue::from([
        ("data".parse().unwrap(), Arc::new(data.into())),
        ("math".parse().unwrap(), Arc::new(math.into())),
    ])
}

fn attack(text: &str, format: Format, catalogue: &Catalogue) {
    if let Err(error) = parse_tool_rule(text, format) {
        assert!(!error.0.is_empty(), "a refusal without a reason");
    }
    let document = match parse(text, format) {
        Ok(document) => document,
        Err(error) => {
            assert!(!error.0.is_empty(), "a refusal without a reason");
            return;
        }
    };
    let written = document.to_canonical_json().unwrap();
    assert_eq!(parse(&written, Format::Json).as_ref(), Ok(&document));
    let document = match CheckedDocument::new(document) {
        Ok(document) => document,
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal without a reason");
            return;
        }
    };
    for warning in warnings(&document, catalogue) {
        let rules = document.tools.iter();
        assert_eq!(
            rules
                .filter(|rule| rule.name.as_str() == warning.rule)
                .count(),
            1
        );
    }
    let schemas = KnownSchemas::default();
    for listener in document.shares() {
        if let Err(problems) = resolve(&document, &listener, catalogue, &schemas) {
            assert!(!problems.is_empty(), "a refusal without a reason");
        }
    }
}

#[test]
fn it_survives_whatever_is_sent_as_a_gateway_document() {
    let catalogue = catalogue();
    fuzz::run("gateway-document", |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        for format in [Format::Json, Format::Yaml] {
            attack(text, format, &catalogue);
        }
    });
}
