//! The engine's answers: a plan, a refusal, or the buckets that it must see first. All of them are
//! owned data, so that they outlive the look at the policy and cross the border of a component.

use std::time::Duration;

use smallvec::SmallVec;

use crate::ids::{ToolId, Trace};
use crate::item::Item;
use crate::item_policy::ItemPolicy;
use crate::limit::{Limit, PerPrincipal, part};
use crate::principal::Principal;
use crate::rate::{Admission, BucketState, BucketTime, UnixNanos};
use crate::refusal::{Refusal, rate_in_words};
use crate::schema::violation::Violation;
use crate::slots::{Fingerprint, HashKey, SlotIndex, slot_of};
use crate::target::TargetId;
use crate::wire::Credentials;

/// The arguments of a tool call, as far as its reader has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments<'a> {
    /// The call has no `params.arguments`; the same as `{}`.
    Absent,
    /// The bytes of `params.arguments`.
    Raw(&'a [u8]),
    /// Nobody looked, because [`Policy::needs_arguments`](crate::Policy::needs_arguments) said that
    /// nobody need.
    NotRead,
}

/// The answer to a call.
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// It does not pass.
    Refuse(Refusal),
    /// The call passes, by this plan.
    Allow(Plan),
    /// It passes if these buckets say so.
    Limit(PendingLimits),
}

/// The answer once the buckets were seen.
#[derive(Debug)]
#[must_use]
pub enum Verdict {
    /// It passes, once **all** of the writes are stored.
    Allow {
        /// The plan that the next stage asks for.
        plan: Plan,
        /// One for each bucket, in their order.
        writes: Writes,
    },
    /// It does not pass, and is counted nowhere.
    Refuse {
        /// The reason, in words for the caller.
        refusal: Refusal,
        /// The states to store for buckets whose rate has changed since they were written, so that
        /// the wait that the refusal names is true. It may fail: the next refusal says it again.
        writes: Writes,
    },
}

/// So many limits of one call cost no allocation: rules rarely lay more over each other.
pub const FEW_LIMITS: usize = 2;

/// The new states of a call's buckets.
pub type Writes = SmallVec<[Write; FEW_LIMITS]>;

/// A bucket's new state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// The bucket's place in [`PendingLimits::buckets`].
    pub bucket: usize,
    /// The state to store.
    pub time: BucketTime,
}

/// Leave to pass a message on, and how: ids of the policy that made it, and small values. It can be
/// kept, and carried to whoever carries it out; what its ids mean the policy says. Only the engine
/// makes one.
#[derive(Clone, Debug)]
#[must_use]
pub struct Plan {
    target: TargetId,
    item: Option<Item>,
    timeout: Option<Duration>,
    credentials: Credentials,
    trace: Trace,
    read: ArgumentsRead,
    shadowed: Vec<Violation>,
}

/// Whether the engine has read the arguments to their end, so that they are known to be JSON that
/// everyone reads alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentsRead {
    /// The engine has read the arguments to their end.
    Yes,
    /// It had no schema to read them by. If nobody else has read them, they must not pass.
    No,
}

impl Plan {
    /// The plan for a message that goes to a target, and concerns no item.
    pub(crate) fn to(target: TargetId, credentials: Credentials) -> Self {
        Self {
            target,
            item: None,
            timeout: None,
            credentials,
            trace: Trace::default(),
            read: ArgumentsRead::No,
            shadowed: Vec::new(),
        }
    }

    /// The same, for a use of an item about which these rules decide.
    pub(crate) fn calling(self, item: Item, trace: Trace, timeout: Option<Duration>) -> Self {
        Self {
            item: Some(item),
            timeout,
            trace,
            ..self
        }
    }

    /// The same, for a call whose arguments the engine has read.
    pub(crate) fn having_read(self, shadowed: Vec<Violation>) -> Self {
        Self {
            read: ArgumentsRead::Yes,
            shadowed,
            ..self
        }
    }

    /// Whether the engine has read the arguments.
    #[must_use]
    pub fn arguments_read(&self) -> ArgumentsRead {
        self.read
    }

    /// Where the message goes.
    #[must_use]
    pub fn target(&self) -> TargetId {
        self.target
    }

    /// How long the server may take; none where no rule says.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The fate of the credentials that the caller sends to the gateway.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.credentials
    }

    /// The tool that is called; none where the message is not a tool call.
    #[must_use]
    pub fn tool(&self) -> Option<ToolId> {
        self.item.as_ref().and_then(Item::tool)
    }

    /// The item that the message is about; none where no rule can be about it.
    #[must_use]
    pub fn item(&self) -> Option<&Item> {
        self.item.as_ref()
    }

    /// The rules that decide about the item; none of them where there is none.
    #[must_use]
    pub fn trace(&self) -> Trace {
        self.trace
    }

    /// The faults that were found in the arguments of a tool whose validation is in shadow.
    #[must_use]
    pub fn shadowed(&self) -> &[Violation] {
        &self.shadowed
    }
}

/// The buckets that a call must pass, and what is decided besides.
#[derive(Debug)]
pub struct PendingLimits {
    /// The item whose limits these are.
    item: Item,
    buckets: SmallVec<[Bucket; FEW_LIMITS]>,
    plan: Plan,
}

impl PendingLimits {
    pub(crate) fn new(item: Item, limits: &[Limit], principal: &Principal, plan: Plan) -> Self {
        let holding = limits.iter().enumerate();
        let holding = holding.filter(|(_, limit)| limit.counts(principal));
        let buckets = holding
            .map(|(place, limit)| Bucket::new(place, limit, principal))
            .collect();
        Self {
            item,
            buckets,
            plan,
        }
    }

    /// The buckets, never none. Read the state of each.
    #[must_use]
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Where the call goes if it passes.
    #[must_use]
    pub fn target(&self) -> TargetId {
        self.plan.target
    }

    pub(crate) fn item(&self) -> &Item {
        &self.item
    }

    /// The verdict, from the buckets' states in the order of [`Self::buckets`]; `item` has the
    /// limits.
    pub(crate) fn resume(
        &self,
        item: &ItemPolicy,
        states: &[BucketState],
        now: UnixNanos,
    ) -> Verdict {
        let mut writes = Writes::new();
        let mut restatements = Writes::new();
        let mut tightest: Option<(&Limit, Duration)> = None;
        for (index, bucket) in self.buckets.iter().enumerate() {
            let Some(limit) = bucket.limit(&item.limits) else {
                continue;
            };
            let state = states
                .get(index)
                .copied()
                .unwrap_or(BucketState::Inherited(UnixNanos(u64::MAX)));
            let write = |time| Write {
                bucket: index,
                time,
            };
            match limit.rate.admit(state, now) {
                Admission::Admitted(time) => writes.push(write(time)),
                Admission::Refused {
                    retry_after,
                    restated,
                } => {
                    restatements.extend(restated.map(write));
                    if tightest.is_none_or(|(_, longest)| retry_after > longest) {
                        tightest = Some((limit, retry_after));
                    }
                }
            }
        }
        match tightest {
            None => Verdict::Allow {
                plan: self.plan.clone(),
                writes,
            },
            Some((limit, retry_after)) => Verdict::Refuse {
                refusal: Refusal::Limited {
                    kind: item.kind,
                    name: item.name().to_owned(),
                    rule: limit.rule.to_string(),
                    limit: limit.id.to_string(),
                    rate: rate_in_words(limit.requests, limit.window_ms),
                    retry_after,
                },
                writes: restatements,
            },
        }
    }
}

/// One bucket of a limit.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The place of the limit among those of the item.
    limit: usize,
    /// The identity where the principal is part of it; none where callers share the bucket.
    own: Option<Vec<u8>>,
}

impl Bucket {
    fn new(place: usize, limit: &Limit, principal: &Principal) -> Self {
        let own = match (limit.principal, principal) {
            (PerPrincipal::No, _) | (_, Principal::Anonymous) => None,
            (PerPrincipal::Yes, Principal::Known { subject, .. }) => {
                Some(part(limit.identity.clone(), b'p', subject.as_bytes()))
            }
        };
        Self { limit: place, own }
    }

    /// The limit that the bucket is of, among those of its item.
    pub(crate) fn limit<'l>(&self, limits: &'l [Limit]) -> Option<&'l Limit> {
        limits.get(self.limit)
    }

    /// The slot of this bucket of a limit and its fingerprint there: what [`slot_of`] gives for its
    /// identity, hashed once where callers share the bucket.
    ///
    /// The identity tells the bucket from all others: server, rule, limit and the dimensions'
    /// values; never a revision or a position, so that limits survive changes of the configuration.
    pub(crate) fn place(&self, limit: &Limit, key: &HashKey) -> (SlotIndex, Fingerprint) {
        match &self.own {
            Some(own) => slot_of(key, own),
            None => {
                let common = &limit.common_bucket;
                common.place.of(key, &common.identity)
            }
        }
    }
}
