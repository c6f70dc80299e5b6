//! How large a YAML text becomes when its aliases are followed.
//!
//! An alias stands for a copy of what its anchor names, so a few bytes each can make gigabytes of a
//! small text. The copies are counted before anything keeps them.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// So many bytes may become of each byte of a text: more than escapes need, and a few aliases.
const MOST_PER_BYTE: usize = 4;
/// So many bytes may become of any text.
const ALWAYS_ALLOWED: usize = 1 << 16;

/// Whether following the aliases of a text makes far more of it than its author wrote.
pub(super) fn is_excessive(text: &str) -> bool {
    let left = Cell::new(Some(
        text.len()
            .saturating_mul(MOST_PER_BYTE)
            .saturating_add(ALWAYS_ALLOWED),
    ));
    // What is not YAML is told by whoever reads it next.
    let _ = Counted(&left).deserialize(yaml_serde::Deserializer::from_str(text));
    left.get().is_none()
}

/// Counts a value, and keeps nothing of it.
#[derive(Clone, Copy)]
struct Counted<'c>(&'c Cell<Option<usize>>);

impl Counted<'_> {
    fn take<E: Error>(self, bytes: usize) -> Result<(), E> {
        let left = self.0.get().and_then(|left| left.checked_sub(bytes));
        self.0.set(left);
        left.map(drop)
            .ok_or_else(|| E::custom("the text becomes too large"))
    }
}

impl<'de> DeserializeSeed<'de> for Counted<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.take(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counted<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.take(text.len())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<(), E> {
        Ok(())
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_key_seed(self)?.is_some() {
            entries.next_value_seed(self)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_what_aliases_stand_for() {
        let anchor = format!("a: &a {}\n", "x".repeat(100_000));
        let aliases = |count: usize| format!("{anchor}b: [{}]", "*a, ".repeat(count));
        assert!(!is_excessive(&aliases(3)));
        assert!(is_excessive(&aliases(5)));
        assert!(is_excessive(&aliases(20_000)));
        let copies = |count: usize| {
            format!(
                "a: &a [{}]\nb: [{}]",
                "1, ".repeat(50_000),
                "*a, ".repeat(count)
            )
        };
        assert!(is_excessive(&copies(50)));
    }

    #[test]
    fn it_takes_any_text_without_aliases_as_it_is() {
        for text in [
            "x".repeat(1_000_000),
            format!("[{}]", "1,".repeat(200_000)),
            format!("\"{}\"", "\\L".repeat(200_000)),
            format!("{{{}}}", "? , ".repeat(100_000)),
            "- !tag x".to_owned(),
            "a: [".to_owned(),
        ] {
            assert!(!is_excessive(&text), "{}", &text[..10.min(text.len())]);
        }
    }
}
