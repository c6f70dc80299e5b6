//! The ways past `params.arguments`: read with the rest, read by somebody else in the same pass, or
//! skipped and read apart.

use json_reader::{Container, Input, NotJson, Resume, Scanner, Sink, Skip, Skipped};

use super::listener::Stopped;
use super::{ArgumentsAre, Reader};
use crate::error::{Place, ReadError};
use crate::message::Span;

/// Whoever reads `params.arguments` in a [`Reader`]'s own pass.
pub trait ArgumentsReader {
    /// Lets `scanner`, which stands before the arguments or inside of them, read on in them: to
    /// their end, or to the end of the bytes at hand. What has been read of them stays at hand.
    fn read_on(&mut self, scanner: &mut Scanner, input: Input<'_>) -> ArgumentsProgress;
}

/// How far somebody else has read the arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgumentsProgress {
    /// To the end of the bytes at hand.
    Partial,
    /// To their end, behind which the scanner stands.
    Ended,
    /// The scanner may stand anywhere in them: it has read all before, and nobody wants to hear of
    /// the rest.
    Declined,
    /// They cannot be read: the scanner says why.
    Failed,
}

/// The reader's place beside the arguments.
#[derive(Debug)]
pub(super) enum ArgumentsStage {
    /// Before them, behind them, or inside where the reader itself reads them.
    Elsewhere,
    Skipped(Skip),
    ReadByOther,
}

impl Reader {
    /// The next byte to look at.
    pub(super) fn at(&self) -> usize {
        match &self.stage {
            ArgumentsStage::Skipped(skip) => skip.at(),
            _ => self.scanner.at(),
        }
    }

    /// The arguments begin, which this reader leaves to others. Scalars are read as soon as
    /// skipped.
    pub(super) fn begin_arguments(&mut self, input: Input<'_>, has_reader: bool) {
        let start = self.scanner.at();
        let is_nested = matches!(input.slice(start, start + 1), b"{" | b"[");
        if has_reader {
            self.stage = ArgumentsStage::ReadByOther;
        } else if is_nested {
            self.stage = ArgumentsStage::Skipped(Skip::from(start));
        }
    }

    /// Goes on inside of the arguments, where they are not the envelope's to read. Whether the
    /// scanner is behind them, or reads them itself; if not, all bytes at hand have been looked at.
    pub(super) fn pass_arguments(
        &mut self,
        input: Input<'_>,
        other: &mut Option<&mut dyn ArgumentsReader>,
    ) -> Result<bool, ReadError> {
        match &mut self.stage {
            ArgumentsStage::Elsewhere => Ok(true),
            ArgumentsStage::Skipped(skip) => match skip.advance(input, self.scanner.depth_left()) {
                Skipped::Partial => Ok(false),
                Skipped::TooDeep => Err(self.too_deep()),
                Skipped::Broken(at) => Err(ReadError::NotJson {
                    at,
                    why: NotJson::Utf8,
                }),
                Skipped::Ended(end) => {
                    let depth = self.scanner.depth();
                    self.scanner.go_to(end, depth, Resume::BehindValue);
                    self.end_arguments(input, end)?;
                    self.unread = self.envelope.message().arguments;
                    Ok(true)
                }
            },
            ArgumentsStage::ReadByOther => {
                let progress = match other {
                    Some(other) => other.read_on(&mut self.scanner, input),
                    None => ArgumentsProgress::Declined,
                };
                match progress {
                    ArgumentsProgress::Partial => Ok(false),
                    ArgumentsProgress::Failed => Err(self.fault_of(&self.scanner)),
                    ArgumentsProgress::Declined => {
                        self.stage = ArgumentsStage::Elsewhere;
                        let scanner = &self.scanner;
                        // Their last event is behind it, of which the envelope will not hear.
                        if scanner.is_behind_value() && self.envelope.captures_at(scanner.depth()) {
                            self.end_arguments(input, self.scanner.at())?;
                        }
                        Ok(true)
                    }
                    ArgumentsProgress::Ended => {
                        self.end_arguments(input, self.scanner.at())?;
                        Ok(true)
                    }
                }
            }
        }
    }

    /// The arguments have ended before `end`, and the scanner stands there.
    fn end_arguments(&mut self, input: Input<'_>, end: usize) -> Result<(), ReadError> {
        self.stage = ArgumentsStage::Elsewhere;
        let raw = |span: Span| input.slice(span.start, span.end);
        // Nobody decides behind them, so this stops nothing.
        self.envelope.value_ended(end, false, raw).map(|_| ())
    }

    /// Reads what was skipped, if anything was; from now on nothing is skipped. `buffered` as in
    /// [`Reader::push`], with nothing more.
    ///
    /// # Errors
    /// It is not JSON. The reader stays in that state.
    pub fn read_skipped(&mut self, buffered: &[u8]) -> Result<(), ReadError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let read = self.try_read_skipped(buffered);
        if let Err(error) = &read {
            self.failed = Some(error.clone());
        }
        read
    }

    fn try_read_skipped(&mut self, buffered: &[u8]) -> Result<(), ReadError> {
        self.arguments = ArgumentsAre::Read;
        let unread = self.unread.take();
        if let ArgumentsStage::Skipped(skip) = &self.stage {
            // Back to their beginning, and as far as before.
            let read = buffered.get(..skip.at().saturating_sub(self.buffered_from));
            self.stage = ArgumentsStage::Elsewhere;
            // Nothing of the envelope ends in there, so nothing but an error stops the scanner.
            return match self.listen(Input::new(read.unwrap_or_default(), self.buffered_from)) {
                Stopped::Failed(error) => Err(error),
                _ => Ok(()),
            };
        }
        let Some(span) = unread else {
            return Ok(());
        };
        let scanner = self.read_apart(buffered, span)?;
        // Both see the same brackets, so they end at the same one; and if not, nothing passes.
        if scanner.is_behind_value() && scanner.at() == span.end {
            Ok(())
        } else {
            Err(ReadError::NotJson {
                at: scanner.at(),
                why: NotJson::Truncated,
            })
        }
    }

    /// The error that a reader which skips nothing would have come to first: that of the skipped
    /// bytes.
    #[cold]
    pub(super) fn error_in_skipped(&self, buffered: &[u8]) -> Option<ReadError> {
        let span = match &self.stage {
            ArgumentsStage::Skipped(_) => Span {
                start: self.envelope.captured_from(),
                end: (self.buffered_from + buffered.len()).min(self.limits.max_bytes),
            },
            _ => self.unread?,
        };
        self.read_apart(buffered, span).err()
    }

    /// Reads bytes of `params` that begin with a value and do not go past it.
    fn read_apart(&self, buffered: &[u8], span: Span) -> Result<Scanner, ReadError> {
        let mut scanner = Scanner::new(self.limits.max_depth);
        for _ in [Place::Message, Place::Params] {
            if !scanner.enter(Container::Object) {
                return Err(self.too_deep());
            }
        }
        scanner.go_to(span.start, scanner.depth(), Resume::BeforeValue);
        let bytes = buffered.get(..span.end.saturating_sub(self.buffered_from));
        let input = Input::new(bytes.unwrap_or_default(), self.buffered_from);
        match scanner.scan(input, &mut (&mut () as &mut dyn Sink)) {
            Ok(()) => Ok(scanner),
            Err(_) => Err(self.fault_of(&scanner)),
        }
    }
}
