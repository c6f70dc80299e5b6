//! The arguments of a declared tool: their JSON Schema, and whether they fit it.
//!
//! They are checked by the gateway's own validator, so that both refuse the same arguments in the
//! same words.

use std::fmt;

use policy_engine::Schema;
use serde_json::{Map, Value, json};

use crate::Parameter;
use crate::gateway_schema::{MAX_DEPTH, compile};

/// The schema of all arguments of a tool, as clients see it and as it is checked.
#[derive(Debug)]
pub struct ArgumentSchema {
    schema: Value,
    /// `None` where a parameter has a fault, with which no server starts.
    compiled: Option<Schema>,
}

/// Why arguments do not fit, in the words of the gateway and of whoever declared the tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    faults: Vec<String>,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.faults.join("; "))
    }
}

impl ArgumentSchema {
    /// The schema of these parameters, and of `own`, which declared tools have besides.
    pub fn new(parameters: &[Parameter], own: Map<String, Value>) -> Self {
        let named = parameters.iter();
        let named = named.map(|one| (one.name.clone(), one.schema.clone()));
        let properties: Map<String, Value> = named.chain(own).collect();
        let required = parameters.iter().filter(|one| one.is_required);
        let required: Vec<&str> = required.map(|one| one.name.as_str()).collect();
        let mut schema = json!({"type": "object", "properties": properties,
            "additionalProperties": false});
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        Self {
            compiled: compile(&schema).ok(),
            schema,
        }
    }

    /// The schema as clients see it.
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Checks the arguments of a call.
    ///
    /// # Errors
    /// All that does not fit, each with the description of its parameter.
    pub fn check(
        &self,
        arguments: &Map<String, Value>,
        parameters: &[Parameter],
    ) -> Result<(), Misfit> {
        let text = serde_json::to_vec(arguments).unwrap_or_default();
        let Some(Err(invalid)) = (self.compiled.as_ref()).map(|one| one.validate(&text, MAX_DEPTH))
        else {
            return Ok(());
        };
        let faults = invalid.into_violations().into_iter().map(|violation| {
            let of = violation.pointer.split('/').nth(1);
            let parameter = parameters.iter().find(|one| Some(one.name.as_str()) == of);
            match parameter.and_then(|one| one.description.as_ref()) {
                Some(description) => format!("{violation} ({description})"),
                None => violation.to_string(),
            }
        });
        Err(Misfit {
            faults: faults.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::ParameterEntry;

    fn parameter(yaml: &str) -> Parameter {
        let entry: ParameterEntry = yaml_serde::from_str(yaml).expect(yaml);
        Parameter::new(&entry, false).expect(yaml)
    }

    #[test]
    fn it_tells_what_does_not_fit_in_the_authors_words() {
        let parameters = [
            parameter("{name: since, type: string, description: First day}"),
            parameter("{name: most, type: integer, default: 5, maximum: 9}"),
        ];
        let schema = ArgumentSchema::new(&parameters, Map::new());
        let check = |arguments: Value| {
            let Value::Object(arguments) = arguments else {
                panic!("an object");
            };
            schema.check(&arguments, &parameters)
        };
        assert_eq!(check(json!({"since": "2026-01-01"})), Ok(()));
        for (arguments, words) in [
            (
                json!({"since": 7}),
                "/since: expected a string, found `7` (First day)",
            ),
            (json!({"since": "x", "most": 10}), "/most: expected"),
            (json!({}), "since"),
            (json!({"since": "x", "until": "y"}), "until"),
        ] {
            let refused = check(arguments.clone()).expect_err("it does not fit");
            assert!(
                refused.to_string().contains(words),
                "{arguments}: {refused}"
            );
        }
    }
}
