//! How far a request has come.

use policy_engine::EndpointId;

use super::message::MessageInHand;
use super::refusing::Refusing;
use crate::head::Changes;
use crate::request_budget::WaitingCaller;

pub(super) enum Phase {
    /// The headers have not come yet.
    Begun,
    /// Nothing of it concerns the filter any more.
    Passed,
    /// A GET or DELETE that is forwarded once it is sure that it has no body.
    Bodyless(EndpointId, Changes),
    /// The message is being read, and buffered.
    Reading(Box<MessageInHand>),
    /// The message was allowed; the rest of it is read as it passes.
    Streaming(Box<MessageInHand>),
    /// The answer stands. It is sent at the end of the body: before, an HTTP/1.1 connection would
    /// be closed with it.
    Refusing(Box<Refusing>),
    Answered,
}

impl Phase {
    pub(super) fn waiting_caller(&self) -> Option<WaitingCaller> {
        match self {
            Self::Reading(message) | Self::Streaming(message) => message.waiting_caller(),
            _ => None,
        }
    }

    pub(super) fn is_at_its_end(&self) -> bool {
        matches!(self, Self::Reading(message) if message.is_at_its_end())
    }

    /// How many bytes of the body are kept of a request that is not at its end, of whose body the
    /// proxy buffers `size` bytes; none where nothing of it is kept any more.
    pub(super) fn kept(&self, size: usize) -> Option<usize> {
        match self {
            Self::Bodyless(..) | Self::Reading(_) | Self::Refusing(_) => Some(size),
            Self::Streaming(message) => Some(message.buffered()),
            Self::Begun | Self::Passed | Self::Answered => None,
        }
    }
}
