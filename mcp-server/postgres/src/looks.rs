//! Looks at the state of a database, which those who wait for one at the same time share.
//!
//! Many callers ask about the catalogue at once, and few sessions serve them. Whoever waits for a
//! session to look at the state with is told what one look finds that begins after all of them have
//! come: a thousand callers cost a few looks, not a thousand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};

/// The state that a look finds; nothing where it finds none in time, or PostgreSQL cannot tell.
pub(crate) type State = Option<Arc<str>>;

/// The work of a look.
pub(crate) type Look = BoxFuture<'static, State>;

/// The role that looks.
pub(crate) type Role = Option<Arc<str>>;

/// The looks that have not begun yet. One that nobody waits for any more is gone.
#[derive(Debug, Default)]
pub(crate) struct Looks(Mutex<Vec<(Role, WeakShared<Look>)>>);

impl Looks {
    /// The look of this role that has not begun yet, or else a new one.
    pub(crate) fn join(&self, role: &Role, look: impl FnOnce() -> Look) -> Shared<Look> {
        let mut waiting = self.lock();
        // One that has given up before it began is no look.
        waiting.retain(|(_, look)| look.upgrade().is_some_and(|look| look.peek().is_none()));
        let mut looks = waiting.iter().filter(|(of, _)| of == role);
        if let Some(shared) = looks.next().and_then(|(_, look)| look.upgrade()) {
            return shared;
        }
        let shared = look().shared();
        waiting.extend(shared.downgrade().map(|look| (role.clone(), look)));
        shared
    }

    /// Has whoever comes from now on wait for another look: of what they know this one may have
    /// seen nothing.
    pub(crate) fn begin(&self, role: &Role) {
        self.lock().retain(|(of, _)| of != role);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Role, WeakShared<Look>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::pending;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn it_looks_once_for_all_who_come_before_the_look_begins() {
        let looks = Arc::new(Looks::default());
        let (sessions, made) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let look = |role: &str| {
            let role: Role = Some(role.into());
            let (sessions, made) = (Arc::clone(&sessions), Arc::clone(&made));
            let (all, of) = (Arc::clone(&looks), role.clone());
            looks.join(&role, move || {
                async move {
                    sessions.acquire().await.expect("it stays open").forget();
                    all.begin(&of);
                    let number = made.fetch_add(1, Ordering::SeqCst);
                    Some(Arc::from(number.to_string()))
                }
                .boxed()
            })
        };
        let first: Vec<_> = (0..100).map(|_| look("reader")).collect();
        let other = look("writer");
        assert!(first[0].clone().now_or_never().is_none());
        sessions.add_permits(1);
        for look in first {
            assert_eq!(look.await.as_deref(), Some("0"));
        }
        sessions.add_permits(2);
        assert_eq!(other.await.as_deref(), Some("1"));
        assert_eq!(look("reader").await.as_deref(), Some("2"));
    }

    #[tokio::test]
    async fn it_forgets_a_look_that_nobody_waits_for() {
        let looks = Looks::default();
        drop(looks.join(&None, || pending().boxed()));
        let look = looks.join(&None, || async { Some(Arc::from("state")) }.boxed());
        assert_eq!(look.await.as_deref(), Some("state"));
        let next = looks.join(&None, || async { None }.boxed());
        assert_eq!(next.await, None);
        assert_eq!(looks.lock().len(), 1);
    }
}
