//! Strings, numbers and literals: each passed in one go where it lies whole in the bytes at hand,
//! read on where it was cut.

use step_count::count;

use super::Reader;
use super::number::Number;
use super::scan::{State, Stop};
use super::string::end_of_plain_text;
use crate::error::NotJson;
use crate::escape::{Escape, Step};

/// The token that was cut, as far as its state does not say: read only in the states of its kind.
#[derive(Debug)]
pub(super) struct Cut {
    escape: Escape,
    number: Number,
    /// The rest of `true`, `false` or `null`.
    literal: &'static [u8],
}

impl Default for Cut {
    fn default() -> Self {
        Self {
            escape: Escape::Begin,
            number: Number::Minus,
            literal: b"",
        }
    }
}

impl Reader {
    /// Whether a token has begun and not ended.
    pub(super) fn is_inside_token(&self) -> bool {
        use State as S;
        matches!(
            self.state,
            S::Key | S::Text | S::EscapeInKey | S::EscapeInText | S::Number | S::Literal
        )
    }

    /// Whether the bytes may end here, where a value began that is no object.
    pub(super) fn is_after_scalar(&self) -> bool {
        self.nesting.depth() == 0
            && match self.state {
                State::AfterValue => true,
                State::Number => self.cut.number.is_whole(),
                _ => false,
            }
    }

    /// Reads on in a token that was cut, or that has escapes. Apart from the loop, which so stays
    /// small and fast.
    #[inline(never)]
    pub(super) fn resume_token(
        &mut self,
        bytes: &[u8],
        at: usize,
        state: State,
    ) -> Result<(usize, State), Stop> {
        match state {
            State::Key => self.key_text(bytes, at),
            State::Text => self.text(bytes, at),
            State::Number => self.number(bytes, at, self.cut.number),
            State::Literal => self.literal(bytes, at, self.cut.literal),
            _ => {
                let Some(&byte) = bytes.get(at) else {
                    return Ok((at, state));
                };
                match self
                    .cut
                    .escape
                    .next(byte)
                    .map_err(|why| self.not_json(at, why))?
                {
                    Step::More(escape) => {
                        self.cut.escape = escape;
                        Ok((at + 1, state))
                    }
                    Step::Done if state == State::EscapeInKey => Ok((at + 1, State::Key)),
                    Step::Done => Ok((at + 1, State::Text)),
                }
            }
        }
    }

    /// Reads on in a key.
    #[inline(always)]
    pub(super) fn key_text(&mut self, bytes: &[u8], at: usize) -> Result<(usize, State), Stop> {
        let end = end_of_plain_text(bytes, at);
        match bytes.get(end) {
            Some(b'"') => {
                if self.envelope.knows_keys_at(self.nesting.depth()) {
                    self.key_ended(bytes, end)?;
                }
                // Nearly always the colon follows at once.
                match bytes.get(end + 1) {
                    Some(b':') => Ok((end + 2, State::Value)),
                    _ => Ok((end + 1, State::Colon)),
                }
            }
            None => Ok((end, State::Key)),
            Some(&byte) => self.escape(byte, end, State::EscapeInKey),
        }
    }

    /// Reads on in a string that is a value.
    #[inline(always)]
    pub(super) fn text(&mut self, bytes: &[u8], at: usize) -> Result<(usize, State), Stop> {
        let end = end_of_plain_text(bytes, at);
        match bytes.get(end) {
            Some(b'"') => {
                self.value_ended(bytes, end + 1)?;
                Ok((end + 1, State::AfterValue))
            }
            None => Ok((end, State::Text)),
            Some(&byte) => self.escape(byte, end, State::EscapeInText),
        }
    }

    /// At a byte inside a string that is neither plain nor the end.
    fn escape(&mut self, byte: u8, at: usize, inside: State) -> Result<(usize, State), Stop> {
        if byte != b'\\' {
            return Err(self.not_json(at, NotJson::ControlCharacter(byte)));
        }
        self.escaped = true;
        self.cut.escape = Escape::Begin;
        Ok((at + 1, inside))
    }

    #[inline(always)]
    pub(super) fn number(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        mut number: Number,
    ) -> Result<(usize, State), Stop> {
        loop {
            if number.takes_digits() {
                at += digits(bytes.get(at..).unwrap_or_default());
            }
            let Some(&byte) = bytes.get(at) else {
                self.cut.number = number;
                return Ok((at, State::Number));
            };
            let Some(next) = number.next(byte) else {
                if !number.is_whole() {
                    return Err(self.not_json(at, NotJson::Unexpected(byte)));
                }
                self.value_ended(bytes, at)?;
                return Ok((at, State::AfterValue));
            };
            number = next;
            at += 1;
        }
    }

    #[inline(never)]
    pub(super) fn literal(
        &mut self,
        bytes: &[u8],
        mut at: usize,
        mut rest: &'static [u8],
    ) -> Result<(usize, State), Stop> {
        while let [expected, after @ ..] = rest {
            match bytes.get(at) {
                Some(byte) if byte == expected => {}
                Some(&byte) => {
                    return Err(self.not_json(at, NotJson::Unexpected(byte)));
                }
                None => {
                    self.cut.literal = rest;
                    return Ok((at, State::Literal));
                }
            }
            rest = after;
            at += 1;
        }
        self.value_ended(bytes, at)?;
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
