//! The incremental reader of messages: bytes in as they come, members out as they stand.

mod arguments;
mod envelope;
mod listener;
mod seen_keys;

use json_reader::{Fault, Halt, Input, MAX_DEPTH, NotJson, Scanner};
use step_count::count;

use crate::error::{Invalid, ReadError};
use crate::message::{Kind, Message, Span};
use arguments::ArgumentsStage;
pub use arguments::{ArgumentsProgress, ArgumentsReader};
use envelope::Envelope;
use listener::{Listener, Stopped};

/// Bounds of what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageBounds {
    /// Bytes that a body may have.
    pub max_bytes: usize,
    /// Levels that objects and arrays may nest, at most [`MAX_DEPTH`].
    pub max_depth: usize,
    /// Keys that the message, its `params`, its `ref` and its `_meta` may each have besides those
    /// of the envelope.
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

/// Whoever reads `params.arguments` of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ArgumentsAre {
    Read,
    LeftToOthers,
}

/// Reads one body as its bytes arrive. See the crate's page for an example.
#[derive(Debug)]
pub struct Reader {
    limits: MessageBounds,
    /// Offset of the first byte that the caller still holds.
    buffered_from: usize,
    scanner: Scanner,
    envelope: Envelope,
    arguments: ArgumentsAre,
    stage: ArgumentsStage,
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
        Self::at_start(limits, ArgumentsAre::LeftToOthers)
    }

    fn at_start(limits: MessageBounds, arguments: ArgumentsAre) -> Self {
        Self {
            limits,
            buffered_from: 0,
            scanner: Scanner::new(limits.max_depth),
            envelope: Envelope::new(limits.max_keys),
            arguments,
            stage: ArgumentsStage::Elsewhere,
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
        self.push_with(buffered, end, None)
    }

    /// Reads on as [`Reader::push_to_member`] does, and lets `arguments` read `params.arguments` in
    /// the same pass, if they have not begun before and this reader
    /// [leaves them](Reader::skipping_arguments) to somebody else.
    ///
    /// # Errors
    /// As [`Reader::push`].
    pub fn push_with(
        &mut self,
        buffered: &[u8],
        end: EndOfBody,
        arguments: Option<&mut dyn ArgumentsReader>,
    ) -> Result<Option<ReadProgress>, ReadError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let outcome = self
            .read_on(buffered, end, arguments)
            .map_err(|error| self.error_in_skipped(buffered).unwrap_or(error));
        if let Err(error) = &outcome {
            self.failed = Some(error.clone());
        }
        outcome
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
        self.scanner.is_done()
    }

    /// Drops from `buffered` what has been read and is not needed to read on. Spans keep counting
    /// from the start of the body, so take out of them what is needed first.
    pub fn release(&mut self, buffered: &mut Vec<u8>) {
        // A long string in `arguments` is of no interest; only tokens of the envelope are looked at
        // again.
        let keep_from = if self.envelope.wants_token(self.scanner.depth()) {
            self.scanner.token_from()
        } else {
            self.scanner.at()
        };
        let keep_from = match (&self.stage, self.unread) {
            (ArgumentsStage::Skipped(_) | ArgumentsStage::ReadByOther, _) => {
                self.envelope.captured_from()
            }
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
        mut arguments: Option<&mut dyn ArgumentsReader>,
    ) -> Result<Option<ReadProgress>, ReadError> {
        // Everything is looked at in the order of the bytes, whatever the cut: what lies before the
        // limit is read before the length is complained of.
        let allowed = self.limits.max_bytes.saturating_sub(self.buffered_from);
        let within = buffered.get(..allowed).unwrap_or(buffered);
        let input = Input::new(within, self.buffered_from);
        loop {
            if !self.pass_arguments(input, &mut arguments)? {
                break;
            }
            match self.listen(input) {
                Stopped::Not => break,
                Stopped::Member => return Ok(None),
                Stopped::Arguments => self.begin_arguments(input, arguments.is_some()),
                Stopped::Failed(error) => return Err(error),
            }
        }
        if buffered.len() > allowed {
            return Err(ReadError::TooLarge {
                limit: self.limits.max_bytes,
            });
        }
        if end == EndOfBody::NotYet {
            return Ok(Some(ReadProgress::Partial));
        }
        let at = self.at();
        if at < input.end() {
            // Half of a character, and nothing follows it.
            let why = NotJson::Utf8;
            return Err(ReadError::NotJson { at, why });
        }
        if self.scanner.is_done() {
            return self.kind().map(|kind| Some(ReadProgress::Complete(kind)));
        }
        if self.scanner.is_behind_lone_scalar() {
            return Err(ReadError::NotAnObject);
        }
        let why = NotJson::Truncated;
        Err(ReadError::NotJson { at, why })
    }

    /// Lets the envelope listen to what the scanner reads.
    fn listen(&mut self, input: Input<'_>) -> Stopped {
        let mut listener = Listener {
            envelope: &mut self.envelope,
            arguments: self.arguments,
            stopped: Stopped::Not,
        };
        match self.scanner.scan(input, &mut listener) {
            Ok(()) => Stopped::Not,
            Err(Halt::Sink) => listener.stopped,
            Err(Halt::Fault) => Stopped::Failed(self.fault_of(&self.scanner)),
        }
    }

    /// The error that a scanner has come to.
    fn fault_of(&self, scanner: &Scanner) -> ReadError {
        match scanner.fault() {
            Some(Fault::NotJson { at, why, .. }) => ReadError::NotJson { at, why },
            Some(Fault::TooDeep) | None => self.too_deep(),
        }
    }

    fn too_deep(&self) -> ReadError {
        ReadError::TooDeep {
            limit: self.limits.max_depth.min(MAX_DEPTH),
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
