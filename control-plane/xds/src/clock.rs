//! The clock that deadlines are measured by: the machine's, or one that a test moves.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The clock that deadlines are measured by. By default the machine's.
#[derive(Clone, Debug, Default)]
pub struct DeadlineClock {
    simulated: Option<Simulated>,
}

#[derive(Clone, Debug)]
struct Simulated {
    start: Instant,
    elapsed: watch::Receiver<Duration>,
}

impl DeadlineClock {
    /// The present time by this clock.
    pub fn now(&self) -> Instant {
        match &self.simulated {
            Some(Simulated { start, elapsed }) => *start + *elapsed.borrow(),
            None => Instant::now(),
        }
    }

    /// Waits until `deadline` has come; for ever where there is none.
    pub async fn wait_until(&self, deadline: Option<Instant>) {
        match (deadline, self.simulated.clone()) {
            (None, _) => std::future::pending().await,
            (Some(deadline), None) => tokio::time::sleep_until(deadline.into()).await,
            (Some(deadline), Some(Simulated { start, mut elapsed })) => {
                let has_come = |elapsed: &Duration| start + *elapsed >= deadline;
                if elapsed.wait_for(has_come).await.is_err() {
                    // Nobody moves it any more.
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

/// A clock that stands still until it is moved, for tests.
#[derive(Debug)]
pub struct SimulatedClock {
    start: Instant,
    elapsed: watch::Sender<Duration>,
}

impl Default for SimulatedClock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            elapsed: watch::Sender::default(),
        }
    }
}

impl SimulatedClock {
    /// The clock, for what is to be tested.
    pub fn clock(&self) -> DeadlineClock {
        DeadlineClock {
            simulated: Some(Simulated {
                start: self.start,
                elapsed: self.elapsed.subscribe(),
            }),
        }
    }

    /// Moves the clock by so much.
    pub fn advance(&self, by: Duration) {
        self.elapsed.send_modify(|elapsed| *elapsed += by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_waits_until_a_simulated_clock_is_moved_past_the_deadline() {
        let simulated = SimulatedClock::default();
        let clock = simulated.clock();
        let deadline = clock.now() + Duration::from_secs(3600);
        let mut waiting = Box::pin(clock.wait_until(Some(deadline)));
        simulated.advance(Duration::from_secs(3599));
        assert!(futures::poll!(&mut waiting).is_pending());
        simulated.advance(Duration::from_secs(1));
        waiting.await;
        assert_eq!(clock.now(), deadline);
    }
}
