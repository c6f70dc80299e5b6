//! JSON Schemas as the gateway reads them, by its own validator.

use policy_engine::Schema;
use serde_json::Value;
use serde_json::value::to_raw_value;

/// How deep arguments may be nested: further than any JSON that people write by hand.
pub(crate) const MAX_DEPTH: u32 = 64;

/// The schema as the gateway compiles it.
pub(crate) fn compile(schema: &Value) -> Result<Schema, String> {
    let raw = to_raw_value(schema).map_err(|error| error.to_string())?;
    policy_engine::compile_schema(&raw).map_err(|errors| errors.to_string().replace('\n', "; "))
}

/// Whether a value that an author wrote fits.
pub(crate) fn check(schema: &Schema, value: &Value) -> Result<(), String> {
    let checked = schema.validate(value.to_string().as_bytes(), MAX_DEPTH);
    checked.map_err(|invalid| {
        let violations = invalid.into_violations().into_iter();
        let violations = violations.map(|one| match one.found {
            Some(found) => format!("expected {}, found {found}", one.expected),
            None => format!("expected {}", one.expected),
        });
        violations.collect::<Vec<_>>().join("; ")
    })
}
