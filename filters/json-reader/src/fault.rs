//! Why bytes are no JSON.

use std::fmt;

use thiserror::Error;

/// A text cannot be read, from this byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The bytes are not JSON.
    NotJson {
        /// Offset of the offending byte from the start of the text.
        at: usize,
        /// The reason why that byte cannot stand there.
        why: NotJson,
        /// The thing that could stand there.
        instead: Misplaced,
    },
    /// Objects and arrays nest too deep.
    TooDeep,
}

/// The ways in which bytes fail to be JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotJson {
    /// A byte that cannot stand where it stands.
    #[error("unexpected byte 0x{0:02x}")]
    Unexpected(u8),
    /// A control character inside a string.
    #[error("unescaped control character 0x{0:02x} in a string")]
    ControlCharacter(u8),
    /// A backslash followed by something that it does not escape.
    #[error("unknown escape in a string")]
    Escape,
    /// Half of a surrogate pair.
    #[error("lone surrogate in a string")]
    LoneSurrogate,
    /// Bytes that are not UTF-8.
    #[error("bytes that are not UTF-8")]
    Utf8,
    /// The body ends inside a value.
    #[error("the body ends before the message does")]
    Truncated,
    /// Something follows the message.
    #[error("bytes after the end of the message")]
    Trailing,
}

/// The thing that JSON's grammar wanted in a place, in words for the author of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Misplaced {
    /// The kind of thing that could stand there.
    pub wanted: Wanted,
    /// Offset of the place from the start of the text: that of the token, where one has begun.
    pub at: usize,
}

/// The kinds of things that JSON's grammar can want in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Bytes that are UTF-8.
    Utf8,
    /// A value of any kind.
    Value,
    /// The rest of `true`, `false` or `null`.
    Literal,
    /// A number that goes on, or ends, otherwise.
    Number,
    /// A key, with its quotes.
    Key,
    /// The colon behind a key.
    Colon,
    /// A sign that may follow a member of an object.
    CommaOrBrace,
    /// A sign that may follow an item of an array.
    CommaOrBracket,
    /// The end of a string.
    ClosingQuote,
    /// A control character as an escape.
    EscapedControl,
    /// An escape that there is.
    Escape,
    /// The other half of a surrogate pair.
    PairedSurrogate,
    /// The end of the text.
    End,
}

impl fmt::Display for Misplaced {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = match self.wanted {
            Wanted::Utf8 => "UTF-8",
            Wanted::Value => "a JSON value",
            Wanted::Literal => "`true`, `false` or `null`",
            Wanted::Number => "a JSON number",
            Wanted::Key => "a key in double quotes",
            Wanted::Colon => "`:`",
            Wanted::CommaOrBrace => "`,` or `}`",
            Wanted::CommaOrBracket => "`,` or `]`",
            Wanted::ClosingQuote => "a closing quote",
            Wanted::EscapedControl => "control characters to be escaped",
            Wanted::Escape => "a JSON escape",
            Wanted::PairedSurrogate => "surrogates in pairs",
            Wanted::End => "nothing after the value",
        };
        write!(out, "{wanted} at byte {}", self.at)
    }
}
