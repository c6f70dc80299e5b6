//! A parameter of a declared tool: its words in the file, and the JSON Schema that they make.

use serde::Deserialize;
use serde_json::{Number, Value, json};

use crate::gateway_schema::{check, compile};

/// PostgreSQL's own bound of a name.
const LONGEST_NAME: usize = 63;

/// The names of arguments that declared tools have of this server.
const RESERVED: [&str; 4] = ["format", "use_block_transport", "fetch_size", "dry_run"];

/// A parameter as its author writes it: a name and JSON Schema's own words.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ParameterEntry {
    pub(crate) name: String,
    #[serde(rename = "type")]
    kind: ParameterType,
    description: Option<String>,
    required: Option<bool>,
    default: Option<Value>,
    #[serde(rename = "enum")]
    choices: Option<Vec<Value>>,
    format: Option<String>,
    minimum: Option<Number>,
    maximum: Option<Number>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    items: Option<ItemsEntry>,
    min_items: Option<u64>,
    max_items: Option<u64>,
}

/// The items of an array.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemsEntry {
    #[serde(rename = "type")]
    kind: ParameterType,
    #[serde(rename = "enum")]
    choices: Option<Vec<Value>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ParameterType {
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
}

impl ParameterType {
    fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// A parameter whose schema holds together.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// The name of the argument.
    pub name: String,
    /// Whether a call must have it.
    pub is_required: bool,
    /// The value where a call leaves it out; NULL where there is none.
    pub default: Option<Value>,
    /// A value of its type, to analyse the SQL with before anybody calls.
    pub sample: Value,
    pub(crate) description: Option<String>,
    pub(crate) schema: Value,
}

impl Parameter {
    /// The parameter, unless something about it is wrong.
    pub(crate) fn new(entry: &ParameterEntry, is_spark: bool) -> Result<Self, Vec<String>> {
        let mut faults = entry.faults(is_spark);
        let schema = entry.schema();
        match compile(&schema) {
            Err(fault) => faults.push(fault),
            Ok(compiled) => {
                let default = entry.default.iter().map(|value| ("default", value));
                let choices = entry.choices.iter().flatten();
                let choices = choices.map(|value| ("enum", value));
                for (word, value) in default.chain(choices) {
                    if let Err(fault) = check(&compiled, value) {
                        faults.push(format!("its `{word}` does not fit: {fault}"));
                    }
                }
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            name: entry.name.clone(),
            is_required: entry.required.unwrap_or(entry.default.is_none()),
            default: entry.default.clone(),
            sample: entry.sample(),
            description: entry.description.clone(),
            schema,
        })
    }
}

impl ParameterEntry {
    fn faults(&self, is_spark: bool) -> Vec<String> {
        use ParameterType as Type;
        let is_number = matches!(self.kind, Type::Integer | Type::Number);
        let has_bounds = self.minimum.is_some() || self.maximum.is_some();
        let has_lengths = self.min_length.is_some() || self.max_length.is_some();
        let has_items = self.min_items.is_some() || self.max_items.is_some();
        let items = self.items.as_ref().map(|items| items.kind);
        let float = |number: &Option<Number>| number.as_ref().and_then(Number::as_f64);
        let crosses =
            |low: Option<u64>, high: Option<u64>| low.zip(high).is_some_and(|(l, h)| l > h);
        let rules = [
            (
                !is_parameter_name(&self.name),
                "its name must be letters, digits and `_`, with no digit first",
            ),
            (
                RESERVED.contains(&self.name.as_str()),
                "its name is that of an argument that declared tools have already",
            ),
            (
                self.required == Some(true) && self.default.is_some(),
                "it has a `default`, so that it is not required",
            ),
            (
                has_bounds && !is_number,
                "`minimum` and `maximum` are for integers and numbers",
            ),
            (
                has_lengths && self.kind != Type::String,
                "`minLength` and `maxLength` are for strings",
            ),
            (
                self.format.is_some() && self.kind != Type::String,
                "`format` is for strings",
            ),
            (
                (has_items || self.items.is_some()) && self.kind != Type::Array,
                "`items`, `minItems` and `maxItems` are for arrays",
            ),
            (
                self.kind == Type::Array && self.items.is_none(),
                "an array needs `items`, such as {type: string}",
            ),
            (
                matches!(items, Some(Type::Array | Type::Object)),
                "the items of an array are strings, integers, numbers or booleans",
            ),
            (
                is_spark && self.kind == Type::Object,
                "Spark SQL has no parameter that is an object",
            ),
            (
                crosses(self.min_length, self.max_length)
                    || crosses(self.min_items, self.max_items)
                    || float(&self.minimum)
                        .zip(float(&self.maximum))
                        .is_some_and(|(low, high)| low > high),
                "its lower bound is above its upper one",
            ),
        ];
        let broken = rules.into_iter().filter(|(is_broken, _)| *is_broken);
        broken.map(|(_, fault)| fault.to_owned()).collect()
    }

    fn schema(&self) -> Value {
        let items = self.items.as_ref().map(|items| {
            let mut schema = json!({"type": items.kind.name()});
            if let Some(choices) = &items.choices {
                schema["enum"] = json!(choices);
            }
            schema
        });
        let words = [
            (
                "description",
                self.description.as_ref().map(|text| json!(text)),
            ),
            ("format", self.format.as_ref().map(|text| json!(text))),
            ("enum", self.choices.as_ref().map(|choices| json!(choices))),
            ("default", self.default.clone()),
            ("minimum", self.minimum.clone().map(Value::Number)),
            ("maximum", self.maximum.clone().map(Value::Number)),
            ("minLength", self.min_length.map(Value::from)),
            ("maxLength", self.max_length.map(Value::from)),
            ("items", items),
            ("minItems", self.min_items.map(Value::from)),
            ("maxItems", self.max_items.map(Value::from)),
        ];
        let mut schema = json!({"type": self.kind.name()});
        for (word, value) in words {
            if let Some(value) = value {
                schema[word] = value;
            }
        }
        schema
    }

    /// A value of the right type: the author's own where there is one.
    fn sample(&self) -> Value {
        let chosen = || self.choices.as_ref().and_then(|choices| choices.first());
        let given = self.default.as_ref().or_else(chosen);
        given.cloned().unwrap_or_else(|| match self.kind {
            ParameterType::String => json!(""),
            ParameterType::Integer | ParameterType::Number => match &self.minimum {
                Some(minimum) => Value::Number(minimum.clone()),
                None => json!(1),
            },
            ParameterType::Boolean => json!(true),
            ParameterType::Array => json!([match self.items.as_ref().map(|items| items.kind) {
                Some(ParameterType::Integer | ParameterType::Number) => json!(1),
                Some(ParameterType::Boolean) => json!(true),
                _ => json!(""),
            }]),
            ParameterType::Object => json!({}),
        })
    }
}

fn is_parameter_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(yaml: &str, is_spark: bool) -> Result<Parameter, String> {
        let entry: ParameterEntry =
            yaml_serde::from_str(&format!("{{{yaml}}}")).map_err(|error| error.to_string())?;
        Parameter::new(&entry, is_spark).map_err(|faults| faults.join("; "))
    }

    #[test]
    fn it_refuses_a_parameter_whose_words_do_not_hold_together() {
        for (yaml, fault) in [
            ("name: a-b, type: string", "its name must be"),
            ("name: format, type: string", "have already"),
            ("name: a, type: text", "unknown variant `text`"),
            (
                "name: a, type: string, pattern: x",
                "unknown field `pattern`",
            ),
            ("name: a, type: string, minimum: 1", "integers and numbers"),
            ("name: a, type: integer, maxLength: 1", "for strings"),
            ("name: a, type: string, items: {type: string}", "for arrays"),
            ("name: a, type: array", "needs `items`"),
            (
                "name: a, type: array, items: {type: array}",
                "items of an array are",
            ),
            (
                "name: a, type: integer, minimum: 3, maximum: 2",
                "above its upper",
            ),
            (
                "name: a, type: integer, default: x",
                "its `default` does not fit",
            ),
            (
                "name: a, type: integer, default: 0, minimum: 1",
                "its `default` does not fit",
            ),
            (
                "name: a, type: string, enum: [x, 1]",
                "its `enum` does not fit",
            ),
            ("name: a, type: string, enum: []", "not empty"),
            (
                "name: a, type: string, default: x, required: true",
                "not required",
            ),
        ] {
            let refused = parameter(yaml, false).expect_err(yaml);
            assert!(refused.contains(fault), "{yaml}: {refused}");
            assert!(!refused.contains('\n'), "{refused}");
        }
        assert!(parameter("name: a, type: object", false).is_ok());
        let refused = parameter("name: a, type: object", true).expect_err("Spark has none");
        assert!(refused.contains("Spark SQL"), "{refused}");
    }

    #[test]
    fn it_has_a_value_of_each_type_to_analyse_with() {
        for (yaml, sample) in [
            ("type: string", json!("")),
            ("type: string, enum: [x, y]", json!("x")),
            ("type: integer, minimum: 3", json!(3)),
            ("type: integer, default: 7", json!(7)),
            ("type: array, items: {type: integer}", json!([1])),
            ("type: boolean", json!(true)),
        ] {
            let read = parameter(&format!("name: a, {yaml}"), true).expect(yaml);
            assert_eq!(read.sample, sample, "{yaml}");
        }
    }
}
