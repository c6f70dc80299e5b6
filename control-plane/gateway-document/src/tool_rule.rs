//! Reads a rule from a text that leaves out what the tool in a URL already says.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde_json::{Value, json};

use crate::document::Rule;
use crate::names::{RuleName, ServerName};

/// What the URL of a tool's policy says about its rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolRule {
    /// The rule's name.
    pub name: RuleName,
    /// The server whose tool it is.
    pub server: ServerName,
    /// The server's own name of the tool.
    pub tool: String,
}

impl<'de> DeserializeSeed<'de> for &ToolRule {
    type Value = Rule;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Rule, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &ToolRule {
    type Value = Rule;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the policy of one tool: an object with `allow`, `limits`, `validate`, …")
    }
    fn visit_map<A: MapAccess<'de>>(self, written: A) -> Result<Rule, A::Error> {
        let implied = vec![
            ("match", json!({"server": self.server, "tool": self.tool})),
            ("name", json!(self.name)),
        ];
        Rule::deserialize(MapAccessDeserializer::new(WithImplied {
            implied,
            value: None,
            written,
        }))
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
