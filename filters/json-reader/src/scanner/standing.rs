//! Where a scanner stands: what it answers between two pieces of a text.

use super::{Scanner, State};
use crate::fault::Fault;

impl Scanner {
    /// Offset of the next byte to read. Before the end of the bytes at hand, if those end inside a
    /// character or the sink has stopped the scanner.
    #[inline]
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// Offset from which on the bytes are needed to read on and to see the token that is being
    /// read.
    #[must_use]
    pub fn token_from(&self) -> usize {
        match self.state {
            State::Key | State::EscapeInKey | State::Number | State::Literal => self.token,
            State::Text | State::EscapeInText => self.token.saturating_sub(1),
            _ => self.at,
        }
    }

    /// How many objects and arrays are open.
    #[inline]
    #[must_use]
    pub fn depth(&self) -> usize {
        self.nesting.depth()
    }

    /// How many more objects and arrays may be opened.
    #[must_use]
    pub fn depth_left(&self) -> usize {
        self.nesting.limit().saturating_sub(self.nesting.depth())
    }

    /// Whether a value has ended here, that is neither object nor array, and nothing is open.
    #[must_use]
    pub fn is_behind_lone_scalar(&self) -> bool {
        self.nesting.depth() == 0
            && match self.state {
                State::AfterValue => true,
                State::Number => self.cut.number.is_whole(),
                _ => false,
            }
    }

    /// Whether the bytes at hand ended, or the text was found to be no JSON, inside of a key.
    #[must_use]
    pub fn is_inside_key(&self) -> bool {
        matches!(self.state, State::Key | State::EscapeInKey)
    }

    /// Whether a value has just ended, and nothing has been read behind it but white space.
    #[must_use]
    pub fn is_behind_value(&self) -> bool {
        matches!(self.state, State::AfterValue | State::Done)
    }

    /// Whether the object or array that is the text has ended.
    #[inline]
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Why the text cannot be read.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }
}
