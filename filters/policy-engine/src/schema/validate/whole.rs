//! Rules that look at a whole value, once it is known where it ends: `enum`, `const`, `allOf`, `anyOf`, `oneOf`, `$ref`.

use super::path::Path;
use super::{Pass, Run, Stop};
use crate::schema::json::Json;
use crate::schema::keys::same;
use crate::schema::tree::{Group, Kinds, More, NodeId, Tree, Wanted};
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
            if !self.is_one_of(choices, start, end) {
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

    fn is_one_of(&self, choices: &[Json], start: usize, end: usize) -> bool {
        let quoted = self.bytes.get(start..end).unwrap_or_default();
        let text = quoted
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        match text.filter(|text| !text.contains(&b'\\')) {
            // Without escapes a string is its bytes, which saves reading it for each of the choices.
            Some(text) => choices.iter().any(
                |choice| matches!(choice, Json::String(choice) if same(choice.as_bytes(), text)),
            ),
            None => choices
                .iter()
                .any(|choice| choice.matches(self.bytes, start).is_some()),
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
        let Some(budget) = self.budget.checked_sub(end - start) else {
            return self.unreadable(path, "a value that takes fewer alternatives to check");
        };
        self.budget = budget;
        let before = (self.pass, self.depth, self.level);
        self.pass = pass;
        let outcome = self.value(node, start, path);
        (self.pass, self.depth, self.level) = before;
        outcome.map(|_| ())
    }
}

fn one_of(choices: &[Json]) -> String {
    const NAMED: usize = 10;
    let mut words: Vec<String> = choices.iter().take(NAMED).map(describe).collect();
    if choices.len() > NAMED {
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

/// What the alternatives have in common.
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
