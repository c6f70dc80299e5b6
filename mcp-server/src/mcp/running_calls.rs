//! The calls that run in sessions, so that a client can cancel one by the id of its request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::model::RequestId;
use tokio_util::sync::CancellationToken;

/// The calls that run in sessions.
#[derive(Debug, Default)]
pub struct RunningCalls {
    running: Mutex<HashMap<u64, RunningCall>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct RunningCall {
    session: String,
    request: RequestId,
    cancel: CancellationToken,
}

impl RunningCalls {
    /// Lets the session's client cancel a call as long as the result lives.
    pub fn enter(
        self: &Arc<Self>,
        session: String,
        request: RequestId,
        cancel: CancellationToken,
    ) -> CallGuard {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let call = RunningCall {
            session,
            request,
            cancel,
        };
        self.lock().insert(number, call);
        CallGuard {
            calls: Arc::clone(self),
            number,
        }
    }

    /// Cancels the named call of a session, or all of them.
    pub fn cancel(&self, session: &str, request: Option<&RequestId>) {
        for call in self.lock().values() {
            if call.session == session && request.is_none_or(|request| call.request == *request) {
                call.cancel.cancel();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, RunningCall>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that its client can cancel until this is dropped.
#[derive(Debug)]
pub struct CallGuard {
    calls: Arc<RunningCalls>,
    number: u64,
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.calls.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_cancels_the_named_call_of_the_named_session_alone() {
        let calls = Arc::new(RunningCalls::default());
        let token = CancellationToken::new;
        let [first, second, foreign] = [token(), token(), token()];
        let enter = |session: &str, id, token: &CancellationToken| {
            calls.enter(session.to_owned(), RequestId::Number(id), token.clone())
        };
        let _first = enter("ours", 1, &first);
        let second_guard = enter("ours", 2, &second);
        let _foreign = enter("other", 1, &foreign);
        calls.cancel("ours", Some(&RequestId::Number(1)));
        let fired = [&first, &second, &foreign].map(CancellationToken::is_cancelled);
        assert_eq!(fired, [true, false, false]);
        drop(second_guard);
        calls.cancel("ours", None);
        assert!(!second.is_cancelled());
        assert_eq!(calls.lock().len(), 2);
    }
}
