//! Answers as they are shown: rows for people, JSON and YAML for programs.

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::in_commands::in_commands;
use crate::output;
use crate::table::Table;

/// The ways to show an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line for each thing, for people
    Table,
    /// One JSON object, for programs
    Json,
    /// The same object in YAML
    Yaml,
}

/// Says how answers are shown.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Shown {
    /// For people (`table`), or for programs
    #[arg(long, short, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
}

/// A number of things with their noun, which is written in the singular.
pub(crate) fn counted(count: impl TryInto<u64>, noun: &str) -> String {
    match count.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

impl Format {
    /// Shows an answer, of which `table` makes the rows for people; nothing, where it makes none.
    pub(crate) fn show(
        self,
        answer: &Value,
        table: impl FnOnce(&Value) -> Table,
    ) -> anyhow::Result<()> {
        let text = self.text(answer, table)?;
        if !text.is_empty() {
            output::data(text)?;
        }
        Ok(())
    }

    /// The text of an answer, without the line feed at its end.
    pub(crate) fn text(
        self,
        answer: &Value,
        table: impl FnOnce(&Value) -> Table,
    ) -> anyhow::Result<String> {
        Ok(match self {
            Self::Table => table(answer).text(output::is_coloured()),
            Self::Json => json(answer)?,
            Self::Yaml => yaml(answer)?,
        })
    }
}

/// An answer in JSON that a terminal shows and does not obey.
fn json(answer: &Value) -> anyhow::Result<String> {
    let json = serde_json::to_string_pretty(answer)?;
    Ok(shown_text::escape_json(&json).into_owned())
}

/// An answer in YAML, without the line feed at its end. The marks that turn the direction of text
/// stand in YAML as they are: an answer that has such ones is written as JSON, which YAML is too.
pub(crate) fn yaml(answer: &Value) -> anyhow::Result<String> {
    let yaml = yaml_serde::to_string(answer)?;
    if yaml.contains(shown_text::is_obeyed_in_lines) {
        return json(answer);
    }
    Ok(yaml.trim_end().to_owned())
}

/// The items of a list in an answer; none where there is no list.
pub(crate) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A text in an answer; empty where there is none.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The control plane's own words in an answer, as whoever types commands is told them.
pub(crate) fn words(value: &Value) -> String {
    in_commands(value.as_str().unwrap_or_default())
}

/// A time as people read it: RFC 3339 without the fraction of its second.
pub(crate) fn to_the_second(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) if time.ends_with('Z') => format!("{seconds}Z"),
        _ => time.to_owned(),
    }
}

/// The place of a fault, or of a field that differs: its path, and the line where that is known.
pub(crate) fn place(fault: &Value) -> String {
    let path = fault["path"].as_str().filter(|path| !path.is_empty());
    let of = fault["of"].as_str().map(|of| format!(" of the {of}"));
    let line = fault["line"].as_u64().map(|line| format!(" (line {line})"));
    [
        path.unwrap_or("/"),
        &of.unwrap_or_default(),
        &line.unwrap_or_default(),
    ]
    .concat()
}

/// The part of the document that a warning is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// One word: `rule`, or `secret`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
}

impl Subject {
    pub(crate) fn of(warning: &Value) -> Self {
        let path = text(&warning["path"]);
        let (kind, name) = match path.strip_prefix("/secrets/") {
            Some(name) => ("secret", name.to_owned()),
            None => ("rule", text(&warning["rule"])),
        };
        Self { kind, name }
    }
}

/// The digits of a hash that are shown: enough to tell it from its neighbours.
const SHOWN: usize = 12;

/// The beginning of a hash.
pub(crate) fn short(hash: &Value) -> String {
    text(hash).chars().take(SHOWN).collect()
}
