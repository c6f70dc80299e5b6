//! The rule of one tool, read from a text that leaves out what the tool in a URL already says.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde_json::{Value, json};

use crate::document::{Match, Rule};
use crate::names::{RuleName, ServerName};

/// A rule that was written without `name` and `match`, which are its tool's.
#[derive(Debug, Clone, PartialEq)]
pub struct UnnamedRule(Rule);

impl UnnamedRule {
    /// Completes the rule: it is about this tool, by the server's own name of it, and no other.
    #[must_use]
    pub fn named(self, name: RuleName, server: ServerName, tool: String) -> Rule {
        Rule {
            name,
            matches: Match {
                server: Some(server),
                tool: Some(tool),
                ..Match::default()
            },
            ..self.0
        }
    }
}

/// Reads an [`UnnamedRule`] from what its author wrote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnnamedRuleSeed;

impl<'de> DeserializeSeed<'de> for UnnamedRuleSeed {
    type Value = UnnamedRule;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<UnnamedRule, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for UnnamedRuleSeed {
    type Value = UnnamedRule;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the policy of one tool: an object with `allow`, `limits`, `validate`, …")
    }
    fn visit_map<A: MapAccess<'de>>(self, written: A) -> Result<UnnamedRule, A::Error> {
        // They only stand where the tool's own will be, so that writing them is found to repeat
        // them.
        let implied = vec![("match", json!({})), ("name", json!("unnamed"))];
        Rule::deserialize(MapAccessDeserializer::new(WithImplied {
            implied,
            value: None,
            written,
        }))
        .map(UnnamedRule)
    }
}

/// The implied fields, then those that were written.
struct WithImplied<A> {
    implied: Vec<(&'static str, Value)>,
    value: Option<Value>,
    written: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithImplied<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        match self.implied.pop() {
            Some((key, value)) => {
                self.value = Some(value);
                seed.deserialize(key.into_deserializer()).map(Some)
            }
            None => self.written.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value).map_err(A::Error::custom),
            None => self.written.next_value_seed(seed),
        }
    }
}
