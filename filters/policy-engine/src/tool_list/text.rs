//! A list of tools as one text: how it travels, and how it is kept.
//!
//! The first line is the name of the list. A line for each tool follows, in the order of their
//! names: the name and, where it has a schema, the schema's hash and its place, which is where it
//! begins and ends among the bytes behind the index, parted by tabs. An empty line ends the index;
//! the texts of the schemas are behind it, each once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ListedSchema, ListedTool, ToolList};
use crate::known_schema::{KnownSchema, SchemaRoom};
use crate::text_part::TextPart;

const PART: char = '\t';
const LINE: char = '\n';

/// Whether a name could be mistaken for something else in a list's text.
pub(super) fn is_unwritable(name: &str) -> bool {
    name.is_empty() || name.contains([PART, LINE])
}

/// The text of a list.
pub(super) fn write(list: &ToolList) -> String {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut schemas = String::new();
    let mut text = format!("{}{LINE}", list.name());
    for tool in list.tools() {
        text.push_str(&tool.name);
        if let Some(ListedSchema { hash, schema }) = &tool.schema {
            let schema = schema.as_ref().map_or("", |schema| schema.text());
            let from = *places.entry(hash).or_insert_with(|| {
                let from = schemas.len();
                schemas.push_str(schema);
                from
            });
            let to = from + schema.len();
            text.push_str(&format!("{PART}{}{PART}{from}{PART}{to}", &**hash));
        }
        text.push(LINE);
    }
    text.push(LINE);
    text.push_str(&schemas);
    text
}

/// The name of the list of this text.
pub(crate) fn name(text: &[u8]) -> Option<&str> {
    let name = text.split(|byte| *byte == LINE as u8).next()?;
    std::str::from_utf8(name).ok()
}

/// Reads a list; its schemas stay as they are until they are needed.
///
/// # Errors
/// The fault that it has.
pub(crate) fn read(text: &[u8], room: &SchemaRoom) -> Result<ToolList, &'static str> {
    step_count::count(text.len());
    let text: Arc<str> = std::str::from_utf8(text)
        .map_err(|_| "it is not UTF-8")?
        .into();
    let (index, schemas) = text.split_once("\n\n").ok_or("its index does not end")?;
    let schemas = text.len() - schemas.len();
    let mut lines = index.split(LINE);
    let name = lines.next().unwrap_or_default();
    let mut at = name.len();
    let mut tools: Vec<ListedTool> = Vec::new();
    let mut known = Known {
        room,
        by_place: Vec::new(),
    };
    for line in lines {
        at += 1;
        let tool = tool(&text, line, at, schemas, &mut known);
        tools.push(tool.ok_or("a line of its index is not a tool and the place of its schema")?);
        at += line.len();
    }
    let name = name.into();
    let list = ToolList::in_order(name, tools).map_err(|_| "its tools are not in order")?;
    let text = Arc::clone(&text);
    Ok(list.with_text(text))
}

/// The schemas of a list.
struct Known<'r> {
    room: &'r SchemaRoom,
    /// In the order of their places, which is nearly that of the lines: tools whose lines name one
    /// place share what is compiled of it.
    by_place: Vec<((usize, usize), Arc<KnownSchema>)>,
}

/// The tool of a line, which begins `at` a place of the text; the texts of schemas begin at
/// `schemas`.
fn tool(
    text: &Arc<str>,
    line: &str,
    at: usize,
    schemas: usize,
    known: &mut Known<'_>,
) -> Option<ListedTool> {
    let mut parts = line.split(PART);
    let name = parts.next()?;
    let schema = match parts.next() {
        None => None,
        Some(hash) => {
            let at = at + name.len() + 1;
            let mut place = || schemas.checked_add(parts.next()?.parse().ok()?);
            let (from, to) = (place()?, place()?);
            let schema = TextPart::of(text, from..to)?;
            let by_place = &mut known.by_place;
            let place = by_place.binary_search_by(|(place, _)| place.cmp(&(from, to)));
            let place = place.unwrap_or_else(|free| {
                let schema = Arc::new(KnownSchema::new(schema, known.room));
                by_place.insert(free, ((from, to), schema));
                free
            });
            let (_, schema) = by_place.get(place)?;
            Some(ListedSchema {
                hash: TextPart::of(text, at..at + hash.len())?,
                schema: Some(Arc::clone(schema)),
            })
        }
    };
    let name = name.into();
    parts
        .next()
        .is_none()
        .then_some(ListedTool { name, schema })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SchemaCache;

    #[test]
    fn it_reads_what_it_writes_and_writes_each_schema_once() {
        let tools = [
            ("a", Some(("1", "{\n\n}"))),
            ("b\u{e9}", None),
            ("c", Some(("1", "{\n\n}"))),
            ("d", Some(("2", "true"))),
        ];
        let list = SchemaCache::new().tool_list("name", tools).unwrap();
        let text = write(&list);
        assert_eq!(
            text,
            "name\na\t1\t0\t4\nb\u{e9}\nc\t1\t0\t4\nd\t2\t4\t8\n\n{\n\n}true"
        );
        assert_eq!(name(text.as_bytes()), Some("name"));
        let read = read(text.as_bytes(), &SchemaRoom::default()).unwrap();
        assert_eq!(read.name(), "name");
        let read = read.tools().iter().map(|tool| {
            let schema = tool.schema.as_ref();
            let schema = schema.and_then(|one| Some((&*one.hash, one.schema.as_ref()?.text())));
            (&*tool.name, schema)
        });
        assert!(read.eq(tools));
    }

    #[test]
    fn it_says_where_a_text_is_no_list() {
        let (no_end, unordered) = ("its index does not end", "its tools are not in order");
        let no_tool = "a line of its index is not a tool and the place of its schema";
        for (text, expected) in [
            (&b""[..], no_end),
            (b"list\n", no_end),
            (b"list\n\xff\n\n", "it is not UTF-8"),
            (b"list\na\th\t0\n\n{}", no_tool),
            (b"list\na\th\t0\t3\n\n{}", no_tool),
            (b"list\na\th\t2\t1\n\n{}", no_tool),
            (b"list\na\th\t0\t1\n\n\xc3\xa9", no_tool),
            (b"list\na\th\t-1\t2\n\n{}", no_tool),
            (b"list\na\th\t0\t2\t\n\n{}", no_tool),
            (b"list\nb\na\n\n", unordered),
            (b"list\na\na\n\n", unordered),
        ] {
            assert_eq!(
                read(text, &SchemaRoom::default()).unwrap_err(),
                expected,
                "{:?}",
                text.escape_ascii()
            );
        }
    }
}
