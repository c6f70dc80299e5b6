//! Reports of a call's progress to a client that asked for them.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

/// Sends one report to the client of one call.
pub trait ProgressListener: Send + Sync {
    /// Sends that `done` of `total` has been done.
    fn report(&self, done: f64, total: Option<f64>, message: Option<String>) -> BoxFuture<'_, ()>;
}

/// The way of progress reports to the client; it leads nowhere where nobody asked for them.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<dyn ProgressListener>>);

impl Progress {
    /// Reports go to `listener`.
    pub fn to(listener: impl ProgressListener + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Whether anybody hears of progress; what costs something to find out need not be asked
    /// otherwise.
    pub fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Tells the client that `done` of `total` has been done. `done` must grow from report to
    /// report (MCP, basic utilities, progress).
    pub async fn report(&self, done: f64, total: Option<f64>, message: Option<String>) {
        if let Some(listener) = &self.0 {
            listener.report(done, total, message).await;
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heard = if self.is_heard() { "heard" } else { "unheard" };
        write!(f, "Progress({heard})")
    }
}
