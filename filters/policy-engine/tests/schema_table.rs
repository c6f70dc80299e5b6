//! Schemas with instances that fit and instances that do not; the crate `jsonschema` judges the
//! same.

use policy_engine::{Invalid, MAX_DEPTH, compile_schema};
use serde_json::value::RawValue;

/// Every instance is judged by the engine and by the reference, and both must say what the row
/// says.
fn check(schema: &str, fitting: &[&str], misfit: &[&str]) {
    let raw = RawValue::from_string(schema.to_owned()).unwrap();
    let ours = compile_schema(&raw).unwrap_or_else(|errors| panic!("{schema}: {errors}"));
    let theirs = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let rows = fitting
        .iter()
        .map(|instance| (instance, true))
        .chain(misfit.iter().map(|instance| (instance, false)));
    for (instance, fits) in rows {
        let outcome = ours.validate(instance.as_bytes(), MAX_DEPTH);
        assert!(
            !matches!(outcome, Err(Invalid::Unreadable(_))),
            "{schema} cannot read {instance}: {outcome:?}"
        );
        assert_eq!(
            outcome.is_ok(),
            fits,
            "ours: {schema} on {instance}: {outcome:?}"
        );
        let value = serde_json::from_str(instance).unwrap();
        assert_eq!(
            theirs.is_valid(&value),
            fits,
            "the reference: {schema} on {instance}"
        );
    }
}

const EVERY_KIND: [&str; 9] = [
    "null",
    "true",
    "false",
    "0",
    "-1.5",
    r#""""#,
    r#""text""#,
    "[]",
    "{}",
];

fn every_kind_but(kinds: &[&'static str]) -> Vec<&'static str> {
    EVERY_KIND
        .into_iter()
        .filter(|instance| !kinds.contains(instance))
        .collect()
}

#[test]
fn it_judges_types() {
    check("true", &EVERY_KIND, &[]);
    check("{}", &EVERY_KIND, &[]);
    check("false", &[], &EVERY_KIND);
    let rows: [(&str, &[&'static str]); 7] = [
        ("null", &["null"]),
        ("boolean", &["true", "false"]),
        ("integer", &["0"]),
        ("number", &["0", "-1.5"]),
        ("string", &[r#""""#, r#""text""#]),
        ("array", &["[]"]),
        ("object", &["{}"]),
    ];
    for (kind, fitting) in rows {
        check(
            &format!(r#"{{"type":"{kind}"}}"#),
            fitting,
            &every_kind_but(fitting),
        );
        check(
            &format!(r#"{{"type":["{kind}"]}}"#),
            fitting,
            &every_kind_but(fitting),
        );
    }
    check(
        r#"{"type":["string","null"]}"#,
        &["null", r#""x""#],
        &["0", "[]", "{}", "true"],
    );
    check(
        r#"{"type":["integer","string","array"]}"#,
        &["1", r#""x""#, "[1,{}]"],
        &["1.5", "null", "{}"],
    );
    check(r#"{"type":["integer","number"]}"#, &["1", "1.5"], &["null"]);
}

#[test]
fn it_judges_integers_by_their_value() {
    check(
        r#"{"type":"integer"}"#,
        &[
            "1",
            "1.0",
            "-3.0",
            "1e2",
            "1.5e1",
            "-0",
            "-0.0",
            "9007199254740993",
            "18446744073709551615",
            "-9223372036854775808",
            "100e-2",
        ],
        &["1.5", "1e-1", "0.1", "-2.5", r#""1""#],
    );
}

#[test]
fn it_judges_bounds_of_numbers() {
    check(
        r#"{"minimum":1}"#,
        &["1", "1.0", "2", r#""0""#, "null"],
        &["0", "0.999", "-1"],
    );
    check(
        r#"{"maximum":1}"#,
        &["1", "0", "-5", "1.0"],
        &["2", "1.001", "1e2"],
    );
    check(
        r#"{"exclusiveMinimum":0}"#,
        &["1", "0.1"],
        &["0", "-1", "0.0"],
    );
    check(
        r#"{"exclusiveMaximum":0.5}"#,
        &["0.25", "0", "-7"],
        &["0.5", "0.75", "1", "5e-1"],
    );
    check(
        r#"{"minimum":-1.5,"maximum":1.5}"#,
        &["-1.5", "0", "1.5"],
        &["-1.75", "2", "-2"],
    );
    check(
        r#"{"type":"integer","minimum":9007199254740993}"#,
        &[
            "9007199254740993",
            "9007199254740994",
            "18446744073709551615",
        ],
        &["9007199254740992", "1"],
    );
    check(
        r#"{"maximum":18446744073709551614}"#,
        &["18446744073709551614", "0"],
        &["18446744073709551615"],
    );
    check(
        r#"{"minimum":-9223372036854775807}"#,
        &["-9223372036854775807"],
        &["-9223372036854775808"],
    );
    check(
        r#"{"type":"integer","minimum":0,"format":"uint32"}"#,
        &["0", "4294967296"],
        &["-1", "1.5"],
    );
    check(r#"{"minimum":1,"exclusiveMinimum":0}"#, &["1"], &["0.5"]);
}

#[test]
fn it_judges_multiples() {
    check(
        r#"{"multipleOf":3}"#,
        &["0", "3", "-9", "3e1", r#""x""#],
        &["1", "4", "1.5", "-10"],
    );
    check(
        r#"{"multipleOf":0.5}"#,
        &["0.5", "1", "-2.5", "0"],
        &["0.25", "0.75"],
    );
    check(
        r#"{"multipleOf":0.01}"#,
        &["0.01", "19.99", "4", "0.3"],
        &["0.005", "0.001"],
    );
    check(
        r#"{"multipleOf":100}"#,
        &["100", "-300", "0"],
        &["50", "110", "99.5"],
    );
    check(r#"{"multipleOf":1.5}"#, &["4.5", "3"], &["4", "1"]);
}

#[test]
fn it_judges_the_length_of_strings_in_code_points() {
    check(
        r#"{"minLength":2}"#,
        &[r#""ab""#, r#""éé""#, r#""😀😀""#, r#""\u00e9\n""#, "7"],
        &[r#""""#, r#""a""#, r#""é""#, r#""😀""#, r#""\ud83d\ude00""#],
    );
    check(
        r#"{"maxLength":2}"#,
        &[
            r#""""#,
            r#""ab""#,
            r#""😀😀""#,
            r#""\ud83d\ude00\u0041""#,
            "[1,2,3]",
        ],
        &[r#""abc""#, r#""\n\n\n""#, r#""\ud83d\ude00ab""#],
    );
    check(
        r#"{"type":"string","minLength":1,"maxLength":3}"#,
        &[r#""a""#, r#""abc""#],
        &[r#""""#, r#""abcd""#, "1"],
    );
    check(r#"{"maxLength":0}"#, &[r#""""#], &[r#"" ""#]);
    check(r#"{"minLength":2.0}"#, &[r#""ab""#], &[r#""a""#]);
    let long = format!("\"{}\"", "é".repeat(500));
    check(
        r#"{"maxLength":500,"minLength":500}"#,
        &[&long],
        &[
            &format!("\"{}\"", "a".repeat(501)),
            &format!("\"{}\"", "a".repeat(499)),
        ],
    );
}

#[test]
fn it_judges_arrays() {
    check(
        r#"{"items":{"type":"integer"}}"#,
        &["[]", "[1,2,3]", "[1.0]", "{}", "null"],
        &["[1,null]", r#"["1"]"#, "[[1]]"],
    );
    check(
        r#"{"minItems":1,"maxItems":2}"#,
        &["[1]", "[1,2]", r#""x""#],
        &["[]", "[1,2,3]"],
    );
    check(
        r#"{"items":{"items":{"type":"string"}}}"#,
        &["[[]]", r#"[["a"],[]]"#, "[1]"],
        &["[[1]]", r#"[["a"],["b",null]]"#],
    );
    check(r#"{"items":false}"#, &["[]", "1"], &["[1]"]);
    check(r#"{"items":true,"uniqueItems":false}"#, &["[1,1]"], &[]);
    check(
        r#"{"type":"array","items":{"type":["string","number"]},"maxItems":3}"#,
        &[r#"["a",1]"#],
        &["[true]", "[1,2,3,4]", "{}"],
    );
}

#[test]
fn it_judges_objects() {
    check(
        concat!(
            r#"{"type":"object","properties":{"sql":{"type":"string"},"#,
            r#""limit":{"type":"integer"}},"required":["sql"]}"#
        ),
        &[
            r#"{"sql":"x"}"#,
            r#"{"sql":"x","limit":1}"#,
            r#"{"limit":1,"sql":"x","other":[]}"#,
            r#"{"\u0073ql":"x"}"#,
        ],
        &[
            "{}",
            r#"{"limit":1}"#,
            r#"{"sql":1}"#,
            r#"{"sql":"x","limit":"1"}"#,
            r#"{"sequel":"x"}"#,
            "[]",
            "null",
        ],
    );
    check(
        r#"{"properties":{"a":{"type":"string"}},"additionalProperties":false}"#,
        &["{}", r#"{"a":""}"#, "7"],
        &[r#"{"b":1}"#, r#"{"a":"","b":1}"#, r#"{"a":1}"#],
    );
    check(
        r#"{"additionalProperties":{"type":"integer"}}"#,
        &["{}", r#"{"a":1,"b":2}"#],
        &[r#"{"a":1,"b":"2"}"#],
    );
    check(
        r#"{"properties":{"a":true},"additionalProperties":{"type":"integer"}}"#,
        &[r#"{"a":"x","b":2}"#],
        &[r#"{"a":1,"b":"2"}"#],
    );
    check(
        r#"{"required":["a","b"]}"#,
        &[r#"{"a":null,"b":null}"#, "1"],
        &["{}", r#"{"a":1}"#, r#"{"b":1}"#],
    );
    check(
        r#"{"required":["a"],"additionalProperties":false}"#,
        &["1"],
        &["{}", r#"{"a":1}"#],
    );
    check(
        r#"{"required":["a"],"additionalProperties":{"type":"null"}}"#,
        &[r#"{"a":null}"#],
        &["{}", r#"{"a":1}"#],
    );
    check(
        r#"{"properties":{"a":false}}"#,
        &["{}", r#"{"b":1}"#],
        &[r#"{"a":1}"#],
    );
    check(
        r#"{"properties":{"":{"type":"integer"}}}"#,
        &[r#"{"":1}"#],
        &[r#"{"":"x"}"#],
    );
    check(
        r#"{"properties":{"é":{"type":"integer"}}}"#,
        &[r#"{"é":1}"#, r#"{"\u00e9":1}"#],
        &[r#"{"é":"x"}"#, r#"{"\u00E9":"x"}"#],
    );
    check(
        r#"{"properties":{"a":{"properties":{"b":{"required":["c"]}}}}}"#,
        &[r#"{"a":{"b":{"c":1}}}"#, r#"{"a":{}}"#],
        &[r#"{"a":{"b":{}}}"#],
    );
    check(r#"{"required":[],"properties":{}}"#, &["{}"], &[]);
}

#[test]
fn it_judges_objects_with_many_properties() {
    let properties: Vec<String> = (0..130)
        .map(|number| format!(r#""p{number}":{{"type":"integer"}}"#))
        .collect();
    let schema = format!(
        concat!(
            r#"{{"properties":{{{}}},"required":["p0","p63","p64","p129"],"#,
            r#""additionalProperties":false}}"#
        ),
        properties.join(",")
    );
    let instance = |names: &[&str]| {
        let members: Vec<String> = names.iter().map(|name| format!(r#""{name}":1"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    let all: Vec<String> = (0..130).map(|number| format!("p{number}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    check(
        &schema,
        &[&instance(&["p0", "p63", "p64", "p129"]), &instance(&all)],
        &[
            &instance(&["p0", "p63", "p64"]),
            &instance(&["p0", "p63", "p129"]),
            &instance(&["p64", "p129", "p63"]),
            &instance(&["p0", "p63", "p64", "p129", "p130"]),
        ],
    );
}

#[test]
fn it_judges_enum_and_const() {
    check(
        r#"{"enum":["json","csv",null,1,[1,{"a":2}],{"x":[]}]}"#,
        &[
            r#""json""#,
            r#""\u006ason""#,
            "null",
            "1",
            "1.0",
            "10e-1",
            r#"[1,{"a":2.0}]"#,
            r#"{"x":[ ]}"#,
        ],
        &[
            r#""JSON""#,
            "2",
            "true",
            "[]",
            r#"[1,{"a":3}]"#,
            r#"[1,{"a":2},3]"#,
            r#"{"x":[],"y":1}"#,
            "{}",
        ],
    );
    check(
        r#"{"const":"a"}"#,
        &[r#""a""#],
        &[r#""b""#, "null", r#"["a"]"#],
    );
    check(
        r#"{"const":false}"#,
        &["false"],
        &["0", "null", "true", "[]"],
    );
    check(
        r#"{"const":0}"#,
        &["0", "0.0", "-0"],
        &["false", "null", r#""0""#, "1"],
    );
    check(
        r#"{"const":{"a":1,"b":2}}"#,
        &[r#"{"b":2,"a":1}"#],
        &[r#"{"a":1}"#, r#"{"a":1,"b":2,"c":3}"#, r#"{"a":2,"b":1}"#],
    );
    check(r#"{"const":[]}"#, &["[]"], &["[null]", "{}"]);
    check(r#"{"const":""}"#, &[r#""""#], &[r#"" ""#]);
    check(
        r#"{"type":"string","enum":["a",1]}"#,
        &[r#""a""#],
        &["1", r#""b""#],
    );
    check(
        r#"{"const":18446744073709551615}"#,
        &["18446744073709551615"],
        &["18446744073709551614"],
    );
    check(r#"{"enum":[0.1]}"#, &["0.1", "1e-1"], &["0.2", "0"]);
    check(
        r#"{"properties":{"k":{"const":"x"}},"enum":[{"k":"x"},{"k":"y"}]}"#,
        &[r#"{"k":"x"}"#],
        &[r#"{"k":"y"}"#],
    );
}

#[test]
fn it_judges_combinations() {
    check(
        r#"{"allOf":[{"minimum":1},{"maximum":3}]}"#,
        &["1", "3", r#""x""#],
        &["0", "4"],
    );
    check(
        r#"{"type":"integer","allOf":[{"multipleOf":2}]}"#,
        &["2"],
        &["3", "2.5", r#""x""#],
    );
    check(r#"{"allOf":[true,{}]}"#, &EVERY_KIND, &[]);
    check(r#"{"allOf":[true,false]}"#, &[], &EVERY_KIND);
    check(
        r#"{"anyOf":[{"type":"string"},{"type":"null"}]}"#,
        &[r#""x""#, "null"],
        &["1", "[]"],
    );
    check(
        r#"{"anyOf":[{"minimum":10},{"maximum":1}]}"#,
        &["0", "10", r#""x""#],
        &["5"],
    );
    check(
        r#"{"anyOf":[{"required":["a"]},{"required":["b"]}]}"#,
        &[r#"{"a":1}"#, r#"{"b":1}"#, r#"{"a":1,"b":1}"#, "1"],
        &["{}"],
    );
    check(
        r#"{"type":"object","anyOf":[{"required":["a"]},{"required":["b"]}]}"#,
        &[r#"{"a":1}"#],
        &["{}", "1"],
    );
    check(r#"{"anyOf":[false,false]}"#, &[], &EVERY_KIND);
    check(
        r#"{"oneOf":[{"type":"integer"},{"minimum":2}]}"#,
        &["1", "2.5", r#""x""#],
        &["3", "1.5"],
    );
    check(
        r#"{"oneOf":[{"type":"string"},{"type":"integer"}]}"#,
        &["1", r#""x""#],
        &["1.5", "null"],
    );
    check(r#"{"oneOf":[true,true]}"#, &[], &EVERY_KIND);
    check(
        r#"{"oneOf":[{"const":"a"},{"const":"b"},{"enum":["b","c"]}]}"#,
        &[r#""a""#, r#""c""#],
        &[r#""b""#, r#""d""#],
    );
    check(
        r#"{"oneOf":[{"type":"object","properties":{"kind":{"const":"a"},"x":{"type":"integer"}},
                      "required":["kind","x"]},
                     {"type":"object","properties":{"kind":{"const":"b"},"y":{"type":"string"}},
                      "required":["kind","y"]}]}"#,
        &[r#"{"kind":"a","x":1}"#, r#"{"y":"","kind":"b"}"#],
        &[r#"{"kind":"a","y":""}"#, r#"{"kind":"c"}"#, "{}", "1"],
    );
    check(
        r#"{"anyOf":[{"anyOf":[{"const":1},{"const":2}]},{"oneOf":[{"const":3},{"const":3}]}]}"#,
        &["1", "2"],
        &["3", "4"],
    );
    check(
        concat!(
            r#"{"properties":{"a":{"anyOf":[{"type":"array","items":{"type":"integer"}},"#,
            r#"{"type":"array","items":{"type":"string"}}]}}}"#
        ),
        &[r#"{"a":[1,2]}"#, r#"{"a":["x"]}"#, r#"{"a":[]}"#],
        &[r#"{"a":[1,"x"]}"#, r#"{"a":{}}"#],
    );
    check(
        concat!(
            r#"{"anyOf":[{"type":"string"},{"type":"null"}],"oneOf":[{"const":null},"#,
            r#"{"const":"a"},{"const":1}]}"#
        ),
        &["null", r#""a""#],
        &["1", r#""b""#],
    );
}

#[test]
fn it_follows_references() {
    check(
        r##"{"$defs":{"n":{"type":"integer"}},"properties":{"a":{"$ref":"#/$defs/n"}}}"##,
        &[r#"{"a":1}"#],
        &[r#"{"a":"x"}"#],
    );
    check(
        r##"{"definitions":{"n":{"type":"integer"}},"items":{"$ref":"#/definitions/n"}}"##,
        &["[1]"],
        &["[null]"],
    );
    check(
        r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"type":"null"}}}"##,
        &["null"],
        &["1"],
    );
    check(
        r##"{"$ref":"#/$defs/a","maximum":5,"$defs":{"a":{"minimum":1}}}"##,
        &["1", "5"],
        &["0", "6"],
    );
    check(
        concat!(
            r##"{"properties":{"next":{"$ref":"#"},"v":{"type":"integer"}},"##,
            r##""additionalProperties":false}"##
        ),
        &["{}", r#"{"next":{"next":{"v":1}}}"#],
        &[r#"{"next":{"next":{"v":"x"}}}"#, r#"{"next":{"x":1}}"#],
    );
    check(
        concat!(
            r##"{"anyOf":[{"$ref":"#/$defs/t"},{"type":"null"}],"$defs":{"t":{"type":"object","##,
            r##""properties":{"l":{"anyOf":[{"$ref":"#/$defs/t"},{"type":"null"}]}},"##,
            r##""required":["l"]}}}"##
        ),
        &["null", r#"{"l":null}"#, r#"{"l":{"l":{"l":null}}}"#],
        &["{}", r#"{"l":{}}"#, "1"],
    );
    check(
        r##"{"$ref":"#/$defs/a~1b%20%C3%A9~0","$defs":{"a/b é~":{"const":1}}}"##,
        &["1"],
        &["2"],
    );
    check(
        concat!(
            r##"{"$defs":{"yes":true,"no":false},"properties":{"y":{"$ref":"#/$defs/yes"},"##,
            r##""n":{"$ref":"#/$defs/no"}}}"##
        ),
        &["{}", r#"{"y":1}"#],
        &[r#"{"n":1}"#],
    );
    check(
        concat!(
            r##"{"$schema":"http://json-schema.org/draft-07/schema#","##,
            r##""definitions":{"a":{"type":"null"}},"##,
            r##""properties":{"x":{"$ref":"#/definitions/a"}}}"##
        ),
        &[r#"{"x":null}"#],
        &[r#"{"x":1}"#],
    );
}

#[test]
fn it_lets_annotations_pass() {
    check(
        r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://example.com/s",
            "$comment":"c","title":"t","description":"d",
            "default":7,"examples":[1,2],"format":"email","deprecated":true,
            "readOnly":true,"writeOnly":false,"x-order":1,
            "contentMediaType":"text/plain","contentEncoding":"base64","type":"string"}"##,
        &[r#""not an address""#],
        &["7"],
    );
}

#[test]
fn it_judges_the_data_servers_kinds_of_schemas() {
    check(
        r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"ExecuteQuery",
            "type":"object","additionalProperties":false,
            "properties":{"sql":{"description":"One SELECT","type":"string","minLength":1},
                          "parameters":{"type":["array","null"],"items":true,"default":null},
                          "timeout_ms":{"type":["integer","null"],"format":"uint64","minimum":0}},
            "required":["sql"]}"#,
        &[
            r#"{"sql":"select 1"}"#,
            r#"{"sql":"select $1","parameters":[1,"a",null,{"x":[1]}],"timeout_ms":0}"#,
            r#"{"sql":"x","parameters":null}"#,
        ],
        &[
            "{}",
            r#"{"sql":""}"#,
            r#"{"sql":null}"#,
            r#"{"sql":"x","timeout_ms":-1}"#,
            r#"{"sql":"x","timeout_ms":1.5}"#,
            r#"{"sql":"x","parameters":{}}"#,
            r#"{"sql":"x","extra":1}"#,
        ],
    );
    check(
        r##"{"type":"object","properties":{
            "format":{"anyOf":[{"$ref":"#/$defs/Format"},{"type":"null"}]},
            "conf":{"type":["object","null"],"additionalProperties":{"type":"string"}}},
            "$defs":{"Format":{"oneOf":[{"const":"json","description":"rows"},
            {"const":"csv"},{"const":"arrow"}]}}}"##,
        &[
            "{}",
            r#"{"format":"csv"}"#,
            r#"{"format":null,"conf":{"spark.a":"1"}}"#,
        ],
        &[
            r#"{"format":"xml"}"#,
            r#"{"format":1}"#,
            r#"{"conf":{"spark.a":1}}"#,
            r#"{"conf":[]}"#,
        ],
    );
}
