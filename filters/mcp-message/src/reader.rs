//! The incremental reader of messages: bytes in as they come, members out as they stand.

mod envelope;
mod lanes;
mod nesting;
mod number;
mod scan;
mod seen_keys;
mod skip;
mod string;
mod token;
mod utf8;

use step_count::count;

use crate::error::{Invalid, NotJson, Place, ReadError};
use crate::message::{Kind, Message, Span};
use envelope::Envelope;
pub use nesting::MAX_DEPTH;
use nesting::{Container, Nesting};
use scan::{State, Stop};
use skip::Skip;
use token::Cut;
use utf8::Utf8Prefix;

/// Bounds of what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageBounds {
    /// Bytes that a body may have.
    pub max_bytes: usize,
    /// Levels that objects and arrays may nest, at most [`MAX_DEPTH`].
    pub max_depth: usize,
    /// Keys that the message, its `params` and its `_meta` may each have besides those of the
    /// envelope.
    pub max_keys: usize,
}

impl Default for MessageBounds {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 20,
            max_depth: 128,
            max_keys: 256,
        }
    }
}

/// Whether more of the body is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndOfBody {
    /// More bytes of the body may come.
    NotYet,
    /// The bytes that are buffered end the body.
    Reached,
}

/// How far a body has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadProgress {
    /// All is well so far.
    Partial,
    /// The body is one message, of this kind.
    Complete(Kind),
}

/// How a reader treats `params.arguments` that are an object or an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ArgumentsAre {
    Read,
    Skipped,
}

/// Reads one body as its bytes arrive. See the crate's page for an example.
#[derive(Debug)]
pub struct Reader {
    limits: MessageBounds,
    /// Offset of the first byte that the caller still holds.
    buffered_from: usize,
    /// Offset of the next byte to read.
    at: usize,
    utf8: Utf8Prefix,
    state: State,
    cut: Cut,
    /// Offset of the string, number or literal that is being read.
    token: usize,
    /// Whether the string that is being read has escapes so far.
    escaped: bool,
    nesting: Nesting,
    envelope: Envelope,
    arguments: ArgumentsAre,
    skip: Skip,
    /// The arguments, where they were skipped and not read since.
    unread: Option<Span>,
    failed: Option<ReadError>,
}

impl Reader {
    /// A reader at the start of a body, which reads all of it.
    #[must_use]
    pub fn new(limits: MessageBounds) -> Self {
        Self::at_start(limits, ArgumentsAre::Read)
    }

    /// A reader that leaves `params.arguments` to somebody else: it finds their end, and sees to
    /// their depth and that they are UTF-8, but not whether they are JSON. Until somebody has read
    /// them, or [`Reader::read_skipped`] has, nothing may pass.
    #[must_use]
    pub fn skipping_arguments(limits: MessageBounds) -> Self {
        Self::at_start(limits, ArgumentsAre::Skipped)
    }

    fn at_start(limits: MessageBounds, arguments: ArgumentsAre) -> Self {
        Self {
            limits,
            buffered_from: 0,
            at: 0,
            utf8: Utf8Prefix::default(),
            state: State::Root,
            cut: Cut::default(),
            token: 0,
            escaped: false,
            nesting: Nesting::new(limits.max_depth),
            envelope: Envelope::new(limits.max_keys),
            arguments,
            skip: Skip::new(),
            unread: None,
            failed: None,
        }
    }

    /// Reads on. `buffered` is everything of the body so far, but for what [`Reader::release`]
    /// dropped; it begins with the bytes of the last call, of which none is read twice.
    ///
    /// # Errors
    /// The body is not one readable message. The reader stays in that state: the same error is
    /// returned however the bytes are cut, and whatever follows.
    pub fn push(&mut self, buffered: &[u8], end: EndOfBody) -> Result<ReadProgress, ReadError> {
        loop {
            if let Some(progress) = self.push_to_member(buffered, end)? {
                return Ok(progress);
            }
        }
    }

    /// Reads on as [`Reader::push`] does, but no further than to the end of the next member of the
    /// envelope that follows the method or is it, arguments aside: then the answer is `None`, and
    /// calling again with the same bytes goes on behind it. Whoever decides on a message before its
    /// end decides here, on the message as it stands: then the decision does not depend on how the
    /// bytes were cut.
    ///
    /// # Errors
    /// As [`Reader::push`].
    pub fn push_to_member(
        &mut self,
        buffered: &[u8],
        end: EndOfBody,
    ) -> Result<Option<ReadProgress>, ReadError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let outcome = self
            .read_on(buffered, end)
            .map_err(|error| self.error_in_skipped(buffered).unwrap_or(error));
        if let Err(error) = &outcome {
            self.failed = Some(error.clone());
        }
        outcome
    }

    /// Reads what was skipped, if anything was; from now on nothing is skipped. `buffered` as in
    /// [`Reader::push`], with nothing more.
    ///
    /// # Errors
    /// It is not JSON. The reader stays in that state.
    pub fn read_skipped(&mut self, buffered: &[u8]) -> Result<(), ReadError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.arguments = ArgumentsAre::Read;
        let unread = self.unread.take();
        if self.state == State::Skipped {
            // Back to their beginning, and as far as before.
            let read = buffered.get(..self.at.saturating_sub(self.buffered_from));
            self.at = self.envelope.captured_from();
            self.state = State::Value;
            // Nothing of the envelope ends in there, so nothing but an error stops the scanner.
            if let (Err(_), Some(error)) = (self.scan(read.unwrap_or_default()), &self.failed) {
                return Err(error.clone());
            }
        } else if let Some(span) = unread {
            let read = match self.read_apart(buffered, span) {
                // Both see the same brackets, so they end at the same one; and if not, nothing
                // passes.
                Ok(reader) if reader.state == State::AfterValue && reader.at == span.end => Ok(()),
                Ok(reader) => Err(ReadError::NotJson {
                    at: reader.at,
                    why: NotJson::Truncated,
                }),
                Err(error) => Err(error),
            };
            if let Err(error) = read {
                self.failed = Some(error.clone());
                return Err(error);
            }
        }
        Ok(())
    }

    /// The error that a reader which skips nothing would have come to first: that of the skipped
    /// bytes.
    #[cold]
    fn error_in_skipped(&self, buffered: &[u8]) -> Option<ReadError> {
        if self.arguments == ArgumentsAre::Read {
            return None;
        }
        let span = if self.envelope.captures_arguments() {
            Span {
                start: self.envelope.captured_from(),
                end: self.utf8.end().min(self.limits.max_bytes),
            }
        } else {
            self.unread?
        };
        self.read_apart(buffered, span).err()
    }

    /// Reads bytes of `params` that begin with a value and do not go past it.
    fn read_apart(&self, buffered: &[u8], span: Span) -> Result<Self, ReadError> {
        let mut reader = Self::new(self.limits);
        reader.buffered_from = self.buffered_from;
        reader.at = span.start;
        reader.state = State::Value;
        for _ in [Place::Message, Place::Params] {
            if !reader.nesting.enter(Container::Object) {
                return Err(ReadError::TooDeep {
                    limit: self.nesting.limit(),
                });
            }
        }
        let bytes = buffered.get(..span.end.saturating_sub(self.buffered_from));
        match (reader.scan(bytes.unwrap_or_default()), &reader.failed) {
            (Err(_), Some(error)) => Err(error.clone()),
            _ => Ok(reader),
        }
    }

    /// The message as far as it has been read.
    #[must_use]
    pub fn message(&self) -> &Message {
        self.envelope.message()
    }

    /// The bytes of a value as they were sent, for a caller that has [released](Reader::release)
    /// some; empty where `buffered` no longer has them.
    #[must_use]
    pub fn raw<'h>(&self, span: Span, buffered: &'h [u8]) -> &'h [u8] {
        let at = |offset: usize| offset.checked_sub(self.buffered_from);
        let range = at(span.start).zip(at(span.end));
        range
            .and_then(|(start, end)| buffered.get(start..end))
            .unwrap_or_default()
    }

    /// Whether the message's last bracket has been read, so that only white space may follow.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Done
    }

    /// Drops from `buffered` what has been read and is not needed to read on. Spans keep counting
    /// from the start of the body, so take out of them what is needed first.
    pub fn release(&mut self, buffered: &mut Vec<u8>) {
        let keep_from = if self.is_inside_token() {
            self.token
        } else {
            self.at
        };
        // A long string in `arguments` is of no interest; only tokens of the envelope are looked at
        // again.
        let keep_from = if self.envelope.wants_token(self.nesting.depth()) {
            keep_from
        } else {
            self.at
        };
        let keep_from = match (self.state, self.unread) {
            (State::Skipped, _) => self.envelope.captured_from(),
            (_, Some(span)) => span.start,
            _ => keep_from,
        };
        let dropped = keep_from
            .saturating_sub(self.buffered_from)
            .min(buffered.len());
        if dropped > 0 {
            count(buffered.len());
            buffered.drain(..dropped);
        }
        self.buffered_from += dropped;
    }

    fn read_on(
        &mut self,
        buffered: &[u8],
        end: EndOfBody,
    ) -> Result<Option<ReadProgress>, ReadError> {
        // Everything is looked at in the order of the bytes, whatever the cut: what lies before the
        // first byte that is not UTF-8 or past the limit is read before that byte is complained of.
        let allowed = self.limits.max_bytes.saturating_sub(self.buffered_from);
        let within = buffered.get(..allowed).unwrap_or(buffered);
        let valid = self.utf8.advance(within, self.buffered_from);
        let readable = within.get(..valid.end).unwrap_or_default();
        match (self.scan(readable), &self.failed) {
            (Err(_), Some(error)) => return Err(error.clone()),
            (Err(Stop::Member), None) => return Ok(None),
            _ => {}
        }
        if let Some(at) = valid.broken_at(end) {
            return Err(ReadError::NotJson {
                at: self.buffered_from + at,
                why: NotJson::Utf8,
            });
        }
        if buffered.len() > allowed {
            return Err(ReadError::TooLarge {
                limit: self.limits.max_bytes,
            });
        }
        match (end, self.state) {
            (EndOfBody::NotYet, _) => Ok(Some(ReadProgress::Partial)),
            (EndOfBody::Reached, State::Done) => {
                self.kind().map(|kind| Some(ReadProgress::Complete(kind)))
            }
            (EndOfBody::Reached, _) if self.is_after_scalar() => Err(ReadError::NotAnObject),
            (EndOfBody::Reached, _) => Err(ReadError::NotJson {
                at: self.at,
                why: NotJson::Truncated,
            }),
        }
    }

    fn kind(&self) -> Result<Kind, ReadError> {
        let message = self.message();
        if !message.jsonrpc {
            return Err(ReadError::Invalid(Invalid::NoVersion));
        }
        match (message.method.is_some(), message.result, message.error) {
            (true, false, false) if message.null_id => Err(ReadError::Invalid(Invalid::NullId)),
            (true, false, false) if message.id.is_some() => Ok(Kind::Request),
            (true, false, false) => Ok(Kind::Notification),
            (false, false, false) => Err(ReadError::Invalid(Invalid::NeitherCallNorResponse)),
            // An error may answer a request whose id could not be read: its id is null.
            (false, false, true) if message.null_id => Ok(Kind::Response),
            (false, true, false) | (false, false, true) if message.id.is_some() => {
                Ok(Kind::Response)
            }
            (false, true, false) | (false, false, true) => {
                Err(ReadError::Invalid(Invalid::ResponseWithoutId))
            }
            _ => Err(ReadError::Invalid(Invalid::Ambiguous)),
        }
    }
}
