//! The consequences of each event for a run.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Moment, Run, RunState, StepFailure, StepPlan, StepState, StopCause};
use crate::lease::FencingToken;

/// Leases of one step that may be lost. A step that takes its process down with it each time must
/// end somewhere; fewer would fail runs over a few restarts of a server within an hour.
const MOST_LOSSES: u32 = 5;

/// Something that happens to a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// Somebody is free to work on steps of these kinds.
    Lease {
        /// The kinds that they can do.
        kinds: &'a [&'a str],
        /// How long they may be silent.
        length: Duration,
    },
    /// Whoever works on a step is alive.
    Renew {
        /// The place of the step.
        step: usize,
        /// The token of their lease.
        token: FencingToken,
        /// How long they may be silent from now on.
        length: Duration,
    },
    /// Whoever works on a step has done with it.
    Report {
        /// The place of the step.
        step: usize,
        /// The token of their lease.
        token: FencingToken,
        /// How the attempt ended.
        reported: Reported,
    },
    /// Whoever works on a step gives it back untouched or unfinished, to go away.
    Release {
        /// The place of the step.
        step: usize,
        /// The token of their lease.
        token: FencingToken,
    },
    /// Somebody wants the run to end.
    Cancel,
}

/// How an attempt ended, without what it made.
#[derive(Debug, Clone, PartialEq)]
pub enum Reported {
    /// The attempt did what it should.
    Success,
    /// It failed, and says why.
    Failure(StepFailure),
    /// It ended because the run stops.
    Cancelled,
}

/// Something that has to be done because of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A step is given to whoever asked.
    Grant(Grant),
    /// A lease now lasts until then.
    Renewed {
        /// The new end of the lease.
        until: Moment,
    },
    /// Whoever works on the step should end it: the run stops.
    AskToStop,
    /// The record of the step at this place changed.
    Changed(usize),
    /// The run is over. No event has an effect after this one.
    Ended(RunState),
}

/// A step that is given to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The place of the step.
    pub step: usize,
    /// The token of the lease.
    pub token: FencingToken,
    /// The number of the attempt, from 1, losses included.
    pub attempt: u32,
    /// When the lease ends unless it is renewed.
    pub until: Moment,
    /// When the attempt has taken too long.
    pub deadline: Moment,
}

/// A lease that is no longer the step's: whoever holds it must stop, and is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lease has ended, and the step is no longer this worker's")]
pub struct Fenced;

impl Run {
    /// Lets `event` happen at `now`; gives what has to be done.
    ///
    /// # Errors
    /// [`Fenced`], and nothing changes, if the event is of a lease that is no longer the step's.
    pub fn apply(
        &mut self,
        plan: &[StepPlan],
        now: Moment,
        event: Event<'_>,
    ) -> Result<Vec<Effect>, Fenced> {
        let was_final = self.state.is_final();
        let mut change = Change {
            run: self,
            plan,
            now,
            changed: BTreeSet::new(),
            effects: Vec::new(),
        };
        match event {
            Event::Lease { kinds, length } => {
                change.end_lost_leases();
                change.settle();
                change.grant(kinds, length);
            }
            Event::Renew {
                step,
                token,
                length,
            } => change.renew(step, token, length)?,
            Event::Report {
                step,
                token,
                reported,
            } => change.report(step, token, reported)?,
            Event::Release { step, token } => {
                change.held(step, token)?;
                change.set(step, StepState::Ready { due: now });
            }
            Event::Cancel => {
                if !was_final {
                    change.run.stop.get_or_insert(StopCause::Cancellation);
                }
                change.end_lost_leases();
            }
        }
        change.settle();
        let Change {
            mut effects,
            changed,
            ..
        } = change;
        effects.extend(changed.into_iter().map(Effect::Changed));
        if !was_final && self.state.is_final() {
            effects.push(Effect::Ended(self.state));
        }
        Ok(effects)
    }
}

/// A run while an event happens to it.
struct Change<'a> {
    run: &'a mut Run,
    plan: &'a [StepPlan],
    now: Moment,
    changed: BTreeSet<usize>,
    effects: Vec<Effect>,
}

impl Change<'_> {
    fn set(&mut self, step: usize, state: StepState) {
        if let Some(record) = self.run.steps.get_mut(step)
            && record.state != state
        {
            record.state = state;
            self.changed.insert(step);
        }
    }

    /// The deadline of the attempt that `token` stands for.
    fn held(&self, step: usize, token: FencingToken) -> Result<Moment, Fenced> {
        match self.run.steps.get(step) {
            Some(record) if record.token == token => match record.state {
                StepState::Running { deadline, .. } => Ok(deadline),
                _ => Err(Fenced),
            },
            _ => Err(Fenced),
        }
    }

    fn end_lost_leases(&mut self) {
        for step in 0..self.run.steps.len() {
            let Some(record) = self.run.steps.get_mut(step) else {
                continue;
            };
            let StepState::Running { until, deadline } = record.state else {
                continue;
            };
            if until > self.now {
                continue;
            }
            if deadline <= self.now {
                self.fail(step, took_too_long());
                continue;
            }
            record.losses += 1;
            let failure = StepFailure::passing(
                "lost",
                "the process that worked on the step died or lost touch with the database",
            );
            match record.losses < MOST_LOSSES {
                true => {
                    record.failure = Some(failure);
                    self.set(step, StepState::Ready { due: self.now });
                }
                false => self.fail_for_good(step, failure),
            }
        }
    }

    fn grant(&mut self, kinds: &[&str], length: Duration) {
        if self.run.stop.is_some() || self.run.state.is_final() {
            return;
        }
        let is_due = |step: &usize| match self.run.steps.get(*step).map(|record| record.state) {
            Some(StepState::Ready { due }) => due <= self.now,
            _ => false,
        };
        let is_able = |step: &usize| {
            let plan = self.plan.get(*step);
            plan.is_some_and(|plan| kinds.contains(&plan.kind.as_str()))
        };
        let steps = 0..self.run.steps.len();
        let Some(step) = steps.into_iter().find(|step| is_due(step) && is_able(step)) else {
            return;
        };
        let (Some(plan), Some(record)) = (self.plan.get(step), self.run.steps.get_mut(step)) else {
            return;
        };
        record.token = record.token.next();
        let deadline = self.now.after(plan.timeout);
        let until = end_of_lease(self.now, length, deadline);
        let grant = Grant {
            step,
            token: record.token,
            attempt: record.attempts + record.losses + 1,
            until,
            deadline,
        };
        self.set(step, StepState::Running { until, deadline });
        self.run.state = RunState::Running;
        self.effects.push(Effect::Grant(grant));
    }

    fn renew(&mut self, step: usize, token: FencingToken, length: Duration) -> Result<(), Fenced> {
        let deadline = self.held(step, token)?;
        let until = end_of_lease(self.now, length, deadline);
        self.set(step, StepState::Running { until, deadline });
        self.effects.push(Effect::Renewed { until });
        if self.run.stop.is_some() {
            self.effects.push(Effect::AskToStop);
        }
        Ok(())
    }

    fn report(
        &mut self,
        step: usize,
        token: FencingToken,
        reported: Reported,
    ) -> Result<(), Fenced> {
        self.held(step, token)?;
        match reported {
            Reported::Success => {
                if let Some(record) = self.run.steps.get_mut(step) {
                    record.attempts += 1;
                    record.failure = None;
                }
                self.set(step, StepState::Succeeded);
            }
            Reported::Failure(failure) => self.fail(step, failure),
            // A runner that gives up unasked has not done the step.
            Reported::Cancelled if self.run.stop.is_none() => self.fail(
                step,
                StepFailure::passing("cancelled", "the step ended itself, unasked"),
            ),
            Reported::Cancelled => self.set(step, StepState::Cancelled),
        }
        Ok(())
    }

    /// An attempt failed: the step pauses for the next one, or has failed for good.
    fn fail(&mut self, step: usize, failure: StepFailure) {
        let (Some(plan), Some(record)) = (self.plan.get(step), self.run.steps.get_mut(step)) else {
            return;
        };
        record.attempts += 1;
        if failure.is_passing && record.attempts < u32::from(plan.retry.attempts) {
            let due = self.now.after(plan.retry.pause(record.attempts));
            record.failure = Some(failure);
            self.set(step, StepState::Ready { due });
        } else {
            self.fail_for_good(step, failure);
        }
    }

    fn fail_for_good(&mut self, step: usize, failure: StepFailure) {
        if let Some(record) = self.run.steps.get_mut(step) {
            record.failure = Some(failure);
        }
        if self.plan.get(step).is_some_and(|plan| !plan.required) {
            self.set(step, StepState::Skipped);
        } else {
            self.set(step, StepState::Failed);
            self.run.stop.get_or_insert(StopCause::Failure);
        }
    }

    /// Draws the consequences: what is ready by now, what never will be, and whether all is over.
    fn settle(&mut self) {
        if self.run.state.is_final() {
            return;
        }
        for step in 0..self.run.steps.len() {
            let state = self.run.steps.get(step).map(|record| record.state);
            match state {
                Some(StepState::Waiting | StepState::Ready { .. }) if self.run.stop.is_some() => {
                    self.set(step, StepState::Cancelled);
                }
                Some(StepState::Waiting) if self.may_begin(step) => {
                    self.set(step, StepState::Ready { due: self.now });
                }
                _ => {}
            }
        }
        let states = || self.run.steps.iter().map(|record| record.state);
        if states().all(StepState::is_final) {
            let is_through = states().all(StepState::lets_others_begin);
            self.run.state = match self.run.stop {
                Some(StopCause::Failure) => RunState::Failed,
                Some(StopCause::Cancellation) if !is_through => RunState::Cancelled,
                _ => RunState::Succeeded,
            };
        }
    }

    fn may_begin(&self, step: usize) -> bool {
        let lets_it = |before: &usize| {
            let record = self.run.steps.get(*before);
            record.is_some_and(|record| record.state.lets_others_begin())
        };
        self.plan
            .get(step)
            .is_some_and(|plan| plan.after.iter().all(lets_it))
    }
}

/// Nobody is given more silence after the deadline than before it.
fn end_of_lease(now: Moment, length: Duration, deadline: Moment) -> Moment {
    now.after(length).min(deadline.after(length))
}

/// The failure of an attempt that took longer than the step's time-out.
pub(crate) fn took_too_long() -> StepFailure {
    StepFailure::passing("timeout", "the step took longer than its time-out")
}
