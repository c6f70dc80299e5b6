//! Values that are looked at again, once it is known where they end: `allOf`, `anyOf`, `oneOf`,
//! `$ref`. The reader is sent back to where the value begins, for each schema anew; what is open
//! then lies in a list, not on the stack.

use json_reader::{Input, Resume, Scanner};
use step_count::count;

use super::{CheckProgress, Halted, LOOK, Pass, Stopped, Validation};
use crate::schema::tree::{Group, Kinds, More, NodeId, Tree, Wanted};

/// A value that has been read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// The node by which it has been judged.
    pub(super) node: NodeId,
    pub(super) kinds: Kinds,
    /// Offset of its first byte.
    pub(super) start: usize,
    /// Offset behind its last byte.
    pub(super) end: usize,
}

/// A value that is looked at again.
#[derive(Debug)]
pub(super) struct Replay {
    value: Ended,
    /// How many arrays and objects are open around it, for the reader and for the judge, who knows
    /// nothing of those around the whole.
    depth: usize,
    frames: usize,
    /// The pass in which it was read before, and what was open around the value of that pass.
    pass: Pass,
    outside: usize,
    step: Step,
}

/// The schema by which a value is judged at present.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The schemas that it must fit, as many of them as have been begun.
    All(usize),
    Group(Tried),
    /// The one alternative of that group that was possible, for its reasons.
    Reasons(usize),
}

/// The alternatives of one group that have been tried.
#[derive(Clone, Copy, Debug)]
struct Tried {
    group: usize,
    /// How many of its nodes have been looked at.
    nodes: usize,
    fitting: usize,
    possible: usize,
    likely: Option<NodeId>,
}

impl Replay {
    /// Offset behind the value's last byte.
    pub(super) fn end(&self) -> usize {
        self.value.end
    }
}

impl Tried {
    fn none_of(group: usize) -> Self {
        Self {
            group,
            nodes: 0,
            fitting: 0,
            possible: 0,
            likely: None,
        }
    }
}

/// The outcome of a look at a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Fits,
    Misfits,
}

/// The next step with a value that is looked at again.
enum Next {
    /// The reader goes over it.
    Read,
    /// All has been asked of it.
    Over,
}

impl Validation {
    pub(super) fn is_looking_again(&self) -> bool {
        !self.replays.is_empty()
    }

    /// Does what the reader was stopped for, until it can go on or the judgement is over.
    pub(super) fn go_on(&mut self, tree: &Tree, scanner: &mut Scanner, input: Input<'_>) {
        loop {
            let done = match self.stopped {
                Stopped::Unreadable => return,
                Stopped::Whole(value) => {
                    self.replays.push(Replay {
                        value,
                        depth: scanner.depth(),
                        frames: self.frames.len(),
                        pass: self.pass,
                        outside: self.outside,
                        step: Step::All(0),
                    });
                    self.look_on(tree, scanner, input)
                }
                Stopped::Ended if self.replays.is_empty() => {
                    self.progress = CheckProgress::Ended;
                    return;
                }
                Stopped::Ended => self.looked(tree, scanner, input, Look::Fits),
                Stopped::Misfit => self.looked(tree, scanner, input, Look::Misfits),
            };
            if done.is_ok() {
                return;
            }
        }
    }

    /// A look at the innermost value that is looked at again is over.
    fn looked(
        &mut self,
        tree: &Tree,
        scanner: &mut Scanner,
        input: Input<'_>,
        look: Look,
    ) -> Result<(), Halted> {
        let Some(replay) = self.replays.last_mut() else {
            // Only trials are ended by a misfit, and they are looks at a value.
            self.progress = CheckProgress::Ended;
            return Ok(());
        };
        self.pass = replay.pass;
        self.outside = replay.outside;
        match (&mut replay.step, look) {
            (Step::Group(tried), Look::Fits) => tried.fitting += 1,
            (Step::Group(_), Look::Misfits) | (_, Look::Fits) => {}
            // So the value around it that is being tried does not fit.
            (Step::All(_) | Step::Reasons(_), Look::Misfits) => {
                self.leave_replay();
                self.stopped = Stopped::Misfit;
                return Err(Halted);
            }
        }
        self.look_on(tree, scanner, input)
    }

    /// Looks at the innermost value again by the next schema; where none is left, goes on behind
    /// it.
    fn look_on(
        &mut self,
        tree: &Tree,
        scanner: &mut Scanner,
        input: Input<'_>,
    ) -> Result<(), Halted> {
        let Some((value, depth)) = self.replays.last().map(|last| (last.value, last.depth)) else {
            return Ok(());
        };
        // A trial that ended early has left open what was open in it.
        self.close_to_replay();
        let node = tree.nodes.get(value.node.index());
        let next = match node.and_then(|node| node.more.as_deref()) {
            Some(more) => self.next_look(tree, more, value, input),
            None => Ok(Next::Over),
        };
        match next {
            Ok(Next::Read) => {
                scanner.go_to(value.start, depth, Resume::BeforeValue);
                Ok(())
            }
            Ok(Next::Over) => {
                self.leave_replay();
                scanner.go_to(value.end, depth, Resume::BehindValue);
                self.value_ended()
            }
            Err(Halted) => {
                if self.stopped == Stopped::Misfit {
                    self.leave_replay();
                }
                Err(Halted)
            }
        }
    }

    /// The next schema by which the innermost value is looked at again.
    fn next_look(
        &mut self,
        tree: &Tree,
        more: &More,
        value: Ended,
        input: Input<'_>,
    ) -> Result<Next, Halted> {
        loop {
            let Some(replay) = self.replays.last_mut() else {
                return Ok(Next::Over);
            };
            match &mut replay.step {
                Step::All(begun) => {
                    if let Some(node) = more.all.get(*begun).copied() {
                        *begun += 1;
                        let pass = match replay.pass {
                            Pass::Trial => Pass::Trial,
                            Pass::First | Pass::Again => Pass::Again,
                        };
                        return self.look_by(node, pass, value, input);
                    }
                    replay.step = Step::Group(Tried::none_of(0));
                }
                Step::Reasons(group) => replay.step = Step::Group(Tried::none_of(*group + 1)),
                Step::Group(tried) => {
                    let Some(group) = more.groups.get(tried.group) else {
                        return Ok(Next::Over);
                    };
                    if tried.nodes == 0 {
                        // Alternatives of other kinds are looked at, too, if only to pass them by.
                        count(group.nodes.len());
                        self.charge(input, value.end, group.nodes.len())?;
                    }
                    if let Some(node) = self.next_alternative(tree, group, value.kinds) {
                        return self.look_by(node, Pass::Trial, value, input);
                    }
                    if let Some(node) = self.end_group(tree, group, value, input)? {
                        return self.look_by(node, Pass::Again, value, input);
                    }
                }
            }
        }
    }

    /// The next alternative that has a chance, where another one is worth trying.
    fn next_alternative(&mut self, tree: &Tree, group: &Group, kinds: Kinds) -> Option<NodeId> {
        let Some(Replay {
            step: Step::Group(tried),
            ..
        }) = self.replays.last_mut()
        else {
            return None;
        };
        if tried.fitting > 0 && group.wanted == Wanted::Some {
            return None;
        }
        while let Some(node) = group.nodes.get(tried.nodes).copied() {
            tried.nodes += 1;
            // A value of the wrong kind never fits; this saves most trials.
            if accepts(tree, node).meets(kinds) {
                tried.possible += 1;
                tried.likely = Some(node);
                return Some(node);
            }
        }
        None
    }

    /// All alternatives of a group have been tried that need be. Gives the one to be looked at for
    /// its reasons, where there is one.
    fn end_group(
        &mut self,
        tree: &Tree,
        group: &Group,
        value: Ended,
        input: Input<'_>,
    ) -> Result<Option<NodeId>, Halted> {
        let Some(replay) = self.replays.last_mut() else {
            return Ok(None);
        };
        let Step::Group(tried) = replay.step else {
            return Ok(None);
        };
        replay.step = Step::Group(Tried::none_of(tried.group + 1));
        match (tried.fitting, tried.likely) {
            (1, _) => {}
            // With one alternative in question its own reasons say more than that none fits.
            (0, Some(node)) if tried.possible == 1 && replay.pass != Pass::Trial => {
                replay.step = Step::Reasons(tried.group);
                return Ok(Some(node));
            }
            (0, _) => {
                self.misfit(input, value.start, value.end, || alternatives(tree, group))?;
            }
            (several, _) => self.misfit(input, value.start, value.end, || {
                format!(
                    "exactly one of {} alternatives to fit, not {several}",
                    group.nodes.len()
                )
            })?,
        }
        Ok(None)
    }

    fn look_by(
        &mut self,
        node: NodeId,
        pass: Pass,
        value: Ended,
        input: Input<'_>,
    ) -> Result<Next, Halted> {
        count(LOOK);
        self.charge(input, value.end, LOOK + value.end - value.start)?;
        self.pass = pass;
        self.next = node;
        self.outside = self.frames.len();
        Ok(Next::Read)
    }

    /// Closes what a trial has left open.
    fn close_to_replay(&mut self) {
        if let Some(replay) = self.replays.last() {
            self.frames.truncate(replay.frames);
        }
    }

    /// Leaves the innermost value that is looked at again.
    fn leave_replay(&mut self) {
        self.close_to_replay();
        if let Some(replay) = self.replays.pop() {
            self.pass = replay.pass;
            self.outside = replay.outside;
        }
    }
}

fn accepts(tree: &Tree, id: NodeId) -> Kinds {
    let node = tree.nodes.get(id.index());
    node.map_or(Kinds::NONE, |node| node.accepts)
}

/// Says which kinds the alternatives have in common.
fn alternatives(tree: &Tree, group: &Group) -> String {
    let kinds = group.nodes.iter().map(|node| accepts(tree, *node));
    format!(
        "{} that fits one of {} alternatives",
        kinds.fold(Kinds::NONE, Kinds::or).describe(),
        group.nodes.len()
    )
}
