//! Text to document.

use std::marker::PhantomData;

use serde::de::DeserializeSeed;
use serde_path_to_error::{Deserializer, Path, Segment, Track};
use thiserror::Error;

use crate::document::{GatewayDocument, Rule};
use crate::problem::{Pointer, Problem};
use crate::tool_rule::ToolRule;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON (RFC 8259).
    Json,
    /// YAML, without tags.
    Yaml,
}

/// Why a text is not a document: the first fault, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{problem}{}", .line.map(|line| format!(" (line {line})")).unwrap_or_default())]
pub struct ParseError {
    /// What is wrong, and its path in the document.
    pub problem: Problem,
    /// The line from 1, where it is known.
    pub line: Option<usize>,
}

/// Reads a document strictly: unknown fields, repeated keys and malformed names are errors.
///
/// # Errors
/// The first fault, with its path and line.
pub fn parse(text: &str, format: Format) -> Result<GatewayDocument, ParseError> {
    let blank = |line: &str| line.trim_start().is_empty() || line.trim_start().starts_with('#');
    if format == Format::Yaml && text.lines().all(blank) {
        // To YAML an empty file is `null`; here it is a document in which everything is left out.
        return Ok(GatewayDocument::default());
    }
    read(text, format, PhantomData)
}

/// Reads the policy of one tool: a rule without `name` and `match`, which `implied` supplies.
///
/// # Errors
/// The first fault, with its path and line.
pub fn parse_tool_rule(text: &str, format: Format, implied: ToolRule) -> Result<Rule, ParseError> {
    read(text, format, implied)
}

fn read<'de, S: DeserializeSeed<'de>>(
    text: &'de str,
    format: Format,
    seed: S,
) -> Result<S::Value, ParseError> {
    let mut track = Track::new();
    match format {
        Format::Json => {
            let mut json = serde_json::Deserializer::from_str(text);
            seed.deserialize(Deserializer::new(&mut json, &mut track))
                .and_then(|value| json.end().map(|()| value))
                .map_err(|error| fault(&error, Some(error.line()), &track.path()))
        }
        Format::Yaml => seed
            .deserialize(Deserializer::new(
                yaml_serde::Deserializer::from_str(text),
                &mut track,
            ))
            .map_err(|error| {
                let line = error.location().map(|location| location.line());
                fault(&error, line, &track.path())
            }),
    }
}

fn fault(error: &impl ToString, line: Option<usize>, path: &Path) -> ParseError {
    let mut pointer = Pointer::default();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer = pointer.at(index),
            Segment::Map { key } => pointer = pointer.at(key),
            // Variants are no level of the text that the author wrote, and nothing is known of the rest.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    ParseError {
        problem: Problem {
            path: pointer.into_string(),
            reason: without_place(&error.to_string()).to_owned(),
        },
        line: line.filter(|line| *line > 0),
    }
}

/// The message without the path that the YAML reader puts before it and the position that both put behind it; path
/// and line are told apart from it.
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
mod tests {
    use super::*;

    fn check(text: &str, format: Format, path: &str, line: usize, reason: &str) {
        let error = parse(text, format).unwrap_err();
        assert_eq!(
            (error.problem.path.as_str(), error.line),
            (path, Some(line)),
            "{error}"
        );
        assert!(error.problem.reason.contains(reason), "{error}");
    }

    #[test]
    fn it_tells_the_path_and_the_line_of_a_fault() {
        check(
            "{\"listners\": []}",
            Format::Json,
            "/listners",
            1,
            "unknown field `listners`",
        );
        check(
            "tools:\n  - name: a\n    limit: []\n",
            Format::Yaml,
            "/tools/0/limit",
            3,
            "unknown field `limit`",
        );
        check(
            "{\n\"servers\": {\"a b\": {}}}",
            Format::Json,
            "/servers/a b",
            2,
            "`a b` is not a server name",
        );
        check(
            "tools:\n  - name: a\n    limits:\n      - {requests: 1, window: 1 minute}\n",
            Format::Yaml,
            "/tools/0/limits/0/window",
            4,
            "`1 minute` is not a duration",
        );
        check(
            "{\"tools\": [}",
            Format::Json,
            "/tools/0",
            1,
            "expected value",
        );
        check(
            "tools: [",
            Format::Yaml,
            "/tools",
            2,
            "did not find expected",
        );
        check("{} {}", Format::Json, "", 1, "trailing");
    }

    #[test]
    fn it_refuses_a_repeated_key_whose_first_half_would_be_lost() {
        check(
            "servers:\n  a: {url: http://127.0.0.1:1/mcp}\n  a: {url: http://127.0.0.1:2/mcp}\n",
            Format::Yaml,
            "/servers",
            2,
            "`a` appears twice",
        );
        check(
            "{\"tools\": [], \"tools\": []}",
            Format::Json,
            "",
            1,
            "duplicate field `tools`",
        );
    }

    #[test]
    fn it_reads_nothing_as_the_default_document() {
        for (text, format) in [
            ("", Format::Yaml),
            ("# later\n", Format::Yaml),
            ("{}", Format::Json),
        ] {
            assert_eq!(parse(text, format).unwrap(), GatewayDocument::default());
        }
    }

    #[test]
    fn it_reads_the_rule_of_one_tool_without_name_and_match() {
        let implied = || ToolRule {
            name: "tool:x".parse().unwrap(),
            server: "data".parse().unwrap(),
            tool: "x".to_owned(),
        };
        let body = r#"{"limits":[{"per":["tool"],"requests":2,"window":"1m"}]}"#;
        let rule = parse_tool_rule(body, Format::Json, implied()).unwrap();
        assert_eq!(rule.name.as_str(), "tool:x");
        assert_eq!(rule.matches.tool.as_deref(), Some("x"));
        assert_eq!(rule.limits[0].requests, 2);

        let named = parse_tool_rule(r#"{"name":"other"}"#, Format::Json, implied()).unwrap_err();
        assert!(
            named.problem.reason.contains("duplicate field `name`"),
            "{named}"
        );
        let empty = parse_tool_rule("[]", Format::Json, implied()).unwrap_err();
        assert!(
            empty.problem.reason.contains("the policy of one tool"),
            "{empty}"
        );
    }
}
