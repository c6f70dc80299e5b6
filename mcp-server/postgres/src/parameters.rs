//! Writes a caller's JSON values as parameters of whatever types PostgreSQL found for them: in
//! PostgreSQL's text form, as one would write them between quotes. PostgreSQL reads them. Pure.

use std::sync::Arc;

use serde_json::Value;

use super::shape::{Form, TypeInfo};

/// Why a caller's values do not fit a statement's parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParameters {
    /// There are too few of them, or too many.
    #[error(
        "the SQL has {wanted} parameters and `parameters` has {given} values; \
         give one value for each of $1, $2, …"
    )]
    Count {
        /// As many as the statement has.
        wanted: usize,
        /// As many as were given.
        given: usize,
    },
    /// One of them has no form in its parameter's type.
    #[error("parameter ${number} (`{type_name}`): {problem}")]
    Value {
        /// The number of the parameter.
        number: usize,
        /// The type that PostgreSQL found for it.
        type_name: String,
        /// The reason, and what to do.
        problem: String,
    },
}

/// The text of each value; `None` is NULL.
pub(super) fn texts(
    values: &[Value],
    types: &[Arc<TypeInfo>],
) -> Result<Vec<Option<String>>, InvalidParameters> {
    if values.len() != types.len() {
        return Err(InvalidParameters::Count {
            wanted: types.len(),
            given: values.len(),
        });
    }
    let numbered = values.iter().zip(types).enumerate();
    numbered
        .map(|(at, (value, info))| {
            text_form(value, info).map_err(|problem| InvalidParameters::Value {
                number: at + 1,
                type_name: info.name.clone(),
                problem,
            })
        })
        .collect()
}

/// The text of a value as one would write it between quotes; `None` is NULL.
fn text_form(value: &Value, info: &TypeInfo) -> Result<Option<String>, String> {
    Ok(Some(match (value, &info.form) {
        (Value::Null, _) => return Ok(None),
        (Value::String(text), _) if text.contains('\0') => {
            return Err("no type of PostgreSQL can hold a NUL character".to_owned());
        }
        (Value::String(text), _) => text.clone(),
        (Value::Bool(value), _) => value.to_string(),
        (Value::Number(number), form) => number_text(number, form)?,
        (Value::Array(_) | Value::Object(_), Form::Json) => value.to_string(),
        (Value::Array(items), Form::Array { element, delimiter }) => {
            array_text(items, element, *delimiter)?
        }
        (Value::Array(_), _) => {
            return Err("an array was given, but this is no array type".to_owned());
        }
        (Value::Object(_), _) => {
            return Err("an object was given, but this is no JSON type".to_owned());
        }
    }))
}

fn number_text(number: &serde_json::Number, form: &Form) -> Result<String, String> {
    let Some(double) = number.as_f64().filter(|_| number.is_f64()) else {
        return Ok(number.to_string());
    };
    // Digits that a double cannot hold were lost when the request was read.
    if double.abs() >= 9_007_199_254_740_992.0 && *form != Form::Float {
        return Err("the number is too large to be exact in JSON; give it as a string".to_owned());
    }
    if double.fract() == 0.0 && *form == Form::Integer {
        return Ok(format!("{double:.0}"));
    }
    Ok(number.to_string())
}

fn array_text(items: &[Value], element: &TypeInfo, delimiter: char) -> Result<String, String> {
    let mut text = String::from("{");
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            text.push(delimiter);
        }
        match item {
            Value::Array(inner) if element.form != Form::Json => {
                text.push_str(&array_text(inner, element, delimiter)?);
            }
            item => match text_form(item, element)? {
                None => text.push_str("NULL"),
                Some(item) => {
                    text.push('"');
                    for c in item.chars() {
                        if matches!(c, '"' | '\\') {
                            text.push('\\');
                        }
                        text.push(c);
                    }
                    text.push('"');
                }
            },
        }
    }
    text.push('}');
    Ok(text)
}
