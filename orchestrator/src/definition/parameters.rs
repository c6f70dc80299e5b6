//! The values that a run brings along, and what a pipeline says of them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{InvalidPipeline, PipelineDefinition};
use crate::bounds;

/// The parameters of one run by name, every declared one among them.
pub type Parameters = Map<String, Value>;

/// A value that each run may bring along.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterDefinition {
    /// The type that a value must have.
    #[serde(rename = "type")]
    pub value_type: ParameterType,
    /// The value when a run brings none; without a default each run must bring one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// The type of a parameter's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterType {
    /// A text of any length that fits the bounds.
    String,
    /// A number without a fraction.
    Integer,
    /// A number of any kind.
    Number,
    /// Either true or false.
    Boolean,
}

/// Why a run cannot begin with these parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParameters {
    /// A name that the pipeline does not declare.
    #[error("the pipeline has no parameter `{name}`; it has {}", known(.declared))]
    Unknown {
        /// The name, as given.
        name: String,
        /// The names that it has.
        declared: Vec<String>,
    },
    /// A parameter without a value.
    #[error("parameter `{0}` is missing, and has no default")]
    Missing(String),
    /// A value of another type.
    #[error("parameter `{name}` must be {expected}")]
    Type {
        /// The name of the parameter.
        name: String,
        /// Its type, in words.
        expected: &'static str,
    },
    /// More than is stored.
    #[error(
        "the parameters have {0} bytes as JSON, and at most {most} are taken",
        most = bounds::PARAMETER_BYTES
    )]
    TooLarge(usize),
}

fn known(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => format!("`{}`", names.join("`, `")),
    }
}

impl ParameterType {
    fn takes(self, value: &Value) -> bool {
        match self {
            // PostgreSQL's jsonb keeps no NUL.
            Self::String => value.as_str().is_some_and(|text| !text.contains('\0')),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
        }
    }

    fn in_words(self) -> &'static str {
        match self {
            Self::String => "a string without NUL",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "true or false",
        }
    }
}

impl ParameterDefinition {
    pub(super) fn check_default(&self, name: &str) -> Result<(), InvalidPipeline> {
        match &self.default {
            Some(value) if !self.value_type.takes(value) => Err(InvalidPipeline::Default {
                name: name.to_owned(),
                expected: self.value_type.in_words(),
            }),
            _ => Ok(()),
        }
    }
}

impl PipelineDefinition {
    /// The parameters of a run that brings `given`: defaults filled in, types checked.
    ///
    /// # Errors
    /// [`InvalidParameters`], the first fault.
    pub fn parameters_for(&self, mut given: Parameters) -> Result<Parameters, InvalidParameters> {
        if let Some(name) = given
            .keys()
            .find(|name| !self.parameters.contains_key(*name))
        {
            return Err(InvalidParameters::Unknown {
                name: bounds::cut(name.clone(), bounds::NAME_LETTERS),
                declared: self.parameters.keys().cloned().collect(),
            });
        }
        let mut parameters = Parameters::new();
        for (name, definition) in &self.parameters {
            let value = given.remove(name).or_else(|| definition.default.clone());
            let value = value.ok_or_else(|| InvalidParameters::Missing(name.clone()))?;
            if !definition.value_type.takes(&value) {
                return Err(InvalidParameters::Type {
                    name: name.clone(),
                    expected: definition.value_type.in_words(),
                });
            }
            parameters.insert(name.clone(), value);
        }
        let bytes = serde_json::to_vec(&parameters).map_or(usize::MAX, |json| json.len());
        match bytes > bounds::PARAMETER_BYTES {
            true => Err(InvalidParameters::TooLarge(bytes)),
            false => Ok(parameters),
        }
    }
}
