//! Binds a caller's JSON values as parameters of whatever types PostgreSQL found for them.
//!
//! A value is first written as PostgreSQL's text form of its type, as one would write it between quotes. The commonest types are sent in
//! their binary form at once; for all others PostgreSQL itself turns the text into the binary form, so every type works.

use std::sync::Arc;

use serde_json::Value;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgConnection, PgTypeInfo};
use sqlx::{Arguments as _, AssertSqlSafe, Encode, Row as _, ValueRef as _};

use super::failure;
use super::types::{Form, TypeInfo};
use crate::tools::ToolFailure;

/// The arguments of a statement whose parameters have these types.
pub(super) async fn bind(
    connection: &mut PgConnection,
    values: &[Value],
    ids: &[u32],
    types: &[Arc<TypeInfo>],
) -> Result<PgArguments, ToolFailure> {
    if values.len() != types.len() {
        return Err(ToolFailure::invalid_arguments(format!(
            "the SQL has {} parameters and `parameters` has {} values; give one value for each of $1, $2, …",
            types.len(),
            values.len()
        )));
    }
    let mut bound = Vec::with_capacity(values.len());
    let mut left = Vec::new();
    for (at, ((value, &id), info)) in values.iter().zip(ids).zip(types).enumerate() {
        let text = text_form(value, info).map_err(|problem| {
            ToolFailure::invalid_arguments(format!(
                "parameter ${} (`{}`): {problem}",
                at + 1,
                info.name
            ))
        })?;
        let bytes = match text {
            None => None,
            Some(text) => match binary_form(id, &text) {
                Some(bytes) => Some(bytes),
                None => {
                    left.push((at, text));
                    None
                }
            },
        };
        bound.push(Bound { id, bytes });
    }
    if !left.is_empty() {
        convert(connection, &mut bound, left, types).await?;
    }
    let mut arguments = PgArguments::default();
    for value in bound {
        arguments
            .add(value)
            .map_err(|error| ToolFailure::invalid_arguments(error.to_string()))?;
    }
    Ok(arguments)
}

/// Has PostgreSQL turn text into the binary form that it takes parameters in.
async fn convert(
    connection: &mut PgConnection,
    bound: &mut [Bound],
    left: Vec<(usize, String)>,
    types: &[Arc<TypeInfo>],
) -> Result<(), ToolFailure> {
    let casts: Vec<String> = left
        .iter()
        .enumerate()
        .map(|(nth, (at, _))| format!("${}::pg_catalog.text::{}", nth + 1, types[*at].cast))
        .collect();
    let sql = format!("SELECT {}", casts.join(", "));
    let mut query = sqlx::query(AssertSqlSafe(sql));
    let places: Vec<usize> = left.iter().map(|(at, _)| *at).collect();
    for (_, text) in left {
        query = query.bind(text);
    }
    let row = query
        .fetch_one(connection)
        .await
        .map_err(|error| failure::of_statement(&error))?;
    for (nth, at) in places.into_iter().enumerate() {
        let value = row
            .try_get_raw(nth)
            .map_err(|error| failure::of_statement(&error))?;
        bound[at].bytes = match value.is_null() {
            true => None,
            false => Some(
                value
                    .as_bytes()
                    .map_err(|error| ToolFailure::invalid_arguments(error.to_string()))?
                    .to_vec(),
            ),
        };
    }
    Ok(())
}

/// What one would write between quotes; `None` is NULL.
fn text_form(value: &Value, info: &TypeInfo) -> Result<Option<String>, String> {
    Ok(Some(match (value, &info.form) {
        (Value::Null, _) => return Ok(None),
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

/// The binary form of the commonest types (their ids are fixed in pg_type.dat); `None` leaves it to PostgreSQL, and so do texts that are
/// not as the type wants them, so that the complaint is PostgreSQL's own.
fn binary_form(id: u32, text: &str) -> Option<Vec<u8>> {
    match id {
        16 => match text {
            "true" => Some(vec![1]),
            "false" => Some(vec![0]),
            _ => None,
        },
        20 => text
            .parse::<i64>()
            .ok()
            .map(|value| value.to_be_bytes().to_vec()),
        21 => text
            .parse::<i16>()
            .ok()
            .map(|value| value.to_be_bytes().to_vec()),
        23 => text
            .parse::<i32>()
            .ok()
            .map(|value| value.to_be_bytes().to_vec()),
        25 | 1042 | 1043 => Some(text.as_bytes().to_vec()),
        701 => text
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
            .map(|value| value.to_be_bytes().to_vec()),
        _ => None,
    }
}

/// A parameter in its binary form.
struct Bound {
    id: u32,
    bytes: Option<Vec<u8>>,
}

impl sqlx::Type<sqlx::Postgres> for Bound {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, sqlx::Postgres> for Bound {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match &self.bytes {
            None => Ok(IsNull::Yes),
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
        }
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(self.id)))
    }
}
