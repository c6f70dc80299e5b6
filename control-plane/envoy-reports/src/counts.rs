//! The counts that are kept of each Envoy.

/// The numbers that an Envoy has counted in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficCounts {
    /// Requests to the watched listeners that were answered.
    pub requests: u64,
    /// Those that were answered with a status of 500 or above.
    pub failed_answers: u64,
    /// Requests to the watched servers that failed: a status of 500 or above, no answer, or no such
    /// server. Their callers may read of it under another status.
    pub failed_upstream: u64,
    /// Calls of tools that the filter decided on.
    pub calls: u64,
    /// Requests that the filter answered itself.
    pub refusals: u64,
    /// Calls that passed only because validation is in shadow.
    pub shadowed: u64,
    /// How often a virtual machine of the filter was made anew after it had failed.
    pub reloads: u64,
}

impl TrafficCounts {
    /// How many requests failed. A failure of a server is mostly one of its answer too, so the
    /// larger of the two counts stands for both.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failed_answers.max(self.failed_upstream)
    }

    /// The counts since `earlier`, of the same Envoy.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.with(earlier, u64::saturating_sub)
    }

    /// The counts of both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    fn with(&self, other: &Self, of_each: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            requests: of_each(self.requests, other.requests),
            failed_answers: of_each(self.failed_answers, other.failed_answers),
            failed_upstream: of_each(self.failed_upstream, other.failed_upstream),
            calls: of_each(self.calls, other.calls),
            refusals: of_each(self.refusals, other.refusals),
            shadowed: of_each(self.shadowed, other.shadowed),
            reloads: of_each(self.reloads, other.reloads),
        }
    }
}
