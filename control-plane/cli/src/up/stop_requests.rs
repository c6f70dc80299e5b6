//! The signals by which `up` is asked to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C, and the signal that `portcullis down` and service managers send.
pub(crate) struct StopRequests {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl StopRequests {
    /// From now on the signals no longer end this process by themselves.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Returns when one has come.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
