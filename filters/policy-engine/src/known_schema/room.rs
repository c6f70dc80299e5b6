//! The memory that compiled schemas take together.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::KnownSchema;

/// The most that the compiled schemas of a cache take together, in bytes of a program of 64 bits; a
/// program of 32 bits takes about half. A dozen of the largest schemas fit, or seven thousand of a
/// kilobyte with ten properties. A worker of Envoy has one such room; the control plane has one.
const BYTES: usize = 64 << 20;

/// The room for the compiled schemas of a cache. Clones share it.
///
/// Time is counted in turns: one ends when the schemas that were used in it take half of the room,
/// and what was not used in it is forgotten. So what is compiled takes no more than the room; and
/// a schema is compiled again only after others that take half of the room have been used since.
/// Whoever alternates between tools whose schemas fit into half of the room has each compiled once.
#[derive(Clone, Debug, Default)]
pub(crate) struct SchemaRoom(Arc<Room>);

#[derive(Debug, Default)]
struct Room {
    turn: AtomicU32,
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    /// The weights of all that was used in this turn, even of what has gone with its list since:
    /// each use ends the turn sooner, so that nothing of those that went stays listed for long.
    used: usize,
    /// Those that are compiled.
    compiled: Vec<Weak<KnownSchema>>,
}

impl SchemaRoom {
    /// A schema of this weight is used, which was last used in that turn.
    #[inline]
    pub(crate) fn used(&self, last: &AtomicU32, weight: usize) {
        if last.load(Ordering::Relaxed) != self.0.turn.load(Ordering::Relaxed) {
            self.note(last, weight, None);
        }
    }

    /// A schema has been compiled, and is used.
    pub(crate) fn admit(&self, schema: &Arc<KnownSchema>, weight: usize) {
        self.note(schema.turn(), weight, Some(Arc::downgrade(schema)));
    }

    #[cold]
    #[inline(never)]
    fn note(&self, last: &AtomicU32, weight: usize, newcomer: Option<Weak<KnownSchema>>) {
        let ledger = self.0.ledger.lock();
        let mut ledger = ledger.unwrap_or_else(PoisonError::into_inner);
        let mut turn = self.0.turn.load(Ordering::Relaxed);
        ledger.compiled.extend(newcomer);
        if ledger.used + weight > BYTES / 2 {
            let ended = turn;
            turn = turn.wrapping_add(1);
            last.store(turn, Ordering::Relaxed);
            ledger.compiled.retain(|schema| {
                let Some(schema) = schema.upgrade() else {
                    return false;
                };
                let used = schema.turn().load(Ordering::Relaxed);
                let stays = used == ended || used == turn;
                if !stays {
                    schema.forget();
                }
                stays
            });
            ledger.used = 0;
            self.0.turn.store(turn, Ordering::Relaxed);
        }
        last.store(turn, Ordering::Relaxed);
        ledger.used += weight;
    }
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;
    use serde_json::{Value, json};

    use crate::schema::Compiled;

    #[test]
    fn it_knows_the_most_that_what_is_compiled_of_a_schema_takes() {
        let properties = |count: usize, of: &dyn Fn(usize) -> (String, Value)| -> Value {
            let properties: serde_json::Map<String, Value> = (0..count).map(of).collect();
            json!({"properties": properties})
        };
        let of_digits = |of: Value| move |number: usize| (number.to_string(), of.clone());
        let long = |number: usize| (format!("{number:_<60}"), json!({}));
        let twins = |number: usize| {
            let half = number / 2;
            let name = if number.is_multiple_of(2) {
                format!("a{half}")
            } else {
                format!("A{half}")
            };
            (name, json!({}))
        };
        let header = |number: usize| {
            (
                number.to_string(),
                json!({"type": "string", "x-mcp-header": number.to_string()}),
            )
        };
        let mut deep = properties(1_500, &header);
        for _ in 0..45 {
            deep = json!({"properties": {"a": deep}});
        }
        let definitions = properties(4_000, &of_digits(json!({"$ref": "#"})));
        let definitions = json!({"$defs": definitions["properties"]});
        let long_name = "k".repeat(1_000);
        let mut faults = properties(40, &of_digits(json!({"minimum": "1"})));
        for _ in 0..8 {
            faults = json!({"properties": {long_name.as_str(): faults}});
        }
        let strings: Vec<String> = (0..9_000).map(|number| format!("{number:_<20}")).collect();
        let numbers: Vec<f64> = (0..9_000).map(|number| f64::from(number) + 0.5).collect();
        let lists: Vec<Value> = (0..4_000).map(|number| json!([number])).collect();
        let names: Vec<String> = (0..9_000).map(|number| format!("{number:_<20}")).collect();
        let shapes = [
            json!({}),
            properties(1, &of_digits(json!({"type": "string"}))),
            properties(9_990, &of_digits(json!({"type": "string"}))),
            properties(3_900, &long),
            properties(9_990, &twins),
            properties(
                2_000,
                &of_digits(json!({"minimum": 1, "maximum": 2, "multipleOf": 1,
                "minLength": 1, "minItems": 1, "required": ["a"]})),
            ),
            properties(3_000, &of_digits(json!({"additionalProperties": false}))),
            properties(3_000, &of_digits(json!({"required": ["a"]}))),
            properties(3_000, &of_digits(json!({"enum": [1]}))),
            properties(3_000, &of_digits(json!({"const": "a"}))),
            properties(3_000, &of_digits(json!({"items": {}}))),
            properties(2_000, &of_digits(json!({"anyOf": [{}, {"allOf": [{}]}]}))),
            properties(1_500, &header),
            deep,
            definitions,
            json!({"enum": strings}),
            json!({"enum": numbers}),
            json!({"enum": lists}),
            json!({"required": names}),
            json!({"anyOf": vec![json!({"anyOf": [{}]}); 4_990]}),
            json!({"default": vec![0; 100_000]}),
            // Faults are kept as well.
            properties(4_000, &of_digits(json!({"minimum": "1"}))),
            faults,
            json!({"enum": vec![0; 20_000]}),
            json!("no schema"),
        ];
        for shape in shapes {
            let text = shape.to_string();
            let mut compiled = None;
            let taken = measure(|| compiled = Some(Compiled::of(&text)));
            let weight = compiled.as_ref().unwrap().weight;
            let taken = usize::try_from(taken.bytes_current).unwrap();
            assert!(weight < super::BYTES / 8, "{weight}");
            assert!(
                taken <= weight,
                "{taken} bytes, weighed as {weight}: {text:.80}"
            );
        }
    }
}
