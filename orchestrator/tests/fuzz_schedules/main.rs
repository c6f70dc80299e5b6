//! The life of a run under schedules in which workers die, messages are late, lost or doubled, and
//! the clock jumps.
//!
//! Each input is a schedule: its bytes choose the pipeline and what happens next. A ledger beside
//! the run keeps what was promised to whom, and says after each event what must not have happened.
//! Then the trouble ends, and the run must come to its end.

mod choices;

use std::collections::BTreeMap;
use std::time::Duration;

use orchestrator::definition::Retry;
use orchestrator::run::{Effect, Event, Fenced, Grant, Reported, Run, StepPlan};
use orchestrator::{FencingToken, Moment, RunState, StepFailure, StepState};

use choices::Choices;

const KINDS: [&str; 2] = ["one", "other"];
const LEASE: Duration = Duration::from_secs(30);
/// Leases of one step that may be lost before it fails, as the machine has it.
const MOST_LOSSES: u32 = 5;

#[test]
fn it_ends_every_run_exactly_once_whatever_dies_and_whenever() {
    fuzz::run("schedules", |bytes| {
        let mut choices = Choices::new(bytes);
        let mut world = World::new(&mut choices);
        for _ in 0..60 {
            world.happen(&mut choices);
        }
        world.come_to_the_end();
    });
}

/// A message of a worker on its way.
#[derive(Debug, Clone)]
enum Message {
    Renew(usize, FencingToken),
    Report(usize, FencingToken, Reported),
    Release(usize, FencingToken),
}

/// A run with everything around it.
struct World {
    plan: Vec<StepPlan>,
    run: Run,
    now: Moment,
    /// Leases whose workers still live, dead by the database's clock or not.
    workers: Vec<Grant>,
    mail: Vec<Message>,
    ledger: Ledger,
}

/// All that was promised so far.
#[derive(Default)]
struct Ledger {
    latest: BTreeMap<usize, FencingToken>,
    settled: BTreeMap<usize, FencingToken>,
    is_cancelled: bool,
    ends: Vec<RunState>,
}

impl World {
    fn new(choices: &mut Choices<'_>) -> Self {
        let count = 1 + choices.below(6);
        let plan: Vec<StepPlan> = (0..count).map(|step| plan_of(step, choices)).collect();
        let now = Moment(1_000_000_000);
        Self {
            run: Run::new(&plan, now),
            plan,
            now,
            workers: Vec::new(),
            mail: Vec::new(),
            ledger: Ledger::default(),
        }
    }

    /// Lets one thing happen that the input chooses.
    fn happen(&mut self, choices: &mut Choices<'_>) {
        match choices.below(16) {
            0..=3 => {
                let kinds = match choices.below(4) {
                    0 => &KINDS[..1],
                    1 => &KINDS[1..],
                    _ => &KINDS[..],
                };
                self.lease(kinds);
            }
            4..=7 => self.post(choices),
            8..=11 => self.deliver(choices),
            12..=13 => {
                let pause = Duration::from_secs(choices.below(90) as u64);
                self.now = self.now.after(pause);
            }
            // The clock of the database is set back, or far forward.
            14 => match choices.below(8) {
                0 => self.now = Moment(self.now.0 - 40_000),
                1 => self.now = self.now.after(Duration::from_hours(30)),
                _ => {}
            },
            _ => match choices.below(12) {
                0 => self.cancel(),
                // A worker dies, with or without a last word on its way.
                1..=6 if !self.workers.is_empty() => {
                    let worker = choices.below(self.workers.len());
                    self.workers.swap_remove(worker);
                }
                _ => {}
            },
        }
    }

    /// A living worker sends something; it may be sent twice.
    fn post(&mut self, choices: &mut Choices<'_>) {
        if self.workers.is_empty() {
            return;
        }
        let worker = choices.below(self.workers.len());
        let Grant { step, token, .. } = self.workers[worker];
        let message = match choices.below(8) {
            0..=2 => Message::Renew(step, token),
            3 => Message::Release(step, token),
            4 => Message::Report(step, token, Reported::Cancelled),
            5 => Message::Report(step, token, Reported::Failure(failure(choices))),
            _ => Message::Report(step, token, Reported::Success),
        };
        if !matches!(message, Message::Renew(..)) {
            self.workers.swap_remove(worker);
        }
        if choices.below(6) == 0 {
            self.mail.push(message.clone());
        }
        self.mail.push(message);
    }

    /// One message arrives, in no order; some never do.
    fn deliver(&mut self, choices: &mut Choices<'_>) {
        if self.mail.is_empty() {
            return;
        }
        let message = self.mail.swap_remove(choices.below(self.mail.len()));
        if choices.below(8) > 0 {
            self.arrive(message);
        }
    }

    fn arrive(&mut self, message: Message) {
        let (step, token) = match message {
            Message::Renew(step, token)
            | Message::Report(step, token, _)
            | Message::Release(step, token) => (step, token),
        };
        let is_of_the_last_lease = self.ledger.latest.get(&step) == Some(&token);
        let is_settled = self.ledger.settled.get(&step) == Some(&token);
        let ends_the_lease = !matches!(message, Message::Renew(..));
        let applied = match message {
            Message::Renew(step, token) => self.apply(Event::Renew {
                step,
                token,
                length: LEASE,
            }),
            Message::Report(step, token, reported) => self.apply(Event::Report {
                step,
                token,
                reported,
            }),
            Message::Release(step, token) => self.apply(Event::Release { step, token }),
        };
        if let Ok(effects) = applied {
            assert!(is_of_the_last_lease, "an older worker was heard");
            assert!(!is_settled, "a lease was ended twice");
            if ends_the_lease {
                self.ledger.settled.insert(step, token);
            }
            let asks = effects.contains(&Effect::AskToStop);
            let stops = self.run.stop.is_some();
            assert!(ends_the_lease || asks == stops, "a renewal does not say so");
        }
    }

    fn cancel(&mut self) {
        self.ledger.is_cancelled |= !self.run.state.is_final();
        self.apply(Event::Cancel)
            .expect("cancelling needs no lease");
    }

    fn lease(&mut self, kinds: &[&str]) -> Option<Grant> {
        let before = self.run.clone();
        let event = Event::Lease {
            kinds,
            length: LEASE,
        };
        let effects = self.apply(event).expect("leasing needs no lease");
        let grant = effects.iter().find_map(|effect| match effect {
            Effect::Grant(grant) => Some(*grant),
            _ => None,
        })?;
        let plan = &self.plan[grant.step];
        assert!(kinds.contains(&plan.kind.as_str()), "it cannot do that");
        assert_eq!(self.run.stop, None, "a run that stops began a step");
        assert!(!before.steps[grant.step].state.is_final());
        for &step in &plan.after {
            let state = self.run.steps[step].state;
            let is_over = matches!(state, StepState::Succeeded | StepState::Skipped);
            assert!(is_over, "a step began before what it waits for was over");
        }
        let last = self.ledger.latest.insert(grant.step, grant.token);
        assert!(
            last.is_none_or(|last| last < grant.token),
            "a token came again"
        );
        if let StepState::Running { until, .. } = before.steps[grant.step].state {
            assert!(until <= self.now, "a lease was taken from a living worker");
        }
        self.workers.push(grant);
        Some(grant)
    }

    /// Lets an event happen, and looks at what must hold after any.
    fn apply(&mut self, event: Event<'_>) -> Result<Vec<Effect>, Fenced> {
        let before = self.run.clone();
        let applied = self.run.apply(&self.plan, self.now, event);
        let Ok(effects) = &applied else {
            assert_eq!(self.run, before, "a refused event changed something");
            return applied;
        };
        let steps = before.steps.iter().zip(&self.run.steps).enumerate();
        for (step, (was, is)) in steps {
            let told = effects.contains(&Effect::Changed(step));
            assert!(was == is || told, "a change would not be saved");
            assert!(!was.state.is_final() || was == is, "an end was undone");
            assert!(is.attempts <= u32::from(self.plan[step].retry.attempts) + MOST_LOSSES);
            assert!(is.losses <= MOST_LOSSES, "a step was lost without end");
        }
        for effect in effects {
            if let Effect::Ended(state) = effect {
                self.ledger.ends.push(*state);
            }
        }
        assert!(self.ledger.ends.len() <= 1, "a run ended twice");
        assert!(!before.state.is_final() || before == self.run);
        applied
    }

    /// No more trouble: one worker does what there is to do. Each grant settles its step, and each
    /// step is granted at most once for what it may still fail by.
    fn come_to_the_end(&mut self) {
        self.workers.clear();
        let rounds = 4 + self.plan.len() * 2;
        for _ in 0..rounds {
            // Past every lease, deadline and pause.
            self.now = self.now.after(Duration::from_hours(48));
            while let Some(Grant { step, token, .. }) = self.lease(&KINDS) {
                self.arrive(Message::Report(step, token, Reported::Success));
            }
        }
        for message in std::mem::take(&mut self.mail) {
            self.arrive(message);
        }
        self.judge_the_end();
    }

    fn judge_the_end(&self) {
        assert_eq!(self.ledger.ends, [self.run.state], "no end, or another one");
        let all = |states: &[StepState]| {
            let mut steps = self.run.steps.iter();
            steps.all(|step| states.contains(&step.state))
        };
        let some_required_failed = self.run.steps.iter().zip(&self.plan).any(|(step, plan)| {
            assert!(plan.required || step.state != StepState::Failed);
            assert!(!plan.required || step.state != StepState::Skipped);
            step.state == StepState::Failed
        });
        match self.run.state {
            RunState::Succeeded => assert!(all(&[StepState::Succeeded, StepState::Skipped])),
            RunState::Failed => assert!(some_required_failed),
            RunState::Cancelled => assert!(self.ledger.is_cancelled),
            RunState::Pending | RunState::Running => panic!("it never ended"),
        }
        assert!(!some_required_failed || self.run.state != RunState::Succeeded);
    }
}

fn plan_of(step: usize, choices: &mut Choices<'_>) -> StepPlan {
    StepPlan {
        kind: KINDS[choices.below(2)].to_owned(),
        after: (0..step).filter(|_| choices.below(3) == 0).collect(),
        required: choices.below(4) > 0,
        timeout: Duration::from_secs(1 + choices.below(120) as u64),
        retry: Retry {
            attempts: 1 + u16::from(choices.below(3) as u8),
            backoff_s: choices.below(20) as u32,
        },
    }
}

fn failure(choices: &mut Choices<'_>) -> StepFailure {
    match choices.below(2) {
        0 => StepFailure::lasting("wrong", "the statement is wrong"),
        _ => StepFailure::passing("down", "the service is down"),
    }
}
