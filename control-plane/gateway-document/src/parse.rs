//! Reads a document, or a part of one, from text, and tells every fault by its path.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::de::DeserializeSeed;
use serde_json::Value;
use serde_path_to_error::{Deserializer, Path, Segment, Track};
use thiserror::Error;

use crate::document::{GatewayDocument, Rule};
use crate::problem::Pointer;
use crate::unique::{FirstOfEach, Repeat, Repeated, Repeats, UniqueValue};
use crate::unnamed_rule::{UnnamedRule, UnnamedRuleSeed};

mod events;
mod expansion;
mod line_of;
mod lines;
mod objects;
mod prune;
mod wording;

use line_of::line_of;
use objects::ObjectsOnly;
use prune::Pruning;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The text is JSON (RFC 8259).
    Json,
    /// The text is YAML, without tags.
    Yaml,
}

/// One reason why a text is not a document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{}: {reason}{}",
    if .path.is_empty() { "/" } else { .path },
    .line.map(|line| format!(" (line {line})")).unwrap_or_default()
)]
pub struct Fault {
    /// JSON Pointer (RFC 6901) into the document.
    pub path: String,
    /// The line from 1, where it is known.
    pub line: Option<usize>,
    /// The fault in words.
    pub reason: String,
}

/// The faults for which a text is not a document; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ParseError(pub Vec<Fault>);

/// Reads a document strictly: unknown fields, repeated keys and malformed values are errors.
///
/// # Errors
/// Everything that is wrong with its parts, each with its path and, unless the text is very large,
/// its line. Of a text that is not even JSON or YAML, the first fault.
pub fn parse(text: &str, format: Format) -> Result<GatewayDocument, ParseError> {
    if format == Format::Yaml && is_blank(text) {
        // To YAML an empty file is `null`; here it is a document in which everything is left out.
        return Ok(GatewayDocument::default());
    }
    read(text, format, &PhantomData)
}

/// Whether a text says nothing in YAML: it is empty, or has comments and marks of documents alone.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    let mut lines = lines::lines(text).map(str::trim);
    lines.all(|line| matches!(line, "" | "---" | "...") || line.starts_with('#'))
}

/// Reads one rule of a document, as strictly as [`parse`] reads a whole one.
///
/// # Errors
/// As [`parse`].
pub fn parse_rule(text: &str, format: Format) -> Result<Rule, ParseError> {
    read(text, format, &PhantomData)
}

/// Reads the policy of one tool: a rule without `name` and `match`.
///
/// # Errors
/// As [`parse`].
pub fn parse_tool_rule(text: &str, format: Format) -> Result<UnnamedRule, ParseError> {
    read(text, format, &UnnamedRuleSeed)
}

/// Reads a part of a document that is checked with the whole of it: any value without repeated
/// keys.
///
/// # Errors
/// When the text is not even JSON or YAML, or repeats a key.
pub fn parse_value(text: &str, format: Format) -> Result<Value, ParseError> {
    let seed: PhantomData<UniqueValue> = PhantomData;
    read(text, format, &seed).map(|UniqueValue(value)| value)
}

/// More faults than an author fixes at once.
const MOST_FAULTS: usize = 50;

/// No further fault is told once the paths and reasons of those that are have so many bytes: keys
/// may be as long as the text.
const MOST_BYTES: usize = 1 << 16;

/// So many bytes of text are looked through for the lines of faults behind the first, each of which
/// is looked for from the beginning: a fraction of a second.
const MOST_LOOKED_THROUGH: usize = 4 << 20;

/// Reads a value from a text, or from a tree that was read before.
trait Reader: for<'de> DeserializeSeed<'de, Value = <Self as Reader>::Read> + Clone {
    type Read;
}

impl<S, V> Reader for S
where
    S: for<'de> DeserializeSeed<'de, Value = V> + Clone,
{
    type Read = V;
}

fn read<S: Reader>(text: &str, format: Format, seed: &S) -> Result<S::Read, ParseError> {
    if format == Format::Yaml
        && let Some(excess) = expansion::excess(text)
    {
        return Err(ParseError(vec![Fault {
            path: String::new(),
            line: excess.line(),
            reason: excess.reason(),
        }]));
    }
    let first = match read_once(text, format, seed.clone()) {
        Ok(value) => return Ok(value),
        Err(fault) => fault,
    };
    let repeats = Repeats::new(MOST_FAULTS, MOST_BYTES);
    let faults = match read_once(text, format, FirstOfEach(&repeats)) {
        Ok(tree) => {
            let repeats = repeats.into_vec();
            // With a repeated key the first fault may be that, and is looked for without it.
            let first = repeats.is_empty().then_some(first);
            let others = all_faults(tree, first, seed);
            with_lines(text, format, repeated_keys(repeats), others)
        }
        Err(_) => vec![first],
    };
    Err(ParseError(faults))
}

/// Finds the faults of a tree, of which the first may be known. The reader stops at a fault, so it
/// reads the tree again and again, without what was found at fault and without what it has got
/// past. Where that takes too many steps, the author learns of the rest when these are mended.
fn all_faults<S: Reader>(tree: Value, first: Option<Fault>, seed: &S) -> Vec<Fault> {
    let mut pruning = Pruning::new(tree);
    let mut faults: Vec<Fault> = Vec::new();
    let mut next = first.or_else(|| fault_of(pruning.tree(), seed));
    while let Some(fault) = next {
        let at = pruning.written_path(&fault.path);
        // Around what was taken out it is missing now, which is no fault of its own.
        let inside = format!("{at}/");
        if !faults.iter().any(|known| known.path.starts_with(&inside)) {
            faults.push(Fault {
                path: at.clone(),
                ..fault
            });
        }
        let goes_on = faults.len() < MOST_FAULTS
            && bytes_of(&faults) < MOST_BYTES
            && pruning.remove(&at)
            && pruning.may_be_read_again();
        next = goes_on.then(|| fault_of(pruning.tree(), seed)).flatten();
    }
    faults
}

/// The bytes that faults take where they are told.
fn bytes_of(faults: &[Fault]) -> usize {
    let each = faults.iter();
    each.map(|fault| fault.path.len() + fault.reason.len())
        .sum()
}

/// The fault at which a reader stops, if it does.
fn fault_of<S: Reader>(tree: &Value, seed: &S) -> Option<Fault> {
    let mut track = Track::new();
    let again = Deserializer::new(ObjectsOnly(tree), &mut track);
    let error = seed.clone().deserialize(again).err()?;
    Some(fault_at(&error, None, &track.path()))
}

/// A fault for each repeated key, and which of the keys of that name in its map it is, from 1.
fn repeated_keys(repeats: Vec<Repeat>) -> Vec<(Fault, usize)> {
    let mut occurrences: BTreeMap<String, usize> = BTreeMap::new();
    let faults = repeats.into_iter().map(|Repeat { path, key }| {
        let occurrence = occurrences.entry(path.clone()).or_insert(1);
        *occurrence += 1;
        let reason = Repeated(&key).to_string();
        let line = None;
        (Fault { path, line, reason }, *occurrence)
    });
    faults.collect()
}

/// All faults with their lines, in the order of these where all are known.
fn with_lines(
    text: &str,
    format: Format,
    repeated: Vec<(Fault, usize)>,
    others: Vec<Fault>,
) -> Vec<Fault> {
    let looks = MOST_LOOKED_THROUGH / text.len().max(1);
    let others = others.into_iter().map(|fault| (fault, 1));
    let all = repeated.into_iter().chain(others).take(MOST_FAULTS);
    let mut faults: Vec<Fault> = all
        .enumerate()
        .map(|(index, (mut fault, occurrence))| {
            if fault.line.is_none() && index < looks {
                fault.line = line_of(text, format, &fault.path, occurrence);
            }
            fault
        })
        .collect();
    if faults.iter().all(|fault| fault.line.is_some()) {
        faults.sort_by_key(|fault| fault.line);
    }
    faults
}

fn read_once<'de, S: DeserializeSeed<'de>>(
    text: &'de str,
    format: Format,
    seed: S,
) -> Result<S::Value, Fault> {
    let mut track = Track::new();
    match format {
        Format::Json => {
            let mut json = serde_json::Deserializer::from_str(text);
            seed.deserialize(Deserializer::new(ObjectsOnly(&mut json), &mut track))
                .and_then(|value| json.end().map(|()| value))
                .map_err(|error| fault_at(&error, Some(error.line()), &track.path()))
        }
        Format::Yaml => seed
            .deserialize(Deserializer::new(
                yaml_serde::Deserializer::from_str(text),
                &mut track,
            ))
            .map_err(|error| {
                let line = error.location().map(|location| location.line());
                fault_at(&error, line, &track.path())
            }),
    }
}

fn fault_at(error: &impl ToString, line: Option<usize>, path: &Path) -> Fault {
    let mut pointer = Pointer::default();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer = pointer.at(index),
            Segment::Map { key } => pointer = pointer.at(key),
            // Variants are no level of the text that the author wrote, and nothing is known of the
            // rest.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let path = pointer.into_string();
    let reason = error.to_string();
    let reason = without_place(&reason);
    Fault {
        reason: match path.starts_with("/secrets/") {
            true => wording::without_value(reason),
            false => wording::plain(reason),
        },
        path,
        line: line.filter(|line| *line > 0),
    }
}

/// The message without the path that the YAML reader puts before it and the position that both put
/// behind it; path and line are told apart from it.
fn without_place(message: &str) -> &str {
    let message = message
        .rsplit_once(" at line ")
        .map_or(message, |(reason, _)| reason);
    let is_path = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.[]".contains(&b))
    };
    match message.split_once(": ") {
        Some((path, reason)) if is_path(path) => reason,
        _ => message,
    }
}

#[cfg(test)]
mod tests;
