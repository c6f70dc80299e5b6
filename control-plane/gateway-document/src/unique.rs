//! Maps whose keys may not repeat. Serde's own maps keep the last of two equal keys, so that one
//! half of a document could silently undo the other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use crate::problem::Pointer;

/// For `#[serde(deserialize_with = "unique::map")]`: a map that refuses a repeated key.
///
/// # Errors
/// Names the key that appears twice.
pub fn map<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    struct Unique<K, V>(PhantomData<(K, V)>);
    impl<'de, K, V> Visitor<'de> for Unique<K, V>
    where
        K: Deserialize<'de> + Ord + fmt::Display,
        V: Deserialize<'de>,
    {
        type Value = BTreeMap<K, V>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some(key) = access.next_key::<K>()? {
                if map.contains_key(&key) {
                    return Err(repeated(&key));
                }
                let value = access.next_value()?;
                map.insert(key, value);
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(Unique(PhantomData))
}

fn repeated<E: Error>(key: &impl fmt::Display) -> E {
    E::custom(Repeated(key))
}

/// The reason against a key that stands in a map already.
pub(crate) struct Repeated<K>(pub(crate) K);

impl<K: fmt::Display> fmt::Display for Repeated<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` appears twice; keep one of them", self.0)
    }
}

/// Any JSON value, with its keys sorted and none repeated.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct UniqueValue(pub Value);

impl<'de> Deserialize<'de> for UniqueValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let strict = AnyValue {
            place: Place::Top,
            repeats: None,
        };
        strict.deserialize(deserializer).map(UniqueValue)
    }
}

/// The repeated keys of a text, in its order, up to so many and up to the one whose path takes the
/// bytes of all paths to a bound.
#[derive(Debug)]
pub(crate) struct Repeats {
    most: usize,
    most_bytes: usize,
    found: RefCell<Vec<Repeat>>,
}

/// A key that stands in its map already.
#[derive(Debug)]
pub(crate) struct Repeat {
    /// The path of the key.
    pub(crate) path: String,
    pub(crate) key: String,
}

impl Repeats {
    pub(crate) fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            most,
            most_bytes,
            found: RefCell::default(),
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Repeat> {
        self.found.into_inner()
    }

    fn add(&self, map: &Place<'_>, key: String) {
        let mut found = self.found.borrow_mut();
        let bytes: usize = found.iter().map(|repeat| repeat.path.len()).sum();
        if found.len() < self.most && bytes < self.most_bytes {
            let path = map.pointer().at(&key).into_string();
            found.push(Repeat { path, key });
        }
    }
}

/// Reads any JSON value, keeps the first of the values of a repeated key, and writes down where
/// such keys are.
#[derive(Clone, Copy)]
pub(crate) struct FirstOfEach<'r>(pub(crate) &'r Repeats);

impl<'de> DeserializeSeed<'de> for FirstOfEach<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let lenient = AnyValue {
            place: Place::Top,
            repeats: Some(self.0),
        };
        lenient.deserialize(deserializer)
    }
}

/// Where a value stands: in which other, and at which key or index of it.
enum Place<'p> {
    Top,
    Key(&'p Place<'p>, &'p str),
    Index(&'p Place<'p>, usize),
}

impl Place<'_> {
    fn pointer(&self) -> Pointer {
        match self {
            Self::Top => Pointer::default(),
            Self::Key(map, key) => map.pointer().at(key),
            Self::Index(list, index) => list.pointer().at(index),
        }
    }
}

struct AnyValue<'p> {
    place: Place<'p>,
    /// Where a repeated key is written down; without it such a key is an error.
    repeats: Option<&'p Repeats>,
}

impl<'de> DeserializeSeed<'de> for AnyValue<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("infinity and NaN are not JSON; write a finite number"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(AnyValue {
            place: Place::Index(&self.place, items.len()),
            repeats: self.repeats,
        })? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut sorted = BTreeMap::new();
        while let Some(key) = access.next_key::<String>()? {
            let is_repeated = sorted.contains_key(&key);
            if is_repeated && self.repeats.is_none() {
                return Err(repeated(&key));
            }
            let value = access.next_value_seed(AnyValue {
                place: Place::Key(&self.place, &key),
                repeats: self.repeats,
            })?;
            match self.repeats.filter(|_| is_repeated) {
                Some(repeats) => repeats.add(&self.place, key),
                None => drop(sorted.insert(key, value)),
            }
        }
        Ok(Value::Object(sorted.into_iter().collect::<Map<_, _>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_refuses_a_repeated_key_at_any_depth() {
        let error =
            serde_json::from_str::<UniqueValue>(r#"{"a": [{"b": 1, "b": 2}]}"#).unwrap_err();
        assert!(error.to_string().contains("`b` appears twice"), "{error}");
    }

    #[test]
    fn it_sorts_keys_so_that_equal_values_are_equal_bytes() {
        let value: UniqueValue = serde_json::from_str(r#"{"b":{"d":1,"c":2.5},"a":null}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&value).unwrap(),
            r#"{"a":null,"b":{"c":2.5,"d":1}}"#
        );
    }
}
