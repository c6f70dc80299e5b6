//! Rules that look at a whole value, once it is known where it ends: `enum`, `const`, `allOf`,
//! `anyOf`, `oneOf`, `$ref`.

use step_count::count;

use super::path::Path;
use super::{Pass, Run, Stop};
use crate::schema::json::Json;
use crate::schema::scan::{self, StringForm};
use crate::schema::tree::{Choices, Group, Kinds, More, NodeId, Tree, Wanted};
use crate::schema::violation::echo;

impl<'r> Run<'r> {
    pub(super) fn whole(
        &mut self,
        more: &'r More,
        kinds: Kinds,
        start: usize,
        end: usize,
        path: &Path<'_>,
    ) -> Result<(), Stop> {
        for choices in &more.choices {
            if !self.is_one_of(choices, start, end, path)? {
                self.misfit(path, start, end, || one_of(choices))?;
            }
        }
        for node in &more.all {
            let pass = if self.pass == Pass::Trial {
                Pass::Trial
            } else {
                Pass::Again
            };
            self.again(*node, pass, start, end, path)?;
        }
        for group in &more.groups {
            self.group(group, kinds, start, end, path)?;
        }
        Ok(())
    }

    /// Whether the well-formed value is one of these.
    fn is_one_of(
        &mut self,
        choices: &Choices,
        start: usize,
        end: usize,
        path: &Path<'_>,
    ) -> Result<bool, Stop> {
        let value = self.bytes.get(start..end).unwrap_or_default();
        match value {
            [b'"', text @ .., b'"'] => {
                count(text.len());
                // Without escapes a string is its bytes.
                let form = if memchr::memchr(b'\\', text).is_none() {
                    StringForm::Plain
                } else {
                    self.charge(text.len(), path)?;
                    StringForm::Escaped
                };
                Ok(choices.has_string(&scan::unescape(text, form)))
            }
            [b'{' | b'[', ..] => {
                for choice in &choices.nested {
                    self.charge(value.len(), path)?;
                    if choice.matches(self.bytes, start).is_some() {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            [b't' | b'f' | b'n', ..] => Ok(choices.has_literal(value)),
            _ => {
                self.charge(value.len(), path)?;
                Ok(choices.has_number(value))
            }
        }
    }

    fn group(
        &mut self,
        group: &'r Group,
        kinds: Kinds,
        start: usize,
        end: usize,
        path: &Path<'_>,
    ) -> Result<(), Stop> {
        // Alternatives of other kinds are looked at, too, if only to pass them by.
        count(group.nodes.len());
        self.charge(group.nodes.len(), path)?;
        let mut fitting = 0_usize;
        let mut possible = 0_usize;
        let mut likely = None;
        for node in &group.nodes {
            // A value of the wrong kind never fits; this saves most trials.
            if !self.accepts(*node).meets(kinds) {
                continue;
            }
            possible += 1;
            likely = Some(*node);
            match self.again(*node, Pass::Trial, start, end, path) {
                Ok(()) => fitting += 1,
                Err(Stop::Misfit) => {}
                Err(Stop::Unreadable) => return Err(Stop::Unreadable),
            }
            if fitting > 0 && group.wanted == Wanted::Some {
                return Ok(());
            }
        }
        match (fitting, likely) {
            (1, _) => Ok(()),
            // With one alternative in question its own reasons say more than that none fits.
            (0, Some(node)) if possible == 1 && self.pass != Pass::Trial => {
                self.again(node, Pass::Again, start, end, path)
            }
            (0, _) => {
                let tree = self.tree;
                self.misfit(path, start, end, || alternatives(tree, group))
            }
            (several, _) => self.misfit(path, start, end, || {
                format!(
                    "exactly one of {} alternatives to fit, not {several}",
                    group.nodes.len()
                )
            }),
        }
    }

    /// Runs over a value again.
    fn again(
        &mut self,
        node: NodeId,
        pass: Pass,
        start: usize,
        end: usize,
        path: &Path<'_>,
    ) -> Result<(), Stop> {
        self.charge(end - start, path)?;
        let before = (self.pass, self.depth, self.level);
        self.pass = pass;
        let outcome = self.value(node, start, path);
        (self.pass, self.depth, self.level) = before;
        outcome.map(|_| ())
    }
}

fn one_of(choices: &Choices) -> String {
    const NAMED: usize = 10;
    let mut words: Vec<String> = choices.listed.iter().take(NAMED).map(describe).collect();
    if choices.listed.len() > NAMED {
        words.push("…".to_owned());
    }
    match words.as_slice() {
        [only] => only.clone(),
        several => format!("one of {}", several.join(", ")),
    }
}

fn describe(choice: &Json) -> String {
    match choice {
        Json::Null => "null".to_owned(),
        Json::Bool(value) => format!("`{value}`"),
        Json::Number(number) => format!("`{number}`"),
        Json::String(text) => format!("`\"{}\"`", echo(text.as_bytes())),
        Json::Array(_) => "a certain array".to_owned(),
        Json::Object(_) => "a certain object".to_owned(),
    }
}

/// Says which kinds the alternatives have in common.
fn alternatives(tree: &Tree, group: &Group) -> String {
    let accepts = |id: &NodeId| {
        tree.nodes
            .get(id.index())
            .map_or(Kinds::NONE, |node| node.accepts)
    };
    let kinds = group.nodes.iter().map(accepts).fold(Kinds::NONE, Kinds::or);
    format!(
        "{} that fits one of {} alternatives",
        kinds.describe(),
        group.nodes.len()
    )
}
