//! Objects: each key once, each member by its property's node, nothing missing.

use std::borrow::Cow;

use json_reader::{Input, Text, decoded};
use step_count::count;

use super::frame::{Frame, Inside, Members, Seen, Sight};
use super::judge::Judge;
use super::{Halted, Pass, Validation};
use crate::schema::keys::{KeySpan, Twice, same};
use crate::schema::tree::{Additional, NodeId, ObjectRules, Property};
use crate::schema::violation::{MOST_VIOLATIONS, decoded_beginning, echo};

/// The rules of an object that may be anything.
static OPEN_OBJECT: ObjectRules = ObjectRules::open(Additional::Fits(NodeId::ANYTHING));

impl<'t> Judge<'_, 't> {
    /// The key of a member has ended: nearly always, that of the property which the schema names
    /// next.
    #[inline(always)]
    pub(super) fn member(&mut self, input: Input<'_>, key: Text) -> Result<(), Halted> {
        let Some(Frame {
            node,
            is_wanted,
            inside: Inside::Object(members),
            ..
        }) = self.state.frames.last_mut()
        else {
            return Ok(());
        };
        members.key = key;
        let node = self.tree.nodes.get(node.index()).filter(|_| *is_wanted);
        let Some(rules) = node.and_then(|node| node.object.as_deref()) else {
            return self.unlisted_member(input, &OPEN_OBJECT);
        };
        let likely = members.seen.next;
        if let Some(Property {
            name,
            node: Some(node),
            ..
        }) = rules.properties.get(likely)
            && !key.escaped
            && same(name.as_bytes(), input.slice(key.start, key.end))
            && members.seen.add_early(likely) == Sight::First
        {
            self.state.next = *node;
            return Ok(());
        }
        self.listed_member(input, rules)
    }

    /// A key that may be that of any property, or of none.
    #[inline(never)]
    fn listed_member(&mut self, input: Input<'_>, rules: &'t ObjectRules) -> Result<(), Halted> {
        let state = &mut *self.state;
        let Some(members) = state.innermost_object() else {
            return Ok(());
        };
        let name = members.name(input);
        let found = rules.find(&name, members.seen.next);
        // Eight words are cleared in the time of a comparison.
        let growth = found.map_or(0, |number| members.seen.growth(number).div_ceil(8));
        count(growth);
        state.charge_again(input, rules.comparisons() + growth)?;
        let Some(number) = found else {
            return self.unlisted_member(input, rules);
        };
        let Some(members) = state.innermost_object() else {
            return Ok(());
        };
        if members.seen.add(number) == Sight::Again {
            return state.twice(input, &name);
        }
        let property = rules.properties.get(number);
        match property.and_then(|property| property.node) {
            Some(node) => {
                state.next = node;
                Ok(())
            }
            None => self.additional(input, rules),
        }
    }

    /// A key that the schema does not list, after a look whether it came before.
    #[inline(never)]
    fn unlisted_member(&mut self, input: Input<'_>, rules: &'t ObjectRules) -> Result<(), Halted> {
        let state = &mut *self.state;
        let spellings = &self.tree.spellings;
        let comparisons = rules.loose_comparisons() + spellings.comparisons();
        state.charge_again(input, comparisons)?;
        let Some(Frame {
            inside: Inside::Object(members),
            ..
        }) = state.frames.last_mut()
        else {
            return Ok(());
        };
        let name = members.name(input);
        // Unless the schema names this property itself, beside one that differs in case alone. What
        // is found ends the check: many properties are looked through once.
        if !rules.properties.is_empty()
            && !spellings.contains(&name)
            && let Some(property) = rules.find_loosely(&name)
        {
            return state.misspelt(input, &name, &property.name);
        }
        if state.pass == Pass::First {
            let key = members.key;
            let added = if key.escaped {
                state.keys.add_decoded(&mut members.keys, input, &name)
            } else {
                let span = KeySpan {
                    start: key.start,
                    end: key.end,
                };
                state.keys.add_plain(&mut members.keys, input, span)
            };
            if let Err(Twice(_)) = added {
                return state.twice(input, &name);
            }
        }
        self.additional(input, rules)
    }

    /// The member is none that the schema lists.
    #[inline]
    fn additional(&mut self, input: Input<'_>, rules: &ObjectRules) -> Result<(), Halted> {
        match rules.additional {
            Additional::Fits(node) => {
                self.state.next = node;
                Ok(())
            }
            Additional::Refused => {
                self.state.next = NodeId::ANYTHING;
                let key = self.state.innermost_object().map(|members| members.key);
                let found = || {
                    let key = key.map(|key| (input.slice(key.start, key.end), key.escaped));
                    let (raw, escaped) = key.unwrap_or_default();
                    format!("`{}`", echo(&decoded_beginning(raw, escaped)))
                };
                self.state.misfit_found(input, || unlisted(rules), found)
            }
        }
    }

    pub(super) fn close_object(
        &mut self,
        input: Input<'_>,
        rules: Option<&ObjectRules>,
        members: &Members,
    ) -> Result<(), Halted> {
        let closed = self.state.keys.close(&members.keys, input);
        if let Err(twice) = closed {
            let frames = self.state.frames.len();
            return self.state.each_key_once(input, frames, &twice.0);
        }
        match rules {
            Some(rules)
                if rules.required & !members.seen.first != 0 || rules.properties.len() > 64 =>
            {
                self.state.missing(input, rules, &members.seen)
            }
            _ => Ok(()),
        }
    }
}

impl Members {
    /// The last key, decoded.
    fn name<'i>(&self, input: Input<'i>) -> Cow<'i, [u8]> {
        let Text {
            start,
            end,
            escaped,
        } = self.key;
        decoded(input.slice(start, end), escaped)
    }
}

impl Validation {
    fn innermost_object(&mut self) -> Option<&mut Members> {
        match &mut self.frames.last_mut()?.inside {
            Inside::Object(members) => Some(members),
            Inside::Array { .. } => None,
        }
    }

    #[cold]
    fn missing(
        &mut self,
        input: Input<'_>,
        rules: &ObjectRules,
        seen: &Seen,
    ) -> Result<(), Halted> {
        for number in &rules.all_required {
            count(1);
            // An object with so many properties has as many keys, or the list of misfits is full.
            if self.misfits.len() >= MOST_VIOLATIONS {
                break;
            }
            let Some(property) = rules.properties.get(*number) else {
                continue;
            };
            if !seen.has(*number) {
                self.misfit_found(
                    input,
                    || format!("the property `{}`", echo(property.name.as_bytes())),
                    String::new,
                )?;
            }
        }
        Ok(())
    }

    /// A server that ignores case, trims or stops at a NUL would take this key for the property;
    /// one that does not, would not. So it is refused as what not everyone reads alike, whatever
    /// the schema says of additional properties.
    #[cold]
    fn misspelt(&mut self, input: Input<'_>, key: &[u8], name: &str) -> Result<(), Halted> {
        let (key, name) = (echo(key), echo(name.as_bytes()));
        let object = self.frames.len().saturating_sub(1);
        self.unreadable(
            input,
            object,
            format!("the key `{key}` to be written `{name}`"),
        )
    }

    #[cold]
    fn twice(&mut self, input: Input<'_>, key: &[u8]) -> Result<(), Halted> {
        let object = self.frames.len().saturating_sub(1);
        self.each_key_once(input, object, key)
    }

    #[cold]
    fn each_key_once(&mut self, input: Input<'_>, frames: usize, key: &[u8]) -> Result<(), Halted> {
        self.unreadable(
            input,
            frames,
            format!("each key once, but `{}` comes twice", echo(key)),
        )
    }
}

/// Says of a property that must not be there which ones may.
fn unlisted(rules: &ObjectRules) -> String {
    const NAMED: usize = 10;
    let listed = || {
        rules
            .properties
            .iter()
            .filter(|property| property.node.is_some())
    };
    let mut names: Vec<String> = listed()
        .take(NAMED)
        .map(|property| format!("`{}`", echo(property.name.as_bytes())))
        .collect();
    if names.is_empty() {
        return "no properties".to_owned();
    }
    if listed().count() > NAMED {
        names.push("…".to_owned());
    }
    format!("only the properties {}", names.join(", "))
}
