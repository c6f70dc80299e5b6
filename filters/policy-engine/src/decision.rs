//! The engine's answers: a permit, a refusal, or the buckets that it must see first.

use std::time::Duration;

use smallvec::SmallVec;

use crate::principal::Principal;
use crate::rate::{Admission, BucketState, BucketTime, Rate, UnixNanos};
use crate::refusal::{Refusal, rate_in_words};
use crate::schema::violation::Violation;
use crate::slots::{Fingerprint, HashKey, KnownPlace, SlotIndex, slot_of};
use crate::target::Target;
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
pub enum Decision<'p> {
    /// It does not pass.
    Refuse(Refusal),
    /// The call passes, by this permit.
    Allow(Permit<'p>),
    /// It passes if these buckets say so.
    Limit(PendingLimits<'p>),
}

/// The answer once the buckets were seen.
#[derive(Debug)]
#[must_use]
pub enum Verdict<'p> {
    /// It passes, once **all** of the writes are stored.
    Allow {
        /// The permit that the next stage asks for.
        permit: Permit<'p>,
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

/// Leave to pass the call on. Only the engine makes one.
#[derive(Clone, Debug)]
pub struct Permit<'p> {
    target: &'p Target,
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

impl<'p> Permit<'p> {
    pub(crate) fn new(target: &'p Target, read: ArgumentsRead, shadowed: Vec<Violation>) -> Self {
        Self {
            target,
            read,
            shadowed,
        }
    }

    /// Whether the engine has read the arguments.
    #[must_use]
    pub fn arguments_read(&self) -> ArgumentsRead {
        self.read
    }

    /// The Envoy cluster that the call goes to.
    #[must_use]
    pub fn cluster(&self) -> &'p str {
        &self.target.cluster
    }

    /// The path of the server's MCP endpoint.
    #[must_use]
    pub fn path(&self) -> &'p str {
        &self.target.path
    }

    /// How long the server may take; none where no rule says.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.target.timeout
    }

    /// The fate of the credentials that the caller sends to the gateway.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        self.target.credentials
    }

    /// The name of the server that lists the tool.
    #[must_use]
    pub fn server(&self) -> &'p str {
        &self.target.server
    }

    /// The server's own name of the tool; none where the message is not a tool call.
    #[must_use]
    pub fn tool(&self) -> Option<&'p str> {
        self.target.tool.as_deref()
    }

    /// The faults that were found in the arguments of a tool whose validation is in shadow.
    #[must_use]
    pub fn shadowed(&self) -> &[Violation] {
        &self.shadowed
    }
}

/// The buckets that a call must pass, and what is decided besides.
#[derive(Debug)]
pub struct PendingLimits<'p> {
    /// The server's own name of the tool that is called.
    tool: &'p str,
    buckets: SmallVec<[Bucket<'p>; FEW_LIMITS]>,
    permit: Permit<'p>,
}

impl<'p> PendingLimits<'p> {
    pub(crate) fn new(
        tool: &'p str,
        limits: &'p [Limit],
        principal: &Principal,
        permit: Permit<'p>,
    ) -> Self {
        let buckets = limits
            .iter()
            .map(|limit| Bucket::new(limit, principal))
            .collect();
        Self {
            tool,
            buckets,
            permit,
        }
    }

    /// The buckets, never none. Read the state of each.
    #[must_use]
    pub fn buckets(&self) -> &[Bucket<'p>] {
        &self.buckets
    }

    /// The Envoy cluster that the call goes to if it passes.
    #[must_use]
    pub fn cluster(&self) -> &'p str {
        self.permit.cluster()
    }

    /// The verdict, from the buckets' states in the order of [`Self::buckets`]. A state that is
    /// missing refuses.
    /// May be asked again with newer states, as when a compare-and-set failed.
    pub fn resume(&self, states: &[BucketState], now: UnixNanos) -> Verdict<'p> {
        let mut writes = Writes::new();
        let mut restatements = Writes::new();
        let mut tightest: Option<(&Limit, Duration)> = None;
        for (index, bucket) in self.buckets.iter().enumerate() {
            let state = states
                .get(index)
                .copied()
                .unwrap_or(BucketState::Inherited(UnixNanos(u64::MAX)));
            let write = |time| Write {
                bucket: index,
                time,
            };
            match bucket.limit.rate.admit(state, now) {
                Admission::Admitted(time) => writes.push(write(time)),
                Admission::Refused {
                    retry_after,
                    restated,
                } => {
                    restatements.extend(restated.map(write));
                    if tightest.is_none_or(|(_, longest)| retry_after > longest) {
                        tightest = Some((bucket.limit, retry_after));
                    }
                }
            }
        }
        match tightest {
            None => Verdict::Allow {
                permit: self.permit.clone(),
                writes,
            },
            Some((limit, retry_after)) => Verdict::Refuse {
                refusal: Refusal::Limited {
                    tool: self.tool.to_owned(),
                    rule: limit.rule.clone(),
                    limit: limit.id.clone(),
                    rate: rate_in_words(limit.requests, limit.window_ms),
                    retry_after,
                },
                writes: restatements,
            },
        }
    }

    /// The state that takes back one call, given the state that is stored: for a host that has
    /// written some of a verdict's buckets when another one turned out to be full.
    #[must_use]
    pub fn refund(&self, bucket: usize, stored: BucketTime) -> BucketTime {
        self.buckets
            .get(bucket)
            .map_or(stored, |bucket| bucket.limit.rate.refund(stored))
    }
}

/// One bucket of a limit.
#[derive(Clone, Debug)]
pub struct Bucket<'p> {
    limit: &'p Limit,
    /// The identity where the principal is part of it.
    own: Option<Vec<u8>>,
}

impl<'p> Bucket<'p> {
    fn new(limit: &'p Limit, principal: &Principal) -> Self {
        let own = match (limit.principal, principal) {
            (PerPrincipal::No, _) | (_, Principal::Anonymous) => None,
            (PerPrincipal::Yes, Principal::Known { subject, .. }) => {
                Some(part(limit.identity.clone(), b'p', subject.as_bytes()))
            }
        };
        Self { limit, own }
    }

    /// The bytes that tell this bucket from all others: server, rule, limit and the dimensions'
    /// values; never a revision or a position, so that limits survive changes of the configuration.
    #[must_use]
    pub fn identity(&self) -> &[u8] {
        self.own
            .as_deref()
            .unwrap_or(&self.limit.common_bucket.identity)
    }

    /// The slot of this bucket and its fingerprint there: what [`slot_of`] gives for
    /// [`Self::identity`], hashed once where callers share the bucket.
    #[must_use]
    pub fn place(&self, key: &HashKey) -> (SlotIndex, Fingerprint) {
        match &self.own {
            Some(own) => slot_of(key, own),
            None => {
                let common = &self.limit.common_bucket;
                common.place.of(key, &common.identity)
            }
        }
    }
}

/// A limit, compiled for one tool.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) rule: String,
    pub(crate) id: String,
    pub(crate) requests: u64,
    pub(crate) window_ms: u64,
    pub(crate) rate: Rate,
    pub(crate) principal: PerPrincipal,
    /// All of a bucket's identity but the principal.
    pub(crate) identity: Vec<u8>,
    pub(crate) common_bucket: CommonBucket,
}

/// The bucket that callers share: all of them, or those without a name.
#[derive(Clone, Debug)]
pub(crate) struct CommonBucket {
    identity: Vec<u8>,
    place: KnownPlace,
}

impl CommonBucket {
    /// The bucket of a limit of which `identity` is all but the principal.
    pub(crate) fn new(identity: Vec<u8>, principal: PerPrincipal) -> Self {
        Self {
            identity: match principal {
                PerPrincipal::No => identity,
                PerPrincipal::Yes => part(identity, b'a', b""),
            },
            place: KnownPlace::default(),
        }
    }
}

/// Whether each caller has a bucket of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PerPrincipal {
    Yes,
    No,
}

/// Adds a tagged part with its length, so that no two identities run together.
pub(crate) fn part(mut identity: Vec<u8>, tag: u8, text: &[u8]) -> Vec<u8> {
    identity.push(tag);
    identity.extend_from_slice(&(text.len() as u64).to_le_bytes());
    identity.extend_from_slice(text);
    identity
}
