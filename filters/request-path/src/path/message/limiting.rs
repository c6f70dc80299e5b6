//! The limits of a call, asked step by step.

use policy_engine::settlement::{Settled, Settlement, SettlementStep};
use policy_engine::{Item, PendingLimits};

use super::{MessageFate, MessageInHand};
use crate::answer::Answer;
use crate::effects::{Effect, Effects, Event, Next};
use crate::settings::Settings;

/// How far the limits of a call have been asked.
#[derive(Default)]
#[expect(
    clippy::large_enum_variant,
    reason = "the message is in a box already; another would cost each limited call an allocation"
)]
pub(super) enum Limiting {
    /// There are none, or they have been settled.
    #[default]
    Idle,
    /// They are to be asked once the time of day is known.
    Begins(PendingLimits),
    /// One of their slots is being read or written.
    Settles(Settlement),
}

impl MessageInHand {
    /// Goes on with the answer to what the limits asked for.
    pub(super) fn go_on_limiting(
        &mut self,
        settings: &Settings,
        answer: &Event<'_>,
        effects: &mut Effects,
    ) -> MessageFate {
        let Some(item) = self.item.clone() else {
            return Answer::not_ready().into();
        };
        let policy = &settings.policy;
        let step = match (&mut self.limiting, answer) {
            (Limiting::Settles(settlement), Event::Slot { bytes, version }) => {
                settlement.on_read(policy, bytes, *version)
            }
            (Limiting::Settles(settlement), Event::Written(stored)) => {
                settlement.on_written(*stored)
            }
            (limiting, Event::TimeOfDay(now)) => {
                let Limiting::Begins(pending) = std::mem::take(limiting) else {
                    return self.limits_unavailable(item);
                };
                let key = &settings.hash_key;
                let mut settlement = Settlement::new(policy, pending, key, *now);
                let step = settlement.begin(policy);
                *limiting = Limiting::Settles(settlement);
                step
            }
            // Nobody asked for this.
            _ => return self.limits_unavailable(item),
        };
        MessageFate::Ask(match step {
            SettlementStep::Read(slot) => Next::Read(slot),
            SettlementStep::Write {
                slot,
                bytes,
                version,
            } => Next::Write {
                slot,
                bytes,
                version,
            },
            SettlementStep::Settled(settled) => {
                if let (Settled::Unavailable(why), Limiting::Settles(settlement)) =
                    (&settled, &self.limiting)
                {
                    let line = settings.warnings.line(settlement.now(), why);
                    effects.extend(line.map(Effect::Warn));
                }
                self.limiting = Limiting::Idle;
                let fate = self.end_limiting(item.clone(), settled, effects);
                effects.push(Effect::Called(item));
                return fate;
            }
        })
    }

    fn end_limiting(&mut self, item: Item, settled: Settled, effects: &mut Effects) -> MessageFate {
        match settled {
            Settled::Passed(plan) => self.pass(plan, effects),
            Settled::Refused(refusal) => MessageFate::Refuse {
                answer: Answer::refused(&refusal, self.announced.era),
                item: Some(item),
            },
            Settled::Unavailable(_) => self.limits_unavailable(item),
        }
    }

    fn limits_unavailable(&self, item: Item) -> MessageFate {
        MessageFate::Refuse {
            answer: Answer::limits_unavailable(item.kind(), self.announced.era),
            item: Some(item),
        }
    }
}
