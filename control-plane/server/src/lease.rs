//! The lease by which this process leads, counted by this machine's monotonic clock.
//!
//! The store's own clock decides who may lead next. A process that cannot reach the store has to
//! know all the same from when on it may no longer act: its lease counts from the moment at which
//! the statement that renewed it was sent, which is before the store began to count.

use std::time::Instant;

use tokio::sync::watch;

/// The lease of a process that leads. Clones share it.
#[derive(Clone, Debug)]
pub struct Lease(watch::Receiver<LeaseEnd>);

/// Renews the lease of a process that leads.
#[derive(Debug)]
pub struct LeaseKeeper(watch::Sender<LeaseEnd>);

/// The end of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEnd {
    /// The process leads as long as it lives: nobody else can.
    Never,
    /// Another process may lead from then on, unless the lease is renewed before.
    At(Instant),
}

impl LeaseEnd {
    fn is_to_come(&self) -> bool {
        match self {
            Self::Never => true,
            Self::At(end) => Instant::now() < *end,
        }
    }
}

impl Lease {
    /// A lease that ends then.
    #[must_use]
    pub fn until(end: LeaseEnd) -> (LeaseKeeper, Self) {
        let (keeper, lease) = watch::channel(end);
        (LeaseKeeper(keeper), Self(lease))
    }

    /// The lease of a process that nobody can take over from.
    #[must_use]
    pub fn endless() -> Self {
        Self::until(LeaseEnd::Never).1
    }

    /// Whether this process leads for certain.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.borrow().is_to_come()
    }

    /// Waits until this process leads for certain; at once where it does.
    pub async fn held(&self) {
        if self.0.clone().wait_for(LeaseEnd::is_to_come).await.is_err() {
            // Nobody renews it any more.
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the lease has ended; at once where it has.
    pub async fn ended(&self) {
        let mut lease = self.0.clone();
        loop {
            let end = *lease.borrow_and_update();
            let over = async {
                match end {
                    LeaseEnd::Never => std::future::pending().await,
                    LeaseEnd::At(end) => tokio::time::sleep_until(end.into()).await,
                }
            };
            tokio::select! {
                () = over => return,
                Ok(()) = lease.changed() => {}
            }
        }
    }
}

impl LeaseKeeper {
    /// Has the lease end then, and not when it would have ended.
    pub fn renew(&self, end: LeaseEnd) {
        self.0.send_replace(end);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn it_is_held_until_its_end_and_again_when_it_is_renewed() {
        let (keeper, lease) = Lease::until(LeaseEnd::At(Instant::now()));
        assert!(!lease.is_held());
        lease.ended().await;
        assert_eq!(lease.held().now_or_never(), None);
        keeper.renew(LeaseEnd::At(Instant::now() + Duration::from_secs(3600)));
        assert!(lease.is_held());
        lease.held().await;
        assert_eq!(lease.ended().now_or_never(), None);
    }

    #[tokio::test]
    async fn it_wakes_those_who_wait_for_its_end_and_for_its_renewal() {
        let (keeper, lease) = Lease::until(LeaseEnd::Never);
        let mut ended = Box::pin(lease.ended());
        assert!(futures::poll!(&mut ended).is_pending());
        keeper.renew(LeaseEnd::At(Instant::now() + Duration::from_millis(1)));
        ended.await;
        let mut held = Box::pin(lease.held());
        assert!(futures::poll!(&mut held).is_pending());
        keeper.renew(LeaseEnd::Never);
        held.await;
    }

    #[test]
    fn it_never_ends_where_nobody_can_take_over() {
        let lease = Lease::endless();
        assert!(lease.is_held());
        assert_eq!(lease.held().now_or_never(), Some(()));
        assert_eq!(lease.ended().now_or_never(), None);
    }
}
