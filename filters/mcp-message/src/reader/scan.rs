//! The scanner: JSON's grammar over bytes, resumable after any of them.
//!
//! One loop over one enum of states. What lies outside the envelope costs it a comparison per key and
//! per value; strings are passed in blocks.

use super::Reader;
use super::escape::{self, Escape};
use super::nesting::Container;
use super::number::Number;
use super::string::end_of_plain_text;
use crate::error::{NotJson, ReadError};
use crate::message::Span;

/// What a string is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Key,
    Value,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Root,
    Value,
    /// After `[`.
    FirstElement,
    /// After `{`.
    FirstKey,
    /// After a comma in an object.
    NextKey,
    Colon,
    AfterValue,
    String(Role),
    Escape(Escape, Role),
    Number(Number),
    /// The rest of `true`, `false` or `null`.
    Literal(&'static [u8]),
    Done,
}

impl State {
    /// Whether the bytes may end here, where a value began that is no object.
    pub(super) fn is_after_scalar(self) -> bool {
        match self {
            Self::AfterValue => true,
            Self::Number(number) => number.is_whole(),
            _ => false,
        }
    }

    pub(super) fn is_inside_token(self) -> bool {
        matches!(
            self,
            Self::String(_) | Self::Escape(..) | Self::Number(_) | Self::Literal(_)
        )
    }
}

impl Reader {
    /// Reads `bytes`, which begin at offset `held_from` of the body, from where the last call stopped.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        let base = self.held_from;
        let mut at = self.at.saturating_sub(base);
        let mut state = self.state;
        loop {
            let not_json = |why| Err(ReadError::NotJson { at: base + at, why });
            let Some(&byte) = bytes.get(at) else { break };
            match state {
                State::String(role) => {
                    at = end_of_plain_text(bytes, at);
                    match bytes.get(at) {
                        None => break,
                        Some(b'"') => {
                            at += 1;
                            match role {
                                Role::Key => {
                                    if self.envelope.knows_keys_at(self.nesting.depth()) {
                                        self.key_ended(bytes, at)?;
                                    }
                                    state = State::Colon;
                                }
                                Role::Value => {
                                    self.value_ended(bytes, at)?;
                                    state = State::AfterValue;
                                }
                            }
                        }
                        Some(b'\\') => {
                            at += 1;
                            self.escaped = true;
                            state = State::Escape(Escape::Begin, role);
                        }
                        Some(&byte) => {
                            return Err(ReadError::NotJson {
                                at: base + at,
                                why: NotJson::ControlCharacter(byte),
                            });
                        }
                    }
                }
                State::Number(number) => {
                    if let Some(number) = number.next(byte) {
                        at += 1;
                        state = State::Number(number);
                    } else if number.is_whole() {
                        self.value_ended(bytes, at)?;
                        state = State::AfterValue;
                    } else {
                        return not_json(NotJson::Unexpected(byte));
                    }
                }
                State::Escape(escape, role) => match escape.next(byte) {
                    Ok(step) => {
                        at += 1;
                        state = match step {
                            escape::Step::More(escape) => State::Escape(escape, role),
                            escape::Step::Done => State::String(role),
                        };
                    }
                    Err(why) => return not_json(why),
                },
                State::Literal(rest) => match rest {
                    [expected, after @ ..] if *expected == byte => {
                        at += 1;
                        state = State::Literal(after);
                        if after.is_empty() {
                            self.value_ended(bytes, at)?;
                            state = State::AfterValue;
                        }
                    }
                    _ => return not_json(NotJson::Unexpected(byte)),
                },
                // White space may stand wherever no token has begun.
                _ if matches!(byte, b' ' | b'\n' | b'\t' | b'\r') => at += 1,
                State::AfterValue => match (byte, self.nesting.innermost()) {
                    (b',', Some(Container::Object)) => {
                        at += 1;
                        state = State::NextKey;
                    }
                    (b',', Some(Container::Array)) => {
                        at += 1;
                        state = State::Value;
                    }
                    (b'}', Some(Container::Object)) | (b']', Some(Container::Array)) => {
                        at += 1;
                        state = self.close(bytes, at)?;
                    }
                    _ => return not_json(NotJson::Unexpected(byte)),
                },
                State::Colon if byte == b':' => {
                    at += 1;
                    state = State::Value;
                }
                State::FirstKey | State::NextKey if byte == b'"' => {
                    at += 1;
                    self.begin_token(base + at);
                    state = State::String(Role::Key);
                }
                State::FirstKey if byte == b'}' => {
                    at += 1;
                    state = self.close(bytes, at)?;
                }
                State::FirstElement if byte == b']' => {
                    at += 1;
                    state = self.close(bytes, at)?;
                }
                State::Root if byte == b'[' => return Err(ReadError::Batch),
                State::Root | State::Value | State::FirstElement => {
                    if self.envelope.awaits_value() {
                        self.envelope
                            .value_begins(byte, base + at, self.nesting.depth())?;
                    }
                    self.begin_token(base + at);
                    at += 1;
                    state = match byte {
                        b'"' => State::String(Role::Value),
                        b'{' => self.open(Container::Object)?,
                        b'[' => self.open(Container::Array)?,
                        b't' => State::Literal(b"rue"),
                        b'f' => State::Literal(b"alse"),
                        b'n' => State::Literal(b"ull"),
                        _ => match Number::begin(byte) {
                            Some(number) => State::Number(number),
                            None => {
                                return Err(ReadError::NotJson {
                                    at: base + at - 1,
                                    why: NotJson::Unexpected(byte),
                                });
                            }
                        },
                    };
                }
                State::Done => return not_json(NotJson::Trailing),
                State::Colon | State::FirstKey | State::NextKey => {
                    return not_json(NotJson::Unexpected(byte));
                }
            }
        }
        self.at = base + at;
        self.state = state;
        Ok(())
    }

    #[inline]
    fn begin_token(&mut self, at: usize) {
        self.token = at;
        self.escaped = false;
    }

    #[inline]
    fn open(&mut self, container: Container) -> Result<State, ReadError> {
        if !self.nesting.enter(container) {
            return Err(ReadError::TooDeep {
                limit: self.nesting.limit(),
            });
        }
        Ok(match container {
            Container::Object => State::FirstKey,
            Container::Array => State::FirstElement,
        })
    }

    /// Leaves the innermost container, whose closing bracket lies before `end`.
    #[inline]
    fn close(&mut self, bytes: &[u8], end: usize) -> Result<State, ReadError> {
        self.envelope.closed(self.nesting.depth());
        self.nesting.leave();
        self.value_ended(bytes, end)?;
        Ok(if self.nesting.depth() == 0 {
            State::Done
        } else {
            State::AfterValue
        })
    }

    #[inline]
    fn value_ended(&mut self, bytes: &[u8], end: usize) -> Result<(), ReadError> {
        if !self.envelope.captures_at(self.nesting.depth()) {
            return Ok(());
        }
        let base = self.held_from;
        let raw = |span: Span| {
            bytes
                .get(span.start.saturating_sub(base)..span.end.saturating_sub(base))
                .unwrap_or_default()
        };
        self.envelope.value_ended(base + end, self.escaped, raw)
    }

    /// A key of the envelope, whose closing quote lies before `end`.
    fn key_ended(&mut self, bytes: &[u8], end: usize) -> Result<(), ReadError> {
        let start = self.token.saturating_sub(self.held_from);
        let raw = bytes.get(start..end.saturating_sub(1)).unwrap_or_default();
        if self.escaped {
            self.envelope.key(&escape::resolve(raw))
        } else {
            self.envelope.key(raw)
        }
    }
}
