//! How a configuration travels: as JSON alone, or as a `google.protobuf.ListValue` of texts, of
//! which the first is the JSON and the others are the lists of tools that it names, so that a
//! reader who knows a list passes over it unread.
//!
//! A list is one text (`tool_list::text` says which), because Envoy takes a message of thousands of
//! values apart several times for each change.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Error as JsonError;
use thiserror::Error;

use super::FilterConfig;
use crate::schema_cache::SchemaCache;

/// The type of a configuration that travels with lists.
pub const TYPE_URL: &str = "type.googleapis.com/google.protobuf.ListValue";

/// The field `ListValue.values` of protobuf.
const VALUES: u8 = 1 << 3 | LENGTH_DELIMITED;
/// The field `Value.string_value` of protobuf.
const STRING: u8 = 3 << 3 | LENGTH_DELIMITED;
/// The wire type of strings and messages: their bytes come after their length.
const LENGTH_DELIMITED: u8 = 2;

/// Why bytes are no configuration.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// The JSON is no `FilterConfig`.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// A value behind the JSON is no list.
    #[error("its list {number} is not one: {reason}")]
    List {
        /// The place of the list, from 1.
        number: usize,
        /// The fault that it has.
        reason: &'static str,
    },
}

/// The bytes of a configuration with its lists, as [`TYPE_URL`].
///
/// # Errors
/// When a part cannot be written as JSON.
pub fn encode(config: &FilterConfig) -> Result<Vec<u8>, JsonError> {
    let json = serde_json::to_string(config)?;
    let servers = config.servers.values();
    let lists = servers.filter_map(|server| server.list.as_ref()?.list.as_deref());
    let lists: BTreeMap<&str, &str> = lists.map(|list| (list.name(), list.text())).collect();
    let texts = std::iter::once(json.as_str()).chain(lists.values().copied());
    Ok(of_texts(texts))
}

/// The bytes of a configuration whose texts are at hand: its JSON, and behind it its lists.
pub fn of_texts<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> Vec<u8> {
    let room = texts.clone().map(|text| text.len() + MOST_HEAD).sum();
    let mut bytes = Vec::with_capacity(room);
    for text in texts {
        string(&mut bytes, text);
    }
    bytes
}

/// The most bytes before a text: two tags and two lengths.
const MOST_HEAD: usize = 12;

/// Adds a text to a `ListValue`.
fn string(bytes: &mut Vec<u8>, text: &str) {
    let mut length = Vec::new();
    varint(&mut length, text.len());
    bytes.push(VALUES);
    varint(bytes, 1 + length.len() + text.len());
    bytes.push(STRING);
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(text.as_bytes());
}

fn varint(bytes: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Reads a configuration, with lists or as JSON alone. A list that `known` has is passed over.
///
/// # Errors
/// When the bytes are no configuration.
pub fn decode(bytes: &[u8], known: &mut SchemaCache) -> Result<FilterConfig, Unreadable> {
    let mut texts = Texts(bytes);
    let Some(json) = texts.next() else {
        return Ok(serde_json::from_slice(bytes)?);
    };
    let mut config: FilterConfig = serde_json::from_slice(json)?;
    let mut lists = BTreeMap::new();
    for number in 1.. {
        if texts.0.is_empty() {
            break;
        }
        let text = texts.next().ok_or("it is cut off, or is no text");
        let list = text.and_then(|text| known.read_list(text));
        let list = list.map_err(|reason| Unreadable::List { number, reason })?;
        lists.insert(list.shared_name(), list);
    }
    for server in config.servers.values_mut() {
        if let Some(named) = &mut server.list {
            named.list = lists.get(&*named.name).map(Arc::clone);
        }
    }
    Ok(config)
}

/// The JSON of a configuration, which names everything that travels with it by its hash.
#[must_use]
pub fn json_of(bytes: &[u8]) -> &[u8] {
    Texts(bytes).next().unwrap_or(bytes)
}

/// The texts of a `ListValue` that are still to be read.
struct Texts<'a>(&'a [u8]);

impl<'a> Texts<'a> {
    /// The next text; nothing at the end, and where what follows is none.
    fn next(&mut self) -> Option<&'a [u8]> {
        let (value, rest) = field(self.0, VALUES)?;
        let (text, behind) = field(value, STRING)?;
        if !behind.is_empty() {
            return None;
        }
        self.0 = rest;
        Some(text)
    }
}

/// The content of a field that has this tag and comes first, and what is behind it.
fn field(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, mut rest) = bytes.split_first()?;
    if *first != tag {
        return None;
    }
    let mut length: usize = 0;
    // Five groups of seven bits are more than any message may have.
    for shift in [0, 7, 14, 21, 28] {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return rest.split_at_checked(length);
        }
    }
    None
}
