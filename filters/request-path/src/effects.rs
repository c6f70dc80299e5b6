//! The events of a request, and the effects that answer them.

use std::borrow::Cow;
use std::time::Duration;

use policy_engine::settlement::Stored;
use policy_engine::slots::{EncodedSlot, SlotIndex, SlotVersion};
use policy_engine::{Item, RuleId, TargetId, ToolId, UnixNanos, Violation};
use proxy_values::{HeaderPairs, StreamId};
use smallvec::SmallVec;

use crate::answer::Reply;
use crate::request_budget::NotedId;

/// Something that has come of a request: from its caller, or in answer to what was asked
/// ([`Next`]).
#[derive(Debug)]
pub enum Event<'e> {
    /// The headers; `end` if nothing follows them.
    Headers {
        /// All headers, as the proxy handed them over.
        pairs: &'e HeaderPairs,
        /// Whether nothing follows them.
        end: bool,
    },
    /// More of the body.
    Body {
        /// How many bytes of the body the proxy buffers now.
        size: usize,
        /// Of these, the ones that [`RequestPath::wanted`](crate::RequestPath::wanted) names.
        fresh: Vec<u8>,
        /// Whether they are the last.
        end: bool,
    },
    /// The body was followed by trailers.
    Trailers,
    /// The answer to [`Next::Decide`].
    Decide,
    /// The answer to [`Next::TimeOfDay`].
    TimeOfDay(UnixNanos),
    /// The answer to [`Next::Monotonic`]: time since some fixed moment.
    Monotonic(Duration),
    /// The answer to [`Next::Read`].
    Slot {
        /// The value of the slot; empty where nothing was ever stored.
        bytes: &'e [u8],
        /// The version of that value.
        version: SlotVersion,
    },
    /// The answer to [`Next::Write`].
    Written(Stored),
}

impl Event<'_> {
    /// Whether it answers what was asked of the proxy.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::Headers { .. } | Self::Body { .. } | Self::Trailers => false,
            Self::Decide
            | Self::TimeOfDay(_)
            | Self::Monotonic(_)
            | Self::Slot { .. }
            | Self::Written(_) => true,
        }
    }
}

/// Something that is to be done at once, in the order of the others.
#[derive(Debug)]
pub enum Effect {
    /// A header of the request gets one value.
    SetHeader {
        /// The name, in lower case.
        name: &'static str,
        /// The value of the header.
        value: HeaderValue,
    },
    /// A header of the request goes, however often it is there.
    RemoveHeader(Cow<'static, [u8]>),
    /// The text of this answer takes the place of all that is buffered of the body.
    ReplaceBody(Box<Reply>),
    /// A value is noted where the proxy's own answers find it.
    Note {
        /// The name of the note.
        name: &'static str,
        /// The value of the note.
        value: NotedId,
    },
    /// A use of this item was decided on.
    Called(Item),
    /// A call passes only because its validation is in shadow.
    Shadowed {
        /// The tool that is called.
        tool: ToolId,
        /// The faults of its arguments.
        violations: Vec<Violation>,
    },
    /// The request goes upstream.
    Passed {
        /// The item that it is about, where a rule may be about it.
        item: Option<Item>,
        /// The rule that opens it; none where the default does.
        rule: Option<RuleId>,
    },
    /// The request is refused.
    Refused {
        /// The item that it is about, where that is known and a rule may be about it.
        item: Option<Item>,
        /// The reason, in a short fixed word.
        reason: &'static str,
        /// The name of the rule that refuses; none where a default does, or no policy.
        rule: Option<Box<str>>,
    },
    /// The operator is told something.
    Warn(String),
    /// The request is answered here. Nothing more of it goes upstream.
    Answer(Box<Reply>),
    /// Another request of the worker, which waits, is answered.
    AnswerOther {
        /// The number of that request.
        stream: StreamId,
        /// The answer to it.
        reply: Box<Reply>,
    },
}

/// The value of a header, by what the policy says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderValue {
    /// The cluster that reaches a target.
    Cluster(TargetId),
    /// The path of a target's endpoint.
    Path(TargetId),
    /// A time in milliseconds.
    Milliseconds(Duration),
    /// Text that is always the same.
    Text(&'static str),
}

/// The fate of the request when the effects are carried out. All but [`Self::Go`] and
/// [`Self::Hold`] ask for something: the next event answers it.
#[derive(Debug)]
#[must_use]
#[expect(
    clippy::large_enum_variant,
    reason = "it is carried out at once; a box would cost each limited call an allocation"
)]
pub enum Next {
    /// The bytes that the proxy has buffered may go on to the next filter.
    Go,
    /// They stay buffered; or the request has been answered.
    Hold,
    /// All that a decision on a call of this tool needs has been read: make it now.
    Decide(ToolId),
    /// The time of day.
    TimeOfDay,
    /// The time that never goes back.
    Monotonic,
    /// A slot of the rate limits.
    Read(SlotIndex),
    /// A compare-and-set of such a slot.
    Write {
        /// The slot to write.
        slot: SlotIndex,
        /// The new value of the slot.
        bytes: EncodedSlot,
        /// The version that the present value must have.
        version: SlotVersion,
    },
}

/// The effects of one event. A call that passes has four: it is counted, routed, noted for the
/// access log and for the proxy's own answers; with another path and a time of its own seven. So
/// many cost no allocation.
pub type Effects = SmallVec<[Effect; 8]>;
