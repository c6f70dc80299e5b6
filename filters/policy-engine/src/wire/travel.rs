//! How a configuration travels: as JSON alone, or as a `google.protobuf.ListValue` that holds the
//! JSON and, behind it, the lists of tools that it names, so that a reader who knows a list passes
//! over it unread.
//!
//! A list is a `ListValue` of strings: its name; its index, which is JSON with the name of each
//! tool and the hash of its schema (`[["tool","hash"],["other",null]]`); and the text of each
//! schema, in the order in which the index first names them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Error as JsonError;
use thiserror::Error;

use super::FilterConfig;
use crate::schema_cache::SchemaCache;
use crate::tool_list::{ListedSchema, ToolList};

/// The type of a configuration that travels with lists.
pub const TYPE_URL: &str = "type.googleapis.com/google.protobuf.ListValue";

/// The field `ListValue.values` of protobuf.
const VALUES: u8 = 1 << 3 | LENGTH_DELIMITED;
/// The field `Value.string_value` of protobuf.
const STRING: u8 = 3 << 3 | LENGTH_DELIMITED;
/// The field `Value.list_value` of protobuf.
const LIST: u8 = 6 << 3 | LENGTH_DELIMITED;
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
        reason: String,
    },
}

/// The bytes of a configuration with its lists, as [`TYPE_URL`].
///
/// # Errors
/// When a part cannot be written as JSON.
pub fn encode(config: &FilterConfig) -> Result<Vec<u8>, JsonError> {
    let mut bytes = Vec::new();
    string(&mut bytes, &serde_json::to_string(config)?);
    let mut written = BTreeSet::new();
    let servers = config.servers.values();
    let lists = servers.filter_map(|server| server.list.as_ref()?.list.as_deref());
    for list in lists.filter(|list| written.insert(list.name())) {
        let mut values = Vec::new();
        write_list(&mut values, list)?;
        value(&mut bytes, LIST, &values);
    }
    Ok(bytes)
}

fn write_list(values: &mut Vec<u8>, list: &ToolList) -> Result<(), JsonError> {
    let schemas = list.tools().iter().map(|tool| tool.schema.as_ref());
    let index: Vec<(&str, Option<&str>)> = list
        .tool_names()
        .zip(schemas.clone().map(|schema| Some(&*schema?.hash)))
        .collect();
    string(values, list.name());
    string(values, &serde_json::to_string(&index)?);
    let mut written = BTreeSet::new();
    for ListedSchema { hash, schema } in schemas.flatten() {
        if written.insert(hash) {
            string(values, schema.as_ref().map_or("", |schema| schema.text()));
        }
    }
    Ok(())
}

/// Adds a value of strings or of a list to a `ListValue`.
fn value(bytes: &mut Vec<u8>, tag: u8, content: &[u8]) {
    let mut length = Vec::new();
    varint(&mut length, content.len());
    bytes.push(VALUES);
    varint(bytes, 1 + length.len() + content.len());
    bytes.push(tag);
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(content);
}

fn string(bytes: &mut Vec<u8>, text: &str) {
    value(bytes, STRING, text.as_bytes());
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
    let mut values = Values(bytes);
    let Some(Content::Text(json)) = values.next() else {
        return Ok(serde_json::from_slice(bytes)?);
    };
    let mut config: FilterConfig = serde_json::from_slice(json)?;
    let mut lists = BTreeMap::new();
    for number in 1.. {
        if values.0.is_empty() {
            break;
        }
        let list = match values.next() {
            Some(Content::List(list)) => read_list(list, known),
            _ => Err("it is cut off, or is no list of strings".to_owned()),
        };
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
    match Values(bytes).next() {
        Some(Content::Text(json)) => json,
        _ => bytes,
    }
}

fn read_list(bytes: &[u8], known: &mut SchemaCache) -> Result<Arc<ToolList>, String> {
    let mut values = Values(bytes);
    let name = values.text().ok_or("it has no name")?;
    if let Some(list) = known.list(name) {
        return Ok(list);
    }
    let index = values.text().ok_or("it has no index")?;
    step_count::count(bytes.len());
    let index: Vec<(String, Option<String>)> = serde_json::from_str(index)
        .map_err(|error| format!("its index cannot be read: {error}"))?;
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    for hash in index.iter().filter_map(|(_, hash)| hash.as_deref()) {
        if !texts.contains_key(hash) {
            let text = values.text();
            let text = text.ok_or_else(|| format!("it does not hold the schema `{hash}`"))?;
            texts.insert(hash, text);
        }
    }
    if !values.0.is_empty() {
        return Err("it holds more than its index names".to_owned());
    }
    let tools = index.iter().map(|(name, hash)| {
        let schema = hash
            .as_deref()
            .and_then(|hash| Some((hash, *texts.get(hash)?)));
        (name.as_str(), schema)
    });
    let list = known.tool_list(name, tools);
    list.map_err(|error| error.to_string())
}

/// The values of a `ListValue` that are still to be read.
struct Values<'a>(&'a [u8]);

enum Content<'a> {
    Text(&'a [u8]),
    List(&'a [u8]),
}

impl<'a> Values<'a> {
    /// The next value; nothing at the end, and where what follows is none.
    fn next(&mut self) -> Option<Content<'a>> {
        let (value, rest) = field(self.0, VALUES)?;
        let (content, behind) = match value.first()? {
            &STRING => field(value, STRING).map(|(text, behind)| (Content::Text(text), behind)),
            _ => field(value, LIST).map(|(list, behind)| (Content::List(list), behind)),
        }?;
        if !behind.is_empty() {
            return None;
        }
        self.0 = rest;
        Some(content)
    }

    /// The next value, where it is text.
    fn text(&mut self) -> Option<&'a str> {
        match self.next()? {
            Content::Text(text) => std::str::from_utf8(text).ok(),
            Content::List(_) => None,
        }
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
