//! How many bytes of the disk results may take, all of them and each one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes of the disk that results take, and the most that they may.
#[derive(Debug)]
pub(crate) struct Quota {
    most: u64,
    used: AtomicU64,
}

impl Quota {
    pub(crate) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self {
            most,
            used: AtomicU64::new(0),
        })
    }

    /// The most bytes that one result may have: half of all, so that one caller does not shut out
    /// the others.
    pub(crate) fn most_of_one(&self) -> u64 {
        self.most / 2
    }

    /// The bytes that are taken now.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes note of the bytes that the files on the disk have.
    pub(crate) fn set_used(&self, bytes: u64) {
        self.used.store(bytes, Ordering::Relaxed);
    }

    /// Takes so many bytes, if together with all others they are no more than `share` of the
    /// quota, in hundredths.
    fn take(&self, bytes: u64, share: u64) -> bool {
        let most = self.most / 100 * share;
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|used| *used <= most)
            });
        taken.is_ok()
    }

    fn give_back(&self, bytes: u64) {
        let _ = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                Some(used.saturating_sub(bytes))
            });
    }
}

/// The part of a quota that one result has taken; given back when this is dropped, unless the
/// result is kept.
#[derive(Debug)]
pub(crate) struct Share {
    quota: Arc<Quota>,
    bytes: u64,
    /// Of the quota, in hundredths, that may be in use.
    most: u64,
}

/// Why a result cannot have more bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OverQuota {
    /// This one result is too large.
    One,
    /// All together are too many.
    All,
}

impl Share {
    /// Nothing yet, of a quota that may be used up to `most` hundredths.
    pub(crate) fn of(quota: &Arc<Quota>, most: u64) -> Self {
        Self {
            quota: Arc::clone(quota),
            bytes: 0,
            most,
        }
    }

    /// Takes more bytes of the quota.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<(), OverQuota> {
        if self.bytes + bytes > self.quota.most_of_one() {
            return Err(OverQuota::One);
        }
        if !self.quota.take(bytes, self.most) {
            return Err(OverQuota::All);
        }
        self.bytes += bytes;
        Ok(())
    }

    /// The bytes stay taken.
    pub(crate) fn keep(&mut self) {
        self.bytes = 0;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.quota.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_refuses_what_is_too_much_for_one_or_for_all_and_takes_back_what_is_not_kept() {
        let quota = Quota::new(1_000);
        let mut first = Share::of(&quota, 100);
        assert_eq!(first.take(500), Ok(()));
        assert_eq!(first.take(1), Err(OverQuota::One));
        let mut small = Share::of(&quota, 50);
        assert_eq!(small.take(1), Err(OverQuota::All));
        let mut second = Share::of(&quota, 100);
        assert_eq!(second.take(400), Ok(()));
        let mut third = Share::of(&quota, 100);
        assert_eq!(third.take(101), Err(OverQuota::All));
        assert_eq!(third.take(100), Ok(()));
        drop(third);
        first.keep();
        drop(second);
        assert_eq!(quota.used(), 500);
    }
}
