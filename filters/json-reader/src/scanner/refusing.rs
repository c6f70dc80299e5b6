//! Why a text cannot be read: the byte that cannot stand where it does, and the thing wanted there.

use super::{Scanner, State, Stop};
use crate::fault::{Fault, Misplaced, NotJson, Wanted};
use crate::nesting::Container;
use crate::sink::Input;

impl Scanner {
    /// The byte at this offset of the bytes at hand cannot stand there, or is part of a character
    /// that is not UTF-8 or not whole.
    #[cold]
    pub(super) fn unexpected(&mut self, input: Input<'_>, at: usize, state: State) -> Stop {
        self.state = state;
        let rest = input.bytes.get(at..).unwrap_or_default();
        let start = rest.get(..4).unwrap_or(rest);
        if let Err(error) = std::str::from_utf8(start)
            && error.valid_up_to() == 0
        {
            if error.error_len().is_none() {
                self.park(input, at, state);
                return Stop::Starved;
            }
            self.broken_character(input.base + at);
            return Stop::Fault;
        }
        let why = match (state, rest.first()) {
            (State::Done, _) => NotJson::Trailing,
            (_, byte) => NotJson::Unexpected(byte.copied().unwrap_or_default()),
        };
        let (wanted, from) = self.wanted(state, input.base + at);
        self.not_json(input.base + at, why, wanted, from)
    }

    /// The thing that the grammar wants in a state, and where it was to begin.
    pub(super) fn wanted(&self, state: State, at: usize) -> (Wanted, usize) {
        match state {
            State::Value | State::FirstElement => (Wanted::Value, at),
            State::FirstKey | State::NextKey => (Wanted::Key, at),
            State::Colon => (Wanted::Colon, at),
            State::AfterValue => match self.nesting.innermost() {
                Some(Container::Object) => (Wanted::CommaOrBrace, at),
                Some(Container::Array) => (Wanted::CommaOrBracket, at),
                None => (Wanted::End, at),
            },
            State::Done => (Wanted::End, at),
            State::Key | State::Text => (Wanted::ClosingQuote, self.token),
            State::EscapeInKey | State::EscapeInText => self.cut.wanted_in_escape(),
            State::Number => (Wanted::Number, self.token),
            State::Literal => (Wanted::Literal, self.token),
        }
    }

    #[cold]
    pub(super) fn broken_character(&mut self, at: usize) {
        self.not_json(at, NotJson::Utf8, Wanted::Utf8, at);
    }

    #[cold]
    pub(super) fn truncated(&mut self) {
        let (wanted, from) = self.wanted(self.state, self.at);
        self.not_json(self.at, NotJson::Truncated, wanted, from);
    }

    /// Notes that the byte at this offset of the text cannot be there.
    #[cold]
    pub(super) fn not_json(
        &mut self,
        at: usize,
        why: NotJson,
        wanted: Wanted,
        from: usize,
    ) -> Stop {
        self.fault = Some(Fault::NotJson {
            at,
            why,
            instead: Misplaced { wanted, at: from },
        });
        Stop::Fault
    }
}
