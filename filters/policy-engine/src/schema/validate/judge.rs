//! The judge as the reader's listener: each value by its node, as it is told.

use json_reader::{Container, Event, Input, Scalar, Sink, Text};

use super::frame::{Frame, Inside, Members, Seen};
use super::replay::Ended;
use super::{DEEPEST_LEVEL, Halted, Pass, Stopped, Validation, kinds_of};
use crate::schema::tree::{ArrayRules, Kinds, Node, NodeId, Tree};

/// Judges what the reader tells.
pub(super) struct Judge<'j, 't> {
    pub(super) tree: &'t Tree,
    pub(super) state: &'j mut Validation,
}

#[inline(always)]
fn event(judged: Result<(), Halted>) -> Event {
    match judged {
        Ok(()) => Event::ReadOn,
        Err(Halted) => Event::Stop,
    }
}

impl Sink for Judge<'_, '_> {
    #[inline(always)]
    fn key(&mut self, input: Input<'_>, key: Text, _: usize) -> Event {
        event(self.member(input, key))
    }

    #[inline(always)]
    fn begin(&mut self, input: Input<'_>, first: u8, start: usize, _: usize) -> Event {
        let kinds = kinds_of(first);
        match self.tree.nodes.get(self.state.next.index()) {
            Some(node) if node.free.holds(kinds) => {
                self.state.scalar = None;
                Event::ReadOn
            }
            // A scalar of a kind that the node asks for by itself.
            Some(node) if node.is_plain_for(kinds) => {
                self.state.scalar = Some((self.state.next, kinds));
                Event::ReadOn
            }
            _ => event(self.begin_by_node(input, kinds, start)),
        }
    }

    #[inline(always)]
    fn scalar(&mut self, input: Input<'_>, scalar: Scalar, _: usize) -> Event {
        let judged = match self.state.scalar {
            None => self.state.value_ended(),
            Some((id, kinds)) => self.judge_scalar(input, id, kinds, scalar),
        };
        event(judged)
    }

    #[inline(always)]
    fn close(&mut self, input: Input<'_>, _: Container, end: usize, _: usize) -> Event {
        event(self.close_frame(input, end))
    }
}

impl<'t> Judge<'_, 't> {
    pub(super) fn node(&self, id: NodeId) -> Option<&'t Node> {
        self.tree.nodes.get(id.index())
    }

    /// A value begins about which something is asked.
    fn begin_by_node(
        &mut self,
        input: Input<'_>,
        kinds: Kinds,
        start: usize,
    ) -> Result<(), Halted> {
        let mut id = self.state.next;
        let mut node = self.node(id);
        if let Some(choice) = node.and_then(|node| node.only_choice(kinds)) {
            id = choice;
            node = self.node(id);
        }
        let Some(node) = node else {
            let frames = self.state.frames.len();
            return self.state.unreadable(input, frames, "a schema");
        };
        if node.free.holds(kinds) {
            self.state.scalar = None;
            return Ok(());
        }
        let is_wanted = node.kinds.meets(kinds);
        if !is_wanted && self.state.pass == Pass::Trial {
            self.state.stopped = Stopped::Misfit;
            return Err(Halted);
        }
        if kinds != Kinds::OBJECT && kinds != Kinds::ARRAY {
            self.state.scalar = Some((id, kinds));
            return Ok(());
        }
        let state = &mut *self.state;
        if state.frames.len() + state.replays.len() >= DEEPEST_LEVEL {
            let frames = state.frames.len();
            let expected = "a value that takes fewer nested alternatives to check";
            return state.unreadable(input, frames, expected);
        }
        let inside = if kinds == Kinds::ARRAY {
            let rules = node.array.as_deref().filter(|_| is_wanted);
            let items = rules.map_or(NodeId::ANYTHING, |rules| rules.items);
            state.next = items;
            Inside::Array { items, count: 0 }
        } else {
            Inside::Object(Members {
                key: Text {
                    start,
                    end: start,
                    escaped: false,
                },
                keys: state.keys.open(),
                seen: Seen::default(),
            })
        };
        state.frames.push(Frame {
            start,
            node: id,
            is_wanted,
            noted: state.misfits.len(),
            inside,
        });
        Ok(())
    }

    /// The innermost array or object has ended.
    fn close_frame(&mut self, input: Input<'_>, end: usize) -> Result<(), Halted> {
        let Some(frame) = self.state.frames.pop() else {
            return Ok(());
        };
        let Some(node) = self.node(frame.node) else {
            return Ok(());
        };
        let kinds = match &frame.inside {
            Inside::Array { count, .. } => {
                let rules = node.array.as_deref().filter(|_| frame.is_wanted);
                self.close_array(input, rules, *count)?;
                Kinds::ARRAY
            }
            Inside::Object(members) => {
                let rules = node.object.as_deref().filter(|_| frame.is_wanted);
                self.close_object(input, rules, members)?;
                Kinds::OBJECT
            }
        };
        let ended = Ended {
            node: frame.node,
            kinds,
            start: frame.start,
            end,
        };
        self.end_value(input, node, ended, frame.is_wanted, frame.noted)
    }

    fn close_array(
        &mut self,
        input: Input<'_>,
        rules: Option<&ArrayRules>,
        count: u64,
    ) -> Result<(), Halted> {
        let Some(length) = rules.map(|rules| rules.length) else {
            return Ok(());
        };
        if (length.min..=length.max).contains(&count) {
            return Ok(());
        }
        self.state
            .misfit_found(input, || length.describe("item"), || format!("{count}"))
    }

    /// A value has been read to its end and judged by the node's own rules: whatever the node asks
    /// of the value as a whole comes now. `noted` misfits had been noted before it.
    #[inline(always)]
    pub(super) fn end_value(
        &mut self,
        input: Input<'_>,
        node: &'t Node,
        ended: Ended,
        is_wanted: bool,
        noted: usize,
    ) -> Result<(), Halted> {
        if !is_wanted {
            let Ended { start, end, .. } = ended;
            self.state
                .misfit(input, start, end, || node.kinds.describe())?;
        } else if let Some(more) = node.more.as_deref() {
            // A value that is wrong already need not be told in how many ways.
            if self.state.misfits.len() == noted {
                for choices in &more.choices {
                    self.choose(input, choices, ended)?;
                }
                if !more.all.is_empty() || !more.groups.is_empty() {
                    self.state.stopped = Stopped::Whole(ended);
                    return Err(Halted);
                }
            }
        }
        self.state.value_ended()
    }
}

impl Validation {
    /// A value has been judged; the one that may follow it in an array has its node.
    #[inline(always)]
    pub(super) fn value_ended(&mut self) -> Result<(), Halted> {
        if self.frames.len() == self.outside {
            self.stopped = Stopped::Ended;
            return Err(Halted);
        }
        if let Some(Frame {
            inside: Inside::Array { items, count },
            ..
        }) = self.frames.last_mut()
        {
            *count += 1;
            self.next = *items;
        }
        Ok(())
    }
}
