//! The scanner: JSON's grammar over bytes, resumable after any of them.
//!
//! One loop over one small enum of states. A token that lies whole in the bytes at hand is passed
//! in one go; one that is cut leaves a state behind, and the rest of it is read from there. What
//! lies outside the envelope costs the envelope a comparison per key and per value.

use step_count::count;

use super::envelope::Weight;
use super::nesting::Container;
use super::number::Number;
use super::skip::{Skip, Skipped};
use super::{ArgumentsAre, Reader};
use crate::error::{NotJson, ReadError};
use crate::escape::resolve;
use crate::message::Span;

/// The scanner's place in JSON's grammar: it tells which bytes may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Root,
    Value,
    /// Behind a `[`, where an element or the end may follow.
    FirstElement,
    /// Behind a `{`, where a key or the end may follow.
    FirstKey,
    /// After a comma in an object.
    NextKey,
    Colon,
    AfterValue,
    Key,
    Text,
    EscapeInKey,
    EscapeInText,
    Number,
    Literal,
    /// Inside of arguments that somebody else reads.
    Skipped,
    Done,
}

/// Why the scanner stops before the end of the bytes; small, so that what is returned for each
/// token stays in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes cannot be read, and the reader has noted why.
    Failed,
    /// A member of the envelope has ended; the reader has noted where to read on.
    Member,
}

impl Reader {
    /// Reads `bytes`, which begin at offset `buffered_from` of the body, from where the last call
    /// stopped, to their end or the end of a member of the envelope.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let base = self.buffered_from;
        let mut at = self.at.saturating_sub(base);
        let mut state = self.state;
        while let Some(&byte) = bytes.get(at) {
            let here = at;
            count(1);
            match state {
                State::AfterValue => {
                    at += 1;
                    match (byte, self.nesting.innermost()) {
                        (b',', Some(Container::Object)) => state = State::NextKey,
                        (b',', Some(Container::Array)) => state = State::Value,
                        (b'}', Some(Container::Object)) | (b']', Some(Container::Array)) => {
                            state = self.close(bytes, at)?;
                        }
                        (b' ' | b'\n' | b'\t' | b'\r', _) => {}
                        _ => return Err(self.not_json(here, NotJson::Unexpected(byte))),
                    }
                }
                State::NextKey | State::FirstKey => {
                    at += 1;
                    match byte {
                        b'"' => {
                            self.begin_token(base + at);
                            (at, state) = self.key_text(bytes, at)?;
                        }
                        b' ' | b'\n' | b'\t' | b'\r' => {}
                        b'}' if state == State::FirstKey => state = self.close(bytes, at)?,
                        _ => return Err(self.not_json(here, NotJson::Unexpected(byte))),
                    }
                }
                State::Colon => {
                    at += 1;
                    match byte {
                        b':' => state = State::Value,
                        b' ' | b'\n' | b'\t' | b'\r' => {}
                        _ => return Err(self.not_json(here, NotJson::Unexpected(byte))),
                    }
                }
                State::Value | State::FirstElement | State::Root => {
                    if matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                        at += 1;
                        continue;
                    }
                    if byte == b']' && state == State::FirstElement {
                        at += 1;
                        state = self.close(bytes, at)?;
                        continue;
                    }
                    if byte == b'[' && state == State::Root {
                        return Err(self.fail(ReadError::Batch));
                    }
                    if self.envelope.awaits_value() {
                        self.value_begins(byte, base + at)?;
                        if self.is_skipped(byte) {
                            self.skip = Skip::new();
                            state = State::Skipped;
                            continue;
                        }
                    }
                    self.begin_token(base + at);
                    at += 1;
                    (at, state) = match byte {
                        b'"' => self.text(bytes, at)?,
                        b'{' => (at, self.open(Container::Object)?),
                        b'[' => (at, self.open(Container::Array)?),
                        b't' => self.literal(bytes, at, b"rue")?,
                        b'f' => self.literal(bytes, at, b"alse")?,
                        b'n' => self.literal(bytes, at, b"ull")?,
                        _ => match Number::begin(byte) {
                            Some(number) => self.number(bytes, at, number)?,
                            None => return Err(self.not_json(here, NotJson::Unexpected(byte))),
                        },
                    };
                    (at, state) = self.follow(bytes, at, state)?;
                }
                State::Key
                | State::Text
                | State::EscapeInKey
                | State::EscapeInText
                | State::Number
                | State::Literal => (at, state) = self.resume_token(bytes, at, state)?,
                State::Skipped => (at, state) = self.skip(bytes, at)?,
                State::Done => {
                    if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                        return Err(self.not_json(here, NotJson::Trailing));
                    }
                    at += 1;
                }
            }
        }
        self.at = base + at;
        self.state = state;
        Ok(())
    }

    /// Reads what follows a value in compact JSON: closing brackets, a comma, the next key.
    /// Whatever else follows is left to the loop; this is its beaten path.
    #[inline(always)]
    fn follow(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        mut state: State,
    ) -> Result<(usize, State), Stop> {
        loop {
            match (state, bytes.get(at), self.nesting.innermost()) {
                (State::AfterValue, Some(b','), Some(Container::Array)) => {
                    return Ok((at + 1, State::Value));
                }
                (State::AfterValue, Some(b','), Some(Container::Object)) => {
                    at += 1;
                    state = State::NextKey;
                }
                (State::AfterValue, Some(b'}'), Some(Container::Object))
                | (State::AfterValue, Some(b']'), Some(Container::Array)) => {
                    at += 1;
                    state = self.close(bytes, at)?;
                }
                (State::NextKey | State::FirstKey, Some(b'"'), _) => {
                    at += 1;
                    self.begin_token(self.buffered_from + at);
                    return self.key_text(bytes, at);
                }
                _ => return Ok((at, state)),
            }
        }
    }

    /// Whether the value that has just begun with `first` is left to somebody else. Scalars are
    /// read as soon as skipped.
    #[cold]
    fn is_skipped(&self, first: u8) -> bool {
        self.arguments == ArgumentsAre::Skipped
            && matches!(first, b'{' | b'[')
            && self.envelope.captures_arguments()
    }

    #[inline(never)]
    fn skip(&mut self, bytes: &[u8], at: usize) -> Result<(usize, State), Stop> {
        let limit = self.nesting.limit().saturating_sub(self.nesting.depth());
        match self.skip.advance(bytes, at, limit) {
            Skipped::Partial => Ok((bytes.len(), State::Skipped)),
            Skipped::TooDeep => Err(self.too_deep()),
            Skipped::Ended(end) => {
                let ended = self.value_ended(bytes, end);
                self.unread = self.envelope.message().arguments;
                ended.map(|()| (end, State::AfterValue))
            }
        }
    }

    #[inline(always)]
    fn begin_token(&mut self, at: usize) {
        self.token = at;
        self.escaped = false;
    }

    #[inline(always)]
    fn open(&mut self, container: Container) -> Result<State, Stop> {
        if !self.nesting.enter(container) {
            return Err(self.too_deep());
        }
        Ok(match container {
            Container::Object => State::FirstKey,
            Container::Array => State::FirstElement,
        })
    }

    /// Leaves the innermost container, whose closing bracket lies before `end`.
    #[inline(always)]
    fn close(&mut self, bytes: &[u8], end: usize) -> Result<State, Stop> {
        self.envelope.closed(self.nesting.depth());
        self.nesting.leave();
        self.value_ended(bytes, end)?;
        Ok(if self.nesting.depth() == 0 {
            State::Done
        } else {
            State::AfterValue
        })
    }

    #[inline(always)]
    pub(super) fn value_ended(&mut self, bytes: &[u8], end: usize) -> Result<(), Stop> {
        if self.envelope.captures_at(self.nesting.depth()) {
            self.capture(bytes, end)
        } else {
            Ok(())
        }
    }

    #[cold]
    fn value_begins(&mut self, first: u8, at: usize) -> Result<(), Stop> {
        let begun = self.envelope.value_begins(first, at, self.nesting.depth());
        begun.map_err(|error| self.fail(error))
    }

    /// The captured value has ended before `end`: this stops the scanner where the message may now
    /// be decided on.
    #[cold]
    fn capture(&mut self, bytes: &[u8], end: usize) -> Result<(), Stop> {
        let base = self.buffered_from;
        let raw = |span: Span| {
            bytes
                .get(span.start.saturating_sub(base)..span.end.saturating_sub(base))
                .unwrap_or_default()
        };
        let ended = self.envelope.value_ended(base + end, self.escaped, raw);
        match ended {
            Err(error) => return Err(self.fail(error)),
            Ok(Weight::Light) => return Ok(()),
            Ok(Weight::Decisive) => {}
        }
        // Whoever reads member by member decides on what stands so far, however the bytes were
        // cut. A captured value lies in an object, so something follows it.
        self.at = base + end;
        self.state = State::AfterValue;
        Err(Stop::Member)
    }

    /// A key of the envelope, whose closing quote lies at `end`.
    #[cold]
    pub(super) fn key_ended(&mut self, bytes: &[u8], end: usize) -> Result<(), Stop> {
        let start = self.token.saturating_sub(self.buffered_from);
        let raw = bytes.get(start..end).unwrap_or_default();
        let known = if self.escaped {
            self.envelope.key(&resolve(raw))
        } else {
            self.envelope.key(raw)
        };
        known.map_err(|error| self.fail(error))
    }

    /// The byte at this offset of what is buffered cannot be there.
    #[cold]
    pub(super) fn not_json(&mut self, at: usize, why: NotJson) -> Stop {
        self.fail(ReadError::NotJson {
            at: self.buffered_from + at,
            why,
        })
    }

    #[cold]
    fn too_deep(&mut self) -> Stop {
        self.fail(ReadError::TooDeep {
            limit: self.nesting.limit(),
        })
    }

    fn fail(&mut self, error: ReadError) -> Stop {
        self.failed = Some(error);
        Stop::Failed
    }
}
