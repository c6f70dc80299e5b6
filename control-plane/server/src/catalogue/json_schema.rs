//! Whether a document is a JSON Schema of the draft that it names: the forms that the drafts'
//! meta-schemas give to keywords, as a table.
//!
//! The engine's own compiler takes a subset, and says so itself; here a schema is sound that the
//! engine does not check. Nobody looks into texts: a `pattern` that is no regular expression is
//! sound. A test compares with the crate `jsonschema`, which brings thirty others.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The form of a keyword's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Schema,
    /// A list of schemas, one at least.
    Schemas,
    SchemaOrSchemas,
    /// An object whose members are schemas.
    NamedSchemas,
    /// An object whose members are schemas, or lists of names.
    Dependencies,
    /// A list of names, none of them twice.
    Names,
    /// An object whose members are lists of names.
    NamedNames,
    /// The name of a type, or a list of such names.
    Types,
    List,
    Number,
    PositiveNumber,
    Count,
    Text,
    Boolean,
}

use Form::{
    Boolean, Count, Dependencies, List, NamedNames, NamedSchemas, Names, Number, PositiveNumber,
    Schema, SchemaOrSchemas, Schemas, Text, Types,
};

/// The drafts, as far as they give keywords different forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Draft {
    /// Draft-06 and draft-07, which differ little.
    Draft07,
    /// Draft 2019-09, whose `items` may still be a list.
    Draft201909,
    /// Draft 2020-12, which MCP takes where a schema names none.
    Draft202012,
}

/// Keywords that have the same form in all drafts that know them.
const EVERYWHERE: &[(&str, Form)] = &[
    ("$comment", Text),
    ("$id", Text),
    ("$ref", Text),
    ("$schema", Text),
    ("additionalProperties", Schema),
    ("allOf", Schemas),
    ("anyOf", Schemas),
    ("contains", Schema),
    ("contentEncoding", Text),
    ("contentMediaType", Text),
    ("definitions", NamedSchemas),
    ("dependencies", Dependencies),
    ("description", Text),
    ("else", Schema),
    ("enum", List),
    ("examples", List),
    ("exclusiveMaximum", Number),
    ("exclusiveMinimum", Number),
    ("format", Text),
    ("if", Schema),
    ("maxItems", Count),
    ("maxLength", Count),
    ("maxProperties", Count),
    ("maximum", Number),
    ("minItems", Count),
    ("minLength", Count),
    ("minProperties", Count),
    ("minimum", Number),
    ("multipleOf", PositiveNumber),
    ("not", Schema),
    ("oneOf", Schemas),
    ("pattern", Text),
    ("patternProperties", NamedSchemas),
    ("properties", NamedSchemas),
    ("propertyNames", Schema),
    ("readOnly", Boolean),
    ("required", Names),
    ("then", Schema),
    ("title", Text),
    ("type", Types),
    ("uniqueItems", Boolean),
    ("writeOnly", Boolean),
];

/// Keywords that came with draft 2019-09.
const SINCE_2019: &[(&str, Form)] = &[
    ("$anchor", Text),
    ("$defs", NamedSchemas),
    ("$recursiveRef", Text),
    ("contentSchema", Schema),
    ("dependentRequired", NamedNames),
    ("dependentSchemas", NamedSchemas),
    ("deprecated", Boolean),
    ("maxContains", Count),
    ("minContains", Count),
    ("unevaluatedItems", Schema),
    ("unevaluatedProperties", Schema),
];

const A_TYPE: &str = "one of `null`, `boolean`, `integer`, `number`, `string`, `array`, `object`, \
                      or a list of these";
const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// A place where a document is no schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// JSON Pointer (RFC 6901) to the value.
    pub(super) pointer: String,
    /// The thing that should be there, as a noun phrase.
    pub(super) expected: &'static str,
}

/// Finds a place where a document is no schema of the draft that it names. Of draft-04 nothing is
/// said: no part of the gateway reads it.
pub(super) fn fault(schema: &Value) -> Option<Fault> {
    let named = match schema.get("$schema") {
        Some(Value::String(named)) => named.as_str(),
        _ => "https://json-schema.org/draft/2020-12/schema",
    };
    let name = named.trim_end_matches('#').split_once("://");
    let draft = match name.map(|(_, name)| name) {
        Some("json-schema.org/draft/2020-12/schema") => Draft::Draft202012,
        Some("json-schema.org/draft/2019-09/schema") => Draft::Draft201909,
        Some("json-schema.org/draft-07/schema" | "json-schema.org/draft-06/schema") => {
            Draft::Draft07
        }
        Some("json-schema.org/draft-04/schema") => return None,
        _ => {
            return Some(Fault {
                pointer: "/$schema".to_owned(),
                expected: "the name of a draft, such as \
                           `https://json-schema.org/draft/2020-12/schema`",
            });
        }
    };
    let mut pointer = Vec::new();
    let expected = draft.check(Schema, schema, &mut pointer).err()?;
    Some(Fault {
        pointer: pointer.iter().fold(String::new(), |pointer, segment| {
            pointer + "/" + &segment.replace('~', "~0").replace('/', "~1")
        }),
        expected,
    })
}

impl Draft {
    /// The form of a keyword's value; `None` where the draft does not know the keyword, or lets it
    /// have any value.
    fn form(self, keyword: &str) -> Option<Form> {
        let since_2019: &[_] = match self {
            Self::Draft07 => &[],
            Self::Draft201909 | Self::Draft202012 => SINCE_2019,
        };
        let known = EVERYWHERE
            .iter()
            .chain(since_2019)
            .find(|(name, _)| *name == keyword);
        match (keyword, self) {
            ("items", Self::Draft202012) => Some(Schema),
            ("items", _) => Some(SchemaOrSchemas),
            ("additionalItems", Self::Draft07 | Self::Draft201909) => Some(Schema),
            ("prefixItems", Self::Draft202012) => Some(Schemas),
            ("$dynamicRef" | "$dynamicAnchor", Self::Draft202012) => Some(Text),
            _ => known.map(|(_, form)| *form),
        }
    }

    /// Checks a value; on an error `pointer` leads to the place, and the error is the thing that
    /// should be there.
    fn check<'a>(
        self,
        form: Form,
        value: &'a Value,
        pointer: &mut Vec<Cow<'a, str>>,
    ) -> Result<(), &'static str> {
        let fits = |fits: bool, expected| if fits { Ok(()) } else { Err(expected) };
        match (form, value) {
            (Schema | SchemaOrSchemas, Value::Bool(_)) => Ok(()),
            (Schema | SchemaOrSchemas, Value::Object(members)) => {
                self.check_each(members, pointer, |keyword| self.form(keyword))
            }
            (Schema, _) => Err("a schema: an object, `true` or `false`"),
            (SchemaOrSchemas | Schemas, Value::Array(schemas)) if !schemas.is_empty() => {
                for (index, schema) in schemas.iter().enumerate() {
                    pointer.push(index.to_string().into());
                    self.check(Schema, schema, pointer)?;
                    pointer.pop();
                }
                Ok(())
            }
            (SchemaOrSchemas, _) => Err("a schema, or a list of schemas"),
            (Schemas, _) => Err("a list of schemas, one at least"),
            (NamedSchemas, Value::Object(members)) => {
                self.check_each(members, pointer, |_| Some(Schema))
            }
            (NamedNames, Value::Object(members)) => {
                self.check_each(members, pointer, |_| Some(Names))
            }
            (Dependencies, Value::Object(members)) => {
                let form = |name: &str| match members.get(name) {
                    Some(Value::Array(_)) => Some(Names),
                    _ => Some(Schema),
                };
                self.check_each(members, pointer, form)
            }
            (NamedSchemas | NamedNames | Dependencies, _) => Err("an object"),
            (Names, Value::Array(names)) => fits(
                names.iter().all(Value::is_string) && are_different(names),
                "a list of names, each of them once",
            ),
            (Types, Value::Array(names)) => fits(
                !names.is_empty() && names.iter().all(is_type) && are_different(names),
                A_TYPE,
            ),
            (Types, name) => fits(is_type(name), A_TYPE),
            (Names, _) => Err("a list of names"),
            (List, value) => fits(value.is_array(), "a list"),
            (Number, value) => fits(value.is_number(), "a number"),
            (PositiveNumber, value) => fits(
                value.as_f64().is_some_and(|number| number > 0.0),
                "a number above 0",
            ),
            (Count, value) => fits(
                value
                    .as_f64()
                    .is_some_and(|number| number >= 0.0 && number.fract() == 0.0),
                "an integer, 0 or more",
            ),
            (Text, value) => fits(value.is_string(), "text"),
            (Boolean, value) => fits(value.is_boolean(), "`true` or `false`"),
        }
    }

    fn check_each<'a>(
        self,
        members: &'a Map<String, Value>,
        pointer: &mut Vec<Cow<'a, str>>,
        form: impl Fn(&str) -> Option<Form>,
    ) -> Result<(), &'static str> {
        for (name, value) in members {
            if let Some(form) = form(name) {
                pointer.push(name.into());
                self.check(form, value, pointer)?;
                pointer.pop();
            }
        }
        Ok(())
    }
}

fn is_type(name: &Value) -> bool {
    name.as_str().is_some_and(|name| TYPES.contains(&name))
}

fn are_different(names: &[Value]) -> bool {
    let different: BTreeSet<_> = names.iter().map(Value::as_str).collect();
    different.len() == names.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Values of every form, sound for some keywords and unsound for the others.
    fn values() -> Vec<Value> {
        vec![
            json!(null),
            json!(true),
            json!(0),
            json!(1),
            json!(1.0),
            json!(-1),
            json!(0.5),
            json!("string"),
            json!("x"),
            json!([]),
            json!(["string"]),
            json!(["string", "string"]),
            json!(["x", "y"]),
            json!(["x", 1]),
            json!([{}]),
            json!([true, 1]),
            json!({}),
            json!({"x": {}}),
            json!({"x": true}),
            json!({"x": 1}),
            json!({"x": ["y"]}),
            json!({"x": ["y", "y"]}),
            json!({"type": "string"}),
            json!({"type": "objekt"}),
            json!({"x": {"type": "objekt"}}),
            json!([{"type": "objekt"}]),
        ]
    }

    #[test]
    fn it_finds_a_fault_wherever_the_meta_schemas_of_the_drafts_do() {
        let drafts = [
            "https://json-schema.org/draft/2020-12/schema",
            "https://json-schema.org/draft/2019-09/schema",
            "http://json-schema.org/draft-07/schema#",
        ];
        let keywords = EVERYWHERE.iter().chain(SINCE_2019).map(|(name, _)| *name);
        let others = [
            "additionalItems",
            "const",
            "default",
            "items",
            "prefixItems",
            "x-vendor",
            "Type",
            "$dynamicRef",
        ];
        let mut compared = 0;
        for keyword in keywords.chain(others).filter(|name| *name != "$schema") {
            for draft in drafts {
                for value in values() {
                    let mut inner = json!({});
                    inner[keyword] = value;
                    for mut schema in [inner.clone(), json!({"properties": {"a": inner}})] {
                        schema["$schema"] = draft.into();
                        let theirs = jsonschema::meta::validate(&schema).is_ok();
                        assert_eq!(fault(&schema).is_none(), theirs, "{schema}");
                        compared += 1;
                    }
                }
            }
        }
        assert!(compared > 5_000, "{compared}");
    }

    #[test]
    fn it_points_to_the_place_and_says_which_thing_belongs_there() {
        let schema = json!({"properties": {"a/b": {"allOf": [true, {"minLength": -1}]}}});
        let found = fault(&schema).expect("a fault");
        assert_eq!(found.pointer, "/properties/a~1b/allOf/1/minLength");
        assert_eq!(found.expected, "an integer, 0 or more");
    }

    #[test]
    fn it_knows_the_drafts_by_name_and_takes_2020_12_where_none_is_named() {
        let of = |named: Value| fault(&json!({"$schema": named, "items": [true]}));
        assert!(of(json!("http://json-schema.org/draft-06/schema#")).is_none());
        assert!(of(json!("http://json-schema.org/draft-04/schema#")).is_none());
        assert!(fault(&json!({"items": [true]})).is_some());
        for unknown in [
            json!("https://nobody.example/draft-99"),
            json!("#"),
            json!(7),
        ] {
            let found = of(unknown.clone()).expect("a fault");
            assert!(
                found.pointer == "/$schema" || unknown == json!(7),
                "{found:?}"
            );
        }
    }
}
