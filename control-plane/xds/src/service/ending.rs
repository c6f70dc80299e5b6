//! The moment at which this server ends a conversation, and its words then.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tonic::Status;

use crate::{Publisher, clock::DeadlineClock, publisher::Closing};

/// The moment at which this server ends a conversation: when it has lasted for long, or earlier
/// when the server stops. Conversations that began together end at different times, so that their
/// Envoys do not all come back at once.
pub(super) struct Ending {
    clock: DeadlineClock,
    closing: watch::Receiver<Closing>,
    is_closing: bool,
    at: Instant,
}

impl Ending {
    /// The end of a conversation that begins now and may last for `age`, and up to a tenth more.
    pub(super) fn of(publisher: &Publisher, age: Duration) -> Self {
        let clock = publisher.clock().clone();
        let now = clock.now();
        let closing = publisher.closing();
        let is_closing = *closing.borrow() != Closing::No;
        Self {
            at: match is_closing {
                true => now,
                false => now + age + random_part(age / 10),
            },
            clock,
            closing,
            is_closing,
        }
    }

    /// Waits until the conversation is to end, and says why.
    pub(super) async fn come(&mut self) -> Status {
        loop {
            tokio::select! {
                biased;
                () = self.clock.wait_until(Some(self.at)) => return self.words(),
                changed = self.closing.changed(), if !self.is_closing => {
                    self.is_closing = true;
                    let now = self.clock.now();
                    self.at = match (changed, *self.closing.borrow_and_update()) {
                        (Ok(()), Closing::Within(within)) => self.at.min(now + random_part(within)),
                        (Ok(()), Closing::No) => self.at,
                        // The publisher is gone.
                        (Err(_), _) => now,
                    };
                }
            }
        }
    }

    fn words(&self) -> Status {
        match self.is_closing {
            true => is_stopping(),
            false => Status::unavailable("the stream has been open for long: open it anew"),
        }
    }
}

/// Waits until the server stops, for what has nothing to lose by ending at once.
pub(super) async fn stopping(closing: &mut watch::Receiver<Closing>) -> Status {
    // An error means that the publisher is gone, which is a stop too.
    let _ = closing.wait_for(|closing| *closing != Closing::No).await;
    is_stopping()
}

fn is_stopping() -> Status {
    Status::unavailable("the control plane is stopping: reconnect")
}

/// A random part of a time, not less than a thousandth of it: nobody's turn is at once.
pub(super) fn random_part(whole: Duration) -> Duration {
    let share = RandomState::new().hash_one(()) % 1000 + 1;
    whole * u32::try_from(share).unwrap_or_default() / 1000
}
