//! A schema that asks for more than the engine would check is an error that names the place, never
//! a check left out.

use policy_engine::compile_schema;
use serde_json::value::RawValue;

fn check(schema: &str, expected: &[(&str, &str)]) {
    let raw = RawValue::from_string(schema.to_owned()).unwrap();
    let errors: Vec<_> = match compile_schema(&raw) {
        Ok(_) => panic!("{schema} compiles"),
        Err(errors) => errors.into_iter().collect(),
    };
    assert_eq!(errors.len(), expected.len(), "{schema}: {errors:?}");
    for (error, (path, reason)) in errors.iter().zip(expected) {
        assert_eq!(error.path, *path, "{schema}: {errors:?}");
        assert!(error.reason.contains(reason), "{schema}: {errors:?}");
    }
}

#[test]
fn it_names_the_keywords_that_it_does_not_check() {
    for keyword in [
        "pattern",
        "not",
        "if",
        "then",
        "else",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "prefixItems",
        "contains",
        "minContains",
        "dependentRequired",
        "dependentSchemas",
        "unevaluatedProperties",
        "unevaluatedItems",
        "$dynamicRef",
        "$anchor",
        "nullable",
        "additionalItems",
        "dependencies",
        "contentSchema",
    ] {
        check(
            &format!(r#"{{"{keyword}":{{}}}}"#),
            &[(
                &format!("/{keyword}"),
                &format!("`{keyword}` is not checked"),
            )],
        );
    }
    check(
        r#"{"uniqueItems":true}"#,
        &[("/uniqueItems", "not checked")],
    );
    check(r#"{"items":[true]}"#, &[("/items", "not checked")]);
    check(
        r#"{"multipleOf":0.1234567890123456789}"#,
        &[("/multipleOf", "18 digits")],
    );
}

#[test]
fn it_reports_everything_at_once_wherever_it_is() {
    check(
        concat!(
            r#"{"properties":{"a/b":{"pattern":"x"},"c":{"items":{"not":{}}}},"#,
            r#""anyOf":[{"type":"strng"},7],"$defs":{"d":{"if":true}}}"#
        ),
        &[
            ("/properties/a~1b/pattern", "`pattern`"),
            ("/properties/c/items/not", "`not`"),
            ("/anyOf/0/type", "must be one of"),
            ("/anyOf/1", "a schema is"),
            ("/$defs/d/if", "`if`"),
        ],
    );
}

#[test]
fn it_refuses_keywords_with_wrong_values() {
    check("7", &[("", "a schema is an object")]);
    check(r#"{"type":7}"#, &[("/type", "must be one of")]);
    check(r#"{"type":[]}"#, &[("/type", "must name")]);
    check(
        r#"{"type":["string","text"]}"#,
        &[("/type/1", "must be one of")],
    );
    check(r#"{"enum":[]}"#, &[("/enum", "list of values")]);
    check(r#"{"enum":"a"}"#, &[("/enum", "list of values")]);
    check(r#"{"minimum":"1"}"#, &[("/minimum", "a number")]);
    check(
        r#"{"exclusiveMinimum":true}"#,
        &[("/exclusiveMinimum", "a number")],
    );
    check(r#"{"multipleOf":0}"#, &[("/multipleOf", "above 0")]);
    check(r#"{"multipleOf":-1}"#, &[("/multipleOf", "above 0")]);
    check(r#"{"minLength":-1}"#, &[("/minLength", "0 or more")]);
    check(r#"{"maxItems":1.5}"#, &[("/maxItems", "0 or more")]);
    check(
        r#"{"properties":[]}"#,
        &[("/properties", "object of schemas")],
    );
    check(
        r#"{"properties":{"a":1}}"#,
        &[("/properties/a", "a schema is")],
    );
    check(r#"{"required":true}"#, &[("/required", "list of names")]);
    check(r#"{"required":["a",1]}"#, &[("/required/1", "a name")]);
    check(r#"{"allOf":[]}"#, &[("/allOf", "not empty")]);
    check(r#"{"anyOf":{}}"#, &[("/anyOf", "list of schemas")]);
    check(r#"{"$defs":[]}"#, &[("/$defs", "object of schemas")]);
    check(
        r#"{"uniqueItems":1}"#,
        &[("/uniqueItems", "`true` or `false`")],
    );
    check(r#"{"type":"string","type":"null"}"#, &[("", "comes twice")]);
}

#[test]
fn it_refuses_references_that_it_cannot_follow() {
    check(
        r#"{"$ref":"https://example.com/schema"}"#,
        &[("/$ref", "names no definition")],
    );
    check(
        r##"{"$ref":"#/$defs/none"}"##,
        &[("/$ref", "names no definition")],
    );
    check(
        r##"{"$ref":"#/properties/a","properties":{"a":true}}"##,
        &[("/$ref", "names no definition")],
    );
    check(r#"{"$ref":7}"#, &[("/$ref", "must be text")]);
    check(r##"{"$ref":"#"}"##, &[("", "refers to itself")]);
    check(
        concat!(
            r##"{"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"},{"type":"null"}]},"##,
            r##""b":{"allOf":[{"$ref":"#/$defs/a"}]}}}"##
        ),
        &[("/$defs/a", "refers to itself")],
    );
    check(
        r#"{"properties":{"a":{"$id":"https://example.com/a"}}}"#,
        &[("/properties/a/$id", "not checked")],
    );
    check(
        r#"{"properties":{"a":{"$defs":{}}}}"#,
        &[("/properties/a/$defs", "not checked")],
    );
    check(
        r#"{"$schema":"http://json-schema.org/draft-04/schema#"}"#,
        &[("/$schema", "not a dialect")],
    );
    check(
        concat!(
            r##"{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"a":true},"##,
            r##""properties":{"x":{"$ref":"#/definitions/a","minimum":1}}}"##
        ),
        &[("/properties/x", "hides")],
    );
}

#[test]
fn it_refuses_chains_of_references_that_are_too_long() {
    let chain = |length: usize| {
        let links: Vec<String> = (0..length)
            .map(|link| format!(r##""d{link}":{{"$ref":"#/$defs/d{}"}}"##, link + 1))
            .collect();
        format!(
            r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d{length}":{{"type":"null"}}}}}}"##,
            links.join(",")
        )
    };
    let raw = RawValue::from_string(chain(20)).unwrap();
    assert!(compile_schema(&raw).is_ok());
    check(&chain(40), &[("", "in a row")]);
    check(&chain(5_000), &[("", "in a row")]);
}

#[test]
fn it_refuses_headers_that_no_client_could_send() {
    let place = "only a property that `properties` alone lead to";
    let kind = "only a property of `type`";
    let token = "cannot be part of a header's name";
    check(
        r#"{"type":"object","x-mcp-header":"A"}"#,
        &[("/x-mcp-header", place)],
    );
    check(
        r#"{"properties":{"a":{"items":{"type":"string","x-mcp-header":"A"}}},
        "$defs":{"d":{"type":"string","x-mcp-header":"B"}},
        "anyOf":[{"properties":{"b":{"type":"string","x-mcp-header":"C"}}}],
        "additionalProperties":{"type":"string","x-mcp-header":"D"}}"#,
        &[
            ("/properties/a/items/x-mcp-header", place),
            ("/anyOf/0/properties/b/x-mcp-header", place),
            ("/additionalProperties/x-mcp-header", place),
            ("/$defs/d/x-mcp-header", place),
        ],
    );
    for schema in [
        r#"{"type":"object","x-mcp-header":"A"}"#,
        r#"{"type":"array","x-mcp-header":"A"}"#,
        r#"{"type":"null","x-mcp-header":"A"}"#,
        r#"{"type":"number","x-mcp-header":"A"}"#,
        r#"{"type":["string","null"],"x-mcp-header":"A"}"#,
        r#"{"x-mcp-header":"A"}"#,
    ] {
        check(
            &format!(r#"{{"properties":{{"a/b":{schema}}}}}"#),
            &[("/properties/a~1b/x-mcp-header", kind)],
        );
    }
    for name in ["", "a b", "a:b", "é", r"a\r\nb"] {
        check(
            &format!(r#"{{"properties":{{"a":{{"type":"string","x-mcp-header":"{name}"}}}}}}"#),
            &[("/properties/a/x-mcp-header", token)],
        );
    }
    check(
        r#"{"properties":{"a":{"type":"string","x-mcp-header":true}}}"#,
        &[("/properties/a/x-mcp-header", "must be text")],
    );
    check(
        concat!(
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"Region"},"#,
            r#""b":{"properties":{"c":{"type":"integer","x-mcp-header":"rEGION"}}}}}"#
        ),
        &[(
            "/properties/b/properties/c/x-mcp-header",
            "another property already has the header `rEGION`",
        )],
    );
}

#[test]
fn it_takes_headers_for_annotations_only_where_a_schema_is() {
    let schema = r#"{"properties":{"x-mcp-header":{"type":"object","default":{"x-mcp-header":1},
        "enum":[{"x-mcp-header":2}],
        "properties":{"a":{"type":"integer","x-mcp-header":"!#$%&'*+-.^_`|~09azAZ"}}}}}"#;
    let raw = RawValue::from_string(schema.to_owned()).unwrap();
    compile_schema(&raw).unwrap();
}
