//! The line on which a text has what a path leads to, told by the very reader of documents: it is
//! sent along the path, refuses what it finds at the end, and says where that was.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Format;
use super::prune::key;

/// The line, from 1, of the key or item that a JSON Pointer leads to; of the key's `occurrence`
/// within its map, from 1. `None`: there is nothing, or it is everything.
pub(super) fn line_of(text: &str, format: Format, path: &str, occurrence: usize) -> Option<usize> {
    let tokens: Vec<String> = path.split('/').skip(1).map(key).collect();
    let way = Way {
        tokens: &tokens,
        occurrence,
        format,
    };
    match format {
        Format::Json => {
            let mut json = serde_json::Deserializer::from_str(text);
            let refused = way.deserialize(&mut json).err()?;
            Some(refused.line())
        }
        Format::Yaml => {
            let refused = way
                .deserialize(yaml_serde::Deserializer::from_str(text))
                .err()?;
            refused.location().map(|location| location.line())
        }
    }
}

/// The way that is left to go.
#[derive(Clone, Copy)]
struct Way<'t> {
    tokens: &'t [String],
    occurrence: usize,
    format: Format,
}

impl<'de> DeserializeSeed<'de> for Way<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match (self.tokens, self.format) {
            // JSON's reader stands before the value, and behind its first token once it has begun.
            ([], Format::Json) => Err(D::Error::custom("here")),
            ([], Format::Yaml) => deserializer.deserialize_any(Nothing),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Way<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object on the way")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let Some((token, tokens)) = self.tokens.split_first() else {
            return Ok(());
        };
        let index: usize = token.parse().map_err(A::Error::custom)?;
        for _ in 0..index {
            access.next_element::<IgnoredAny>()?;
        }
        access.next_element_seed(Self { tokens, ..self })?;
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let Some((token, tokens)) = self.tokens.split_first() else {
            return Ok(());
        };
        let mut to_come = if tokens.is_empty() {
            self.occurrence
        } else {
            1
        };
        let mut wanted = Key {
            token,
            refuses: tokens.is_empty() && to_come == 1,
        };
        while let Some(is_it) = access.next_key_seed(wanted)? {
            if is_it && !tokens.is_empty() {
                return access.next_value_seed(Self { tokens, ..self });
            }
            if is_it {
                to_come -= 1;
                wanted.refuses = to_come == 1;
            }
            access.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Whether a key is the one that is looked for; at the end of the way that one is refused.
#[derive(Clone, Copy)]
struct Key<'t> {
    token: &'t str,
    refuses: bool,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        match key == self.token {
            true if self.refuses => Err(E::custom("here")),
            is_it => Ok(is_it),
        }
    }
}

/// Takes nothing at all.
struct Nothing;

impl Visitor<'_> for Nothing {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_the_line_of_keys_and_items_in_both_formats() {
        let yaml = "a:\n  - b\n  -\n    c/d: 1\n    e:\n      f: [1,\n 2]\na: 3\n";
        let json = "{\"a\": [\n\"b\",\n{\n\"c/d\": 1,\n\"e\":\n{\"f\": [1,\n 2]\n}}],\n\n\"a\": 3}";
        for (path, occurrence, in_yaml, in_json) in [
            ("/a", 1, Some(1), Some(1)),
            ("/a", 2, Some(8), Some(10)),
            ("/a", 3, None, None),
            ("/a/0", 1, Some(2), Some(2)),
            ("/a/1", 1, Some(4), Some(3)),
            ("/a/1/c~1d", 1, Some(4), Some(4)),
            ("/a/1/e", 1, Some(5), Some(5)),
            ("/a/1/e/f/1", 1, Some(7), Some(7)),
            ("/none", 1, None, None),
        ] {
            let found = [(yaml, Format::Yaml), (json, Format::Json)]
                .map(|(text, format)| line_of(text, format, path, occurrence));
            assert_eq!(found, [in_yaml, in_json], "{path}");
        }
    }
}
