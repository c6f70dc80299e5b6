//! A session whose last stream has ended: where everything stood, and what the next stream has to
//! know. It keeps hashes, not contents: an Envoy that is away must not keep an old snapshot alive.

use super::{Session, TypeMemory, name_cost, standing::Position};
use crate::{DeliveryState, session::Process};

/// An ended session's own size, tables included, roughly, in bytes.
const EMPTY: usize = 1024;
/// A version: as long as a hash in hexadecimal at most, and what counts its owners.
const VERSION: usize = 80;

impl Session {
    /// Takes in that the last stream has ended: keeps what is still asked for, and lets go of the
    /// rest.
    pub(crate) fn end(&mut self) {
        let positions = self.positions();
        let mut types = self.memory(Process::Unknown).types;
        for memory in types.values_mut() {
            memory.keep_what_is_in_doubt();
        }
        self.memory.types = types;
        self.subscriptions.clear();
        self.snapshot = None;
        self.ended = Some(positions);
    }

    /// The memory that an ended session takes up, roughly, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let positions = self.ended.iter().flatten().map(bytes_of_position);
        let memories = self.memory.types.values().map(bytes_of_memory);
        EMPTY + positions.chain(memories).sum::<usize>()
    }
}

impl TypeMemory {
    /// Lets go of the good contents that would not be sent again: they go out in place of another
    /// content of their name only while it is not known whether Envoy would look at that.
    fn keep_what_is_in_doubt(&mut self) {
        let (rejections, unanswered) = (&self.rejections, &self.unanswered);
        self.good
            .retain(|name, _| rejections.contains_key(name) || unanswered.contains_key(name));
    }
}

fn bytes_of_position(position: &Position) -> usize {
    let words = match &position.state {
        DeliveryState::Rejected { message } => message.len(),
        DeliveryState::Blocked { behind } => behind.len(),
        DeliveryState::Acked
        | DeliveryState::Pending
        | DeliveryState::Sent
        | DeliveryState::Unknown => 0,
    };
    name_cost(&position.name) + 3 * VERSION + words
}

fn bytes_of_memory(memory: &TypeMemory) -> usize {
    let rejections = memory.rejections.iter();
    let rejections =
        rejections.map(|(name, rejection)| name_cost(name) + 2 * VERSION + rejection.message.len());
    let unanswered = memory.unanswered.keys().map(|name| name_cost(name));
    let good = memory.good.iter();
    let good = good.map(|(name, good)| name_cost(name) + good.content().len());
    let fetches = memory.fetches.keys().map(|name| name_cost(name));
    rejections
        .chain(unanswered)
        .chain(good)
        .chain(fetches)
        .sum()
}
