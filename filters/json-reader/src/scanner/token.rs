//! Strings, numbers and literals: each passed in one go where it lies whole in the bytes at hand,
//! read on where it was cut.

use step_count::count;

use super::{Scanner, State, Stop};
use crate::escape::{Escape, Step};
use crate::fault::{NotJson, Wanted};
use crate::number::Number;
use crate::sink::{Event, Input, Scalar, ScalarKind, Sink, Text};
use crate::text::{Plain, plain_text};

/// The token that was cut, as far as its state does not say: read only in the states of its kind.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) escape: Escape,
    /// Offset of the backslash with which the escape began.
    escape_from: usize,
    pub(super) number: Number,
    /// The rest of `true`, `false` or `null`.
    literal: &'static [u8],
}

impl Default for Cut {
    fn default() -> Self {
        Self {
            escape: Escape::Begin,
            escape_from: 0,
            number: Number::Minus,
            literal: b"",
        }
    }
}

impl Cut {
    pub(super) fn wanted_in_escape(&self) -> (Wanted, usize) {
        let wanted = if self.escape.is_in_pair() {
            Wanted::PairedSurrogate
        } else {
            Wanted::Escape
        };
        (wanted, self.escape_from)
    }
}

impl Scanner {
    /// Reads on in a token that was cut, that has escapes, or that white space stands before. Apart
    /// from the loop, which so stays small and fast, and once for all kinds of sinks.
    #[inline(never)]
    pub(super) fn resume_token(
        &mut self,
        input: Input<'_>,
        sink: &mut dyn Sink,
        at: usize,
        state: State,
    ) -> Result<(usize, State), Stop> {
        match state {
            State::Key => self.key_text(input, sink, at),
            State::Text => self.text(input, sink, at),
            State::Number => self.number(input, sink, at, self.cut.number),
            State::Literal => self.literal(input, sink, at, self.cut.literal),
            _ => self.escape(input, at, state),
        }
    }

    /// Reads on in an escape.
    fn escape(
        &mut self,
        input: Input<'_>,
        mut at: usize,
        state: State,
    ) -> Result<(usize, State), Stop> {
        while let Some(&byte) = input.bytes.get(at) {
            match self.cut.escape.next(byte) {
                // A byte that is part of no ASCII may be part of no UTF-8 either.
                Err(_) if byte >= 0x80 && self.is_no_character(input, at) => {
                    return Err(self.unexpected(input, at, state));
                }
                Err(why) => {
                    self.state = state;
                    let (wanted, from) = self.cut.wanted_in_escape();
                    let wanted = match why {
                        NotJson::LoneSurrogate => Wanted::PairedSurrogate,
                        _ => wanted,
                    };
                    return Err(self.not_json(input.base + at, why, wanted, from));
                }
                Ok(Step::More(escape)) => self.cut.escape = escape,
                Ok(Step::Done) => {
                    let state = match state {
                        State::EscapeInKey => State::Key,
                        _ => State::Text,
                    };
                    return Ok((at + 1, state));
                }
            }
            at += 1;
            count(1);
        }
        Ok((at, state))
    }

    /// Whether the bytes from `at` on do not begin with a character.
    fn is_no_character(&self, input: Input<'_>, at: usize) -> bool {
        let rest = input.bytes.get(at..).unwrap_or_default();
        let start = rest.get(..4).unwrap_or(rest);
        std::str::from_utf8(start).is_err_and(|error| error.valid_up_to() == 0)
    }

    /// Reads on in a key.
    #[inline(always)]
    pub(super) fn key_text<S: Sink + ?Sized>(
        &mut self,
        input: Input<'_>,
        sink: &mut S,
        at: usize,
    ) -> Result<(usize, State), Stop> {
        let (end, next) = plain_text(input.bytes, at);
        if next != Plain::Quote {
            return self.not_plain(input, end, next, State::Key);
        }
        // Nearly always the colon follows at once.
        let behind = match input.bytes.get(end + 1) {
            Some(b':') => (end + 2, State::Value),
            _ => (end + 1, State::Colon),
        };
        let key = Text {
            start: self.token,
            end: input.base + end,
            escaped: self.escaped,
        };
        if sink.key(input, key, self.nesting.depth()) == Event::Stop {
            self.park(input, behind.0, behind.1);
            return Err(Stop::Sink);
        }
        Ok(behind)
    }

    /// Reads on in a string that is a value.
    #[inline(always)]
    pub(super) fn text<S: Sink + ?Sized>(
        &mut self,
        input: Input<'_>,
        sink: &mut S,
        at: usize,
    ) -> Result<(usize, State), Stop> {
        let (end, next) = plain_text(input.bytes, at);
        if next != Plain::Quote {
            return self.not_plain(input, end, next, State::Text);
        }
        let scalar = Scalar {
            start: self.token.wrapping_sub(1),
            end: input.base + end + 1,
            kind: ScalarKind::String {
                escaped: self.escaped,
            },
        };
        self.scalar_ended(input, sink, scalar, end + 1)
    }

    /// At a byte inside a string that is neither plain nor the end.
    #[cold]
    fn not_plain(
        &mut self,
        input: Input<'_>,
        at: usize,
        next: Plain,
        inside: State,
    ) -> Result<(usize, State), Stop> {
        self.state = inside;
        match next {
            Plain::Quote | Plain::End => Ok((at, inside)),
            Plain::Backslash => {
                self.escaped = true;
                self.cut.escape = Escape::Begin;
                self.cut.escape_from = input.base + at;
                let inside = match inside {
                    State::Key => State::EscapeInKey,
                    _ => State::EscapeInText,
                };
                Ok((at + 1, inside))
            }
            Plain::Control(byte) => {
                let at = input.base + at;
                let why = NotJson::ControlCharacter(byte);
                Err(self.not_json(at, why, Wanted::EscapedControl, at))
            }
            Plain::Broken => {
                self.broken_character(input.base + at);
                Err(Stop::Fault)
            }
            Plain::Begun => {
                self.park(input, at, inside);
                Err(Stop::Starved)
            }
        }
    }

    #[inline(always)]
    pub(super) fn number<S: Sink + ?Sized>(
        &mut self,
        input: Input<'_>,
        sink: &mut S,
        mut at: usize,
        mut number: Number,
    ) -> Result<(usize, State), Stop> {
        loop {
            if number.takes_digits() {
                at += digits(input.bytes.get(at..).unwrap_or_default());
            }
            let Some(&byte) = input.bytes.get(at) else {
                self.cut.number = number;
                return Ok((at, State::Number));
            };
            let Some(next) = number.next(byte) else {
                if !number.is_whole() {
                    self.cut.number = number;
                    return Err(self.unexpected(input, at, State::Number));
                }
                self.number_ended(input, sink, at, number)?;
                return Ok((at, State::AfterValue));
            };
            number = next;
            at += 1;
        }
    }

    /// The number ends before `at`.
    #[inline(always)]
    pub(super) fn number_ended<S: Sink + ?Sized>(
        &mut self,
        input: Input<'_>,
        sink: &mut S,
        at: usize,
        number: Number,
    ) -> Result<(), Stop> {
        let scalar = Scalar {
            start: self.token,
            end: input.base + at,
            kind: if number.is_of_digits() {
                ScalarKind::Digits
            } else {
                ScalarKind::Decimal
            },
        };
        self.scalar_ended(input, sink, scalar, at).map(|_| ())
    }

    /// `true`, `false` or `null`, whose first letter lies before `at`.
    #[inline(always)]
    pub(super) fn literal_from<S: Sink + ?Sized>(
        &mut self,
        input: Input<'_>,
        sink: &mut S,
        at: usize,
        start: usize,
        rest: &'static [u8],
    ) -> Result<(usize, State), Stop> {
        self.token = start;
        let end = at + rest.len();
        if input.bytes.get(at..end) == Some(rest) {
            return self.literal_ended(input, sink, end);
        }
        self.literal(input, sink, at, rest)
    }

    #[inline(never)]
    fn literal<S: Sink + ?Sized>(
        &mut self,
        input: Input<'_>,
        sink: &mut S,
        mut at: usize,
        mut rest: &'static [u8],
    ) -> Result<(usize, State), Stop> {
        while let [expected, after @ ..] = rest {
            match input.bytes.get(at) {
                Some(byte) if byte == expected => {}
                Some(_) => {
                    self.cut.literal = rest;
                    return Err(self.unexpected(input, at, State::Literal));
                }
                None => {
                    self.cut.literal = rest;
                    return Ok((at, State::Literal));
                }
            }
            rest = after;
            at += 1;
        }
        self.literal_ended(input, sink, at)
    }

    #[inline(always)]
    fn literal_ended<S: Sink + ?Sized>(
        &mut self,
        input: Input<'_>,
        sink: &mut S,
        at: usize,
    ) -> Result<(usize, State), Stop> {
        let scalar = Scalar {
            start: self.token,
            end: input.base + at,
            kind: ScalarKind::Literal,
        };
        self.scalar_ended(input, sink, scalar, at)
    }

    #[inline(always)]
    fn scalar_ended<S: Sink + ?Sized>(
        &mut self,
        input: Input<'_>,
        sink: &mut S,
        scalar: Scalar,
        at: usize,
    ) -> Result<(usize, State), Stop> {
        if sink.scalar(input, scalar, self.nesting.depth()) == Event::Stop {
            self.park(input, at, State::AfterValue);
            return Err(Stop::Sink);
        }
        Ok((at, State::AfterValue))
    }
}

fn digits(bytes: &[u8]) -> usize {
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    count(digits);
    digits
}
