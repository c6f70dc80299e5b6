//! The listener of a scanner: what it is told, and what it answers.

use crate::nesting::Container;

/// The bytes at hand: a part of a text, with its place there.
#[derive(Debug, Clone, Copy)]
pub struct Input<'b> {
    pub(crate) bytes: &'b [u8],
    pub(crate) base: usize,
}

impl<'b> Input<'b> {
    /// `bytes` begin at offset `base` of the text.
    #[must_use]
    pub fn new(bytes: &'b [u8], base: usize) -> Self {
        Self { bytes, base }
    }

    /// The bytes between two offsets of the text; empty where they are not all at hand.
    #[inline]
    #[must_use]
    pub fn slice(self, start: usize, end: usize) -> &'b [u8] {
        let start = start.wrapping_sub(self.base);
        let end = end.wrapping_sub(self.base);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The offset behind the last byte at hand.
    #[inline]
    #[must_use]
    pub fn end(self) -> usize {
        self.base + self.bytes.len()
    }
}

/// The place of a string's text between its quotes, as offsets from the start of the whole text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// The offset behind the opening quote.
    pub start: usize,
    /// The offset of the closing quote.
    pub end: usize,
    /// Whether there are escapes in it; if not, its bytes are the string.
    pub escaped: bool,
}

/// A string, a number or a literal that has been read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scalar {
    /// The offset of its first byte, quotes included.
    pub start: usize,
    /// The offset behind its last byte.
    pub end: usize,
    /// Its kind, and how it is written.
    pub kind: ScalarKind,
}

/// The kind of a scalar, and how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarKind {
    /// A string, with or without escapes.
    String {
        /// Whether there are escapes in it.
        escaped: bool,
    },
    /// A number of a sign and digits only.
    Digits,
    /// A number with a fraction or an exponent.
    Decimal,
    /// `true`, `false` or `null`.
    Literal,
}

impl Scalar {
    /// The text of a string; none where the scalar is none.
    #[inline]
    #[must_use]
    pub fn text(&self) -> Option<Text> {
        match self.kind {
            ScalarKind::String { escaped } => Some(Text {
                start: self.start + 1,
                end: self.end.saturating_sub(1),
                escaped,
            }),
            _ => None,
        }
    }
}

/// The fate of the scanner behind something that it told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It reads on behind it.
    ReadOn,
    /// It stops there, and can be let go on from there.
    Stop,
}

/// A listener of a scanner. `depth` is how many objects and arrays are open around what is told.
pub trait Sink {
    /// The key of a member has ended; its value follows.
    #[inline(always)]
    fn key(&mut self, _input: Input<'_>, _key: Text, _depth: usize) -> Event {
        Event::ReadOn
    }

    /// A value begins with this byte, at this offset. It may yet turn out to be none. A scanner
    /// that is stopped here stands before the value.
    #[inline(always)]
    fn begin(&mut self, _input: Input<'_>, _first: u8, _start: usize, _depth: usize) -> Event {
        Event::ReadOn
    }

    /// A string, a number or a literal has ended.
    #[inline(always)]
    fn scalar(&mut self, _input: Input<'_>, _scalar: Scalar, _depth: usize) -> Event {
        Event::ReadOn
    }

    /// An object or array has ended, before this offset.
    #[inline(always)]
    fn close(
        &mut self,
        _input: Input<'_>,
        _container: Container,
        _end: usize,
        _depth: usize,
    ) -> Event {
        Event::ReadOn
    }
}

/// A sink that wants to hear nothing: what is read is checked to be JSON.
impl Sink for () {}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn key(&mut self, input: Input<'_>, key: Text, depth: usize) -> Event {
        (**self).key(input, key, depth)
    }

    fn begin(&mut self, input: Input<'_>, first: u8, start: usize, depth: usize) -> Event {
        (**self).begin(input, first, start, depth)
    }

    fn scalar(&mut self, input: Input<'_>, scalar: Scalar, depth: usize) -> Event {
        (**self).scalar(input, scalar, depth)
    }

    fn close(&mut self, input: Input<'_>, container: Container, end: usize, depth: usize) -> Event {
        (**self).close(input, container, end, depth)
    }
}
