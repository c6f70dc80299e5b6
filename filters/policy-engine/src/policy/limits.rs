//! The limits of a call: where their buckets are, and the verdict from their states.

use super::Policy;
use crate::decision::{Bucket, PendingLimits, Verdict, Writes};
use crate::item_policy::ItemPolicy;
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
            Some(item) => pending.resume(item, states, now),
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
        let limits = self.limits_of(pending).map(|item| &*item.limits);
        let bucket = pending.buckets().get(bucket);
        let limit = limits.and_then(|limits| bucket?.limit(limits));
        limit.map_or(stored, |limit| limit.rate.refund(stored))
    }

    /// The slot of each bucket and its fingerprint there, in the order of
    /// [`PendingLimits::buckets`].
    pub fn places<'a>(
        &'a self,
        pending: &'a PendingLimits,
        key: &'a HashKey,
    ) -> impl Iterator<Item = (SlotIndex, Fingerprint)> + 'a {
        let limits = self.limits_of(pending).map(|item| &*item.limits);
        let place = move |bucket: &'a Bucket| Some(bucket.place(bucket.limit(limits?)?, key));
        pending.buckets().iter().filter_map(place)
    }

    /// The policy whose limits a call's buckets belong to; none where they are of another policy.
    fn limits_of<'a>(&'a self, pending: &'a PendingLimits) -> Option<&'a ItemPolicy> {
        let item = self.tools.policy_of(pending.item())?;
        let mut buckets = pending.buckets().iter();
        let are_own = buckets.all(|bucket| bucket.limit(&item.limits).is_some());
        are_own.then_some(item)
    }
}
