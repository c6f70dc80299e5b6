//! Counts the results that were kept, read and refused since this process started.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::NotKept;

/// The numbers of results and blocks since this process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResultCounts {
    /// Results that were kept whole.
    pub kept: u64,
    /// Blocks that were written, of results that were given up later too.
    pub blocks_written: u64,
    /// Blocks that were read.
    pub blocks_read: u64,
    /// Results that were not kept because of the bytes that one, or all, may have.
    pub over_quota: u64,
    /// Results that were not kept because the disk is nearly full or refused them.
    pub refused_by_disk: u64,
}

/// The same while they grow.
#[derive(Debug, Default)]
pub(crate) struct GrowingCounts {
    kept: AtomicU64,
    blocks_written: AtomicU64,
    blocks_read: AtomicU64,
    over_quota: AtomicU64,
    refused_by_disk: AtomicU64,
}

impl GrowingCounts {
    pub(crate) fn note_kept(&self) {
        add_one(&self.kept);
    }

    pub(crate) fn note_written(&self) {
        add_one(&self.blocks_written);
    }

    pub(crate) fn note_read(&self) {
        add_one(&self.blocks_read);
    }

    pub(crate) fn note_refused(&self, why: &NotKept) {
        match why {
            NotKept::NotAsked => {}
            NotKept::TooLarge { .. } | NotKept::QuotaUsed { .. } => add_one(&self.over_quota),
            NotKept::DiskNearlyFull | NotKept::Disk(_) => add_one(&self.refused_by_disk),
        }
    }

    pub(crate) fn now(&self) -> ResultCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ResultCounts {
            kept: count(&self.kept),
            blocks_written: count(&self.blocks_written),
            blocks_read: count(&self.blocks_read),
            over_quota: count(&self.over_quota),
            refused_by_disk: count(&self.refused_by_disk),
        }
    }
}

fn add_one(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
