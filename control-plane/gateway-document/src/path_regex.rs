//! Regular expressions of routes, in what RE2, which Envoy runs, and our checker both understand.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use regex_syntax::ast::{
    self, Ast, ClassSet, Flag, FlagsItemKind, RepetitionKind, RepetitionRange,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A regular expression that Envoy accepts. RE2 matches in time that is linear in the path, so that
/// no caller can make a route slow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathRegex(String);

/// The reason why a text is no [`PathRegex`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a regular expression for paths: {reason}")]
pub struct InvalidPathRegex {
    text: String,
    reason: String,
}

const LONGEST: usize = 256;
/// RE2 takes repetitions up to 1000. Within each other they multiply, as does the program that RE2
/// makes of them, and Envoy rejects what is too large.
const MOST_REPETITIONS: u32 = 100;

impl PathRegex {
    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PathRegex {
    type Err = InvalidPathRegex;
    fn from_str(text: &str) -> Result<Self, InvalidPathRegex> {
        let invalid = |reason: String| InvalidPathRegex {
            text: text.chars().take(LONGEST).collect(),
            reason,
        };
        if text.is_empty() || text.len() > LONGEST || !text.is_ascii() {
            return Err(invalid("write 1 to 256 ASCII characters".to_owned()));
        }
        if !has_known_escapes(text) {
            return Err(invalid(
                "of escapes only `\\d`, `\\w`, `\\s`, `\\b`, their opposites, and those of \
                 punctuation are known"
                    .to_owned(),
            ));
        }
        let ast = ast::parse::Parser::new()
            .parse(text)
            .map_err(|error| invalid(error.kind().to_string()))?;
        ast::visit(&ast, OnlyRe2).map_err(|reason| invalid(reason.to_owned()))?;
        let parsed = regex_syntax::ParserBuilder::new().build().parse(text);
        parsed.map_err(|error| invalid(last_line(&error)))?;
        Ok(Self(text.to_owned()))
    }
}

/// Whether every backslash stands before what both engines read alike.
fn has_known_escapes(text: &str) -> bool {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let escaped = if character == '\\' {
            characters.next()
        } else {
            continue;
        };
        let known = |escaped: char| {
            "dDwWsSbB".contains(escaped)
                || escaped.is_ascii_punctuation() && !matches!(escaped, '<' | '>')
        };
        if !escaped.is_some_and(known) {
            return false;
        }
    }
    true
}

/// The reason alone, without the drawing that precedes it.
fn last_line(error: &regex_syntax::Error) -> String {
    let drawn = error.to_string();
    let line = drawn.lines().last().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// Finds what our parser reads and RE2 does not.
struct OnlyRe2;

impl ast::Visitor for OnlyRe2 {
    type Output = ();
    type Err = &'static str;

    fn finish(self) -> Result<(), Self::Err> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Self::Err> {
        let flags = match ast {
            Ast::Flags(set) => Some(&set.flags),
            Ast::Group(group) => group.flags(),
            Ast::Repetition(repetition) => {
                return match &repetition.op.kind {
                    RepetitionKind::Range(range) if most(range) > MOST_REPETITIONS => {
                        Err("repeat at most 100 times; `*` and `+` repeat any number of times")
                    }
                    _ => Ok(()),
                };
            }
            _ => None,
        };
        let known = |kind: &FlagsItemKind| {
            matches!(
                kind,
                FlagsItemKind::Negation
                    | FlagsItemKind::Flag(
                        Flag::CaseInsensitive | Flag::MultiLine | Flag::DotMatchesNewLine
                    )
            )
        };
        if flags.is_some_and(|flags| !flags.items.iter().all(|item| known(&item.kind))) {
            return Err("of the flags only `i`, `m` and `s` are known");
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), Self::Err> {
        match item {
            ast::ClassSetItem::Bracketed(inner) => match inner.kind {
                ClassSet::BinaryOp(_) | ClassSet::Item(_) => {
                    Err("a class stands within a class; write one class with all its characters")
                }
            },
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(
        &mut self,
        _: &ast::ClassSetBinaryOp,
    ) -> Result<(), Self::Err> {
        Err("`&&`, `--` and `~~` in a class are not known; list the characters")
    }
}

fn most(range: &RepetitionRange) -> u32 {
    match range {
        RepetitionRange::Exactly(most)
        | RepetitionRange::AtLeast(most)
        | RepetitionRange::Bounded(_, most) => *most,
    }
}

impl TryFrom<String> for PathRegex {
    type Error = InvalidPathRegex;
    fn try_from(text: String) -> Result<Self, InvalidPathRegex> {
        text.parse()
    }
}

impl From<PathRegex> for String {
    fn from(regex: PathRegex) -> String {
        regex.0
    }
}

impl fmt::Display for PathRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for PathRegex {
    fn schema_name() -> Cow<'static, str> {
        "PathRegex".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "regex", "maxLength": LONGEST})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_what_both_engines_understand() {
        for good in [
            "/v[0-9]+/.*",
            "/(?i:reports)/[^/]{1,64}",
            r"/\d+\.json",
            "/a|/b",
        ] {
            assert!(good.parse::<PathRegex>().is_ok(), "{good}");
        }
        for (bad, reason) in [
            ("", "256"),
            ("/ä", "ASCII"),
            ("/(", "unclosed group"),
            ("/a(?=b)", "look-around"),
            (r"/(.)\1", "escapes"),
            (r"/\u0041", "escapes"),
            ("/(?x)a", "flags"),
            ("/[a&&b]", "&&"),
            ("/[a[b]]", "within a class"),
            ("/a{1000}", "at most 100"),
            ("/[z-a]", "invalid"),
        ] {
            let error = bad.parse::<PathRegex>().unwrap_err().to_string();
            assert!(error.contains(reason), "{bad}: {error}");
        }
    }
}
