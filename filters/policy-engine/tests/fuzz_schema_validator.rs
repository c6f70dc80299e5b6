//! Whatever schema a server lists, and whatever arguments a caller sends, validation ends without
//! a panic, within its bound of steps, and never takes for readable what is not.
//!
//! An input is a schema, a line break, and an instance.

use policy_engine::{Invalid, MAX_DEPTH, Schema, compile_schema};
use serde_json::value::RawValue;
use step_count::taken_by;

/// How many steps a short instance may take: the free part of the replay budget, read as often as
/// the most thorough reader does.
const MOST_STEPS: u64 = 8 * 1024 * 1024;

fn compile(text: &[u8]) -> Option<Schema> {
    let raw: Box<RawValue> = serde_json::from_slice(text).ok()?;
    match compile_schema(&raw) {
        Ok(schema) => Some(schema),
        Err(errors) => {
            assert!(errors.iter().next().is_some(), "refused without a reason");
            None
        }
    }
}

fn attack(bytes: &[u8]) {
    let line = bytes.iter().position(|byte| *byte == b'\n');
    let (text, instance) = bytes.split_at(line.unwrap_or(bytes.len()));
    let anything = compile(b"true").expect("the schema that everything fits");
    let readable = anything.validate(instance, MAX_DEPTH);
    if readable.is_ok() {
        let read = serde_json::from_slice::<serde::de::IgnoredAny>(instance);
        assert!(read.is_ok(), "readable, but no JSON");
    }
    let Some(schema) = compile(text) else {
        return;
    };
    let (outcome, steps) = taken_by(|| schema.validate(instance, MAX_DEPTH));
    assert!(steps <= MOST_STEPS, "{steps} steps");
    match (readable, outcome) {
        (Err(_), Ok(()) | Err(Invalid::Misfit(_))) => panic!("read what cannot be read"),
        (_, Err(invalid)) => {
            let violations = invalid.into_violations();
            assert!(!violations.is_empty(), "refused without a reason");
            for violation in violations {
                let said = violation.to_string();
                assert!(said.len() < 4096 && !said.contains('\n'), "{said}");
            }
        }
        (Ok(()), Ok(())) => {}
    }
}

#[test]
fn it_validates_whatever_is_sent_without_a_panic_and_in_few_steps() {
    fuzz::run("schema-validator", attack);
}
