//! The limits of a call: where their buckets are, and the verdict from their states.

use super::{Policy, ToolPolicy};
use crate::decision::{Limit, PendingLimits, Verdict, Writes};
use crate::rate::{BucketState, BucketTime, UnixNanos};
use crate::refusal::Refusal;
use crate::slots::{Fingerprint, HashKey, SlotIndex};

impl Policy {
    /// The verdict on a call that limits watch, from the states of its buckets in the order of
    /// [`PendingLimits::buckets`]. A state that is missing refuses. May be asked again with newer
    /// states, as when a compare-and-set failed.
    pub fn resume(
        &self,
        pending: &PendingLimits,
        states: &[BucketState],
        now: UnixNanos,
    ) -> Verdict {
        match self.limits_of(pending) {
            Some((tool, limits)) => pending.resume((tool.name(), limits), states, now),
            None => Verdict::Refuse {
                refusal: Refusal::unknown_tool(b"?"),
                writes: Writes::new(),
            },
        }
    }

    /// The state that takes back one call from a bucket, given the state that is stored: for a host
    /// that has written some of a verdict's buckets when another one turned out to be full.
    #[must_use]
    pub fn refund(&self, pending: &PendingLimits, bucket: usize, stored: BucketTime) -> BucketTime {
        let limits = self.limits_of(pending).map(|(_, limits)| limits);
        let limit = limits.and_then(|limits| limits.get(bucket));
        limit.map_or(stored, |limit| limit.rate.refund(stored))
    }

    /// The slot of each bucket and its fingerprint there, in the order of
    /// [`PendingLimits::buckets`].
    pub fn places<'a>(
        &'a self,
        pending: &'a PendingLimits,
        key: &'a HashKey,
    ) -> impl Iterator<Item = (SlotIndex, Fingerprint)> + 'a {
        let limits = self.limits_of(pending).map(|(_, limits)| limits);
        let limits = limits.into_iter().flatten();
        let pairs = limits.zip(pending.buckets());
        pairs.map(|(limit, bucket)| bucket.place(limit, key))
    }

    /// The limits that a call's buckets belong to; none where they are of another policy.
    fn limits_of(&self, pending: &PendingLimits) -> Option<(&ToolPolicy, &[Limit])> {
        let tool = self.tools.get(pending.tool().index())?;
        let is_own = tool.limits.len() == pending.buckets().len();
        is_own.then_some((tool, &tool.limits))
    }
}
