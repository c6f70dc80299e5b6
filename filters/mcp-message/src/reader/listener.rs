//! The envelope as a listener: of all that the scanner tells it takes the keys and values of the
//! objects that it knows. The rest costs it a comparison per key and per value.

use json_reader::{Container, Event, Input, Scalar, ScalarKind, Sink, Text, decoded};

use super::ArgumentsAre;
use super::envelope::{Envelope, Weight};
use crate::error::ReadError;
use crate::message::Span;

/// The envelope as the scanner's sink.
pub(super) struct Listener<'e> {
    pub(super) envelope: &'e mut Envelope,
    pub(super) arguments: ArgumentsAre,
    /// Why it has stopped the scanner.
    pub(super) stopped: Stopped,
}

/// Why the scanner has been stopped.
pub(super) enum Stopped {
    /// It has not been.
    Not,
    /// A member of the envelope has ended.
    Member,
    /// Before arguments that somebody else reads.
    Arguments,
    /// The message cannot be read.
    Failed(ReadError),
}

impl Listener<'_> {
    #[cold]
    fn key_ended(&mut self, input: Input<'_>, key: Text) -> Event {
        let raw = input.slice(key.start, key.end);
        match self.envelope.key(&decoded(raw, key.escaped)) {
            Ok(()) => Event::ReadOn,
            Err(error) => self.fail(error),
        }
    }

    #[cold]
    fn value_begins(&mut self, first: u8, start: usize, depth: usize) -> Event {
        if let Err(error) = self.envelope.value_begins(first, start, depth) {
            return self.fail(error);
        }
        if self.arguments == ArgumentsAre::LeftToOthers && self.envelope.captures_arguments() {
            self.stopped = Stopped::Arguments;
            return Event::Stop;
        }
        Event::ReadOn
    }

    /// The captured value has ended before `end`: this stops the scanner where the message may now
    /// be decided on.
    #[cold]
    fn capture(&mut self, input: Input<'_>, end: usize, escaped: bool) -> Event {
        let raw = |span: Span| input.slice(span.start, span.end);
        match self.envelope.value_ended(end, escaped, raw) {
            Err(error) => self.fail(error),
            Ok(Weight::Light) => Event::ReadOn,
            // Whoever reads member by member decides on what stands so far, however the bytes were
            // cut. A captured value lies in an object, so something follows it.
            Ok(Weight::Decisive) => {
                self.stopped = Stopped::Member;
                Event::Stop
            }
        }
    }

    fn fail(&mut self, error: ReadError) -> Event {
        self.stopped = Stopped::Failed(error);
        Event::Stop
    }
}

impl Sink for Listener<'_> {
    #[inline(always)]
    fn key(&mut self, input: Input<'_>, key: Text, depth: usize) -> Event {
        if self.envelope.knows_keys_at(depth) {
            self.key_ended(input, key)
        } else {
            Event::ReadOn
        }
    }

    #[inline(always)]
    fn begin(&mut self, _: Input<'_>, first: u8, start: usize, depth: usize) -> Event {
        if self.envelope.awaits_value() {
            self.value_begins(first, start, depth)
        } else {
            Event::ReadOn
        }
    }

    #[inline(always)]
    fn scalar(&mut self, input: Input<'_>, scalar: Scalar, depth: usize) -> Event {
        if self.envelope.captures_at(depth) {
            let escaped = matches!(scalar.kind, ScalarKind::String { escaped: true });
            self.capture(input, scalar.end, escaped)
        } else {
            Event::ReadOn
        }
    }

    #[inline(always)]
    fn close(&mut self, input: Input<'_>, _: Container, end: usize, depth: usize) -> Event {
        if self.envelope.closed(depth + 1) == Weight::Decisive {
            self.stopped = Stopped::Member;
            return Event::Stop;
        }
        if self.envelope.captures_at(depth) {
            self.capture(input, end, false)
        } else {
            Event::ReadOn
        }
    }
}
