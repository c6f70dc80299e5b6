//! The scanner: JSON's grammar over bytes, resumable after any of them.
//!
//! One loop over one small enum of states. A token that lies whole in the bytes at hand is passed
//! in one go; one that is cut leaves a state behind, and the rest of it is read from there.

mod refusing;
mod standing;
mod token;

use step_count::count;

use crate::fault::Fault;
use crate::nesting::{Container, Nesting};
use crate::number::Number;
use crate::sink::{Event, Input, Sink};
use token::Cut;

/// The scanner's place in JSON's grammar: it tells which bytes may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
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
    /// Behind the last bracket.
    Done,
}

/// Why the scanner stops before the end of the bytes; small, so that what is returned for each
/// token stays in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// The bytes cannot be read: [`Scanner::fault`] says why.
    Fault,
    /// The sink asked for it.
    Sink,
}

impl std::fmt::Display for Halt {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Fault => "the text cannot be read",
            Self::Sink => "the sink stopped the scanner",
        })
    }
}

impl std::error::Error for Halt {}

/// Why the loop ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Fault,
    Sink,
    /// The bytes at hand end inside a character, whose rest may come.
    Starved,
}

/// Where a scanner goes on that was sent somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// A value begins there, behind white space perhaps.
    BeforeValue,
    /// A value has ended there.
    BehindValue,
}

/// Reads one text as its bytes arrive. See the crate's page for an example.
#[derive(Debug)]
pub struct Scanner {
    /// Offset of the next byte to read.
    at: usize,
    state: State,
    cut: Cut,
    /// Offset of the string, number or literal that is being read; of a string, that behind its
    /// quote.
    token: usize,
    /// Whether the string that is being read has escapes so far.
    escaped: bool,
    nesting: Nesting,
    fault: Option<Fault>,
}

impl Scanner {
    /// A scanner at the start of a text, of which `limit` objects and arrays may be open at once;
    /// at most [`MAX_DEPTH`](crate::MAX_DEPTH).
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            at: 0,
            state: State::Value,
            cut: Cut::default(),
            token: 0,
            escaped: false,
            nesting: Nesting::new(limit),
            fault: None,
        }
    }

    /// Reads the bytes at hand from where the last call stopped, to their end or to where the sink
    /// stops it. Bytes that have been read need not be at hand any more, but for those of the token
    /// that is being read, if the sink wants them.
    ///
    /// # Errors
    /// They are no JSON; or the sink stopped the scanner, which then goes on where it was stopped.
    pub fn scan<S: Sink>(&mut self, input: Input<'_>, sink: &mut S) -> Result<(), Halt> {
        match self.run(input, sink) {
            Ok(()) | Err(Stop::Starved) => Ok(()),
            Err(Stop::Sink) => Err(Halt::Sink),
            Err(Stop::Fault) => Err(Halt::Fault),
        }
    }

    /// Reads a text that is all at hand from where the scanner stands to its end. The loop behind
    /// it is the same for all sinks, where [`Self::scan`] has one for each kind of sink.
    ///
    /// # Errors
    /// As [`Self::scan`] and [`Self::finish`].
    pub fn read_to_end(&mut self, input: Input<'_>, mut sink: &mut dyn Sink) -> Result<(), Halt> {
        self.scan(input, &mut sink)?;
        self.finish(input, sink)
    }

    /// Ends the text behind the bytes at hand, all of which have been [scanned](Self::scan).
    ///
    /// # Errors
    /// The text is not whole; or the sink stopped the scanner at its last event.
    pub fn finish<S: Sink + ?Sized>(&mut self, input: Input<'_>, sink: &mut S) -> Result<(), Halt> {
        if self.state == State::Number && self.cut.number.is_whole() {
            let at = input.bytes.len();
            let ended = self.number_ended(input, sink, at, self.cut.number);
            (self.at, self.state) = (input.end(), State::AfterValue);
            if ended.is_err() {
                return Err(Halt::Sink);
            }
        }
        if self.at < input.end() {
            self.broken_character(self.at);
            return Err(Halt::Fault);
        }
        match self.state {
            State::Done => Ok(()),
            State::AfterValue if self.nesting.depth() == 0 => Ok(()),
            _ => {
                self.truncated();
                Err(Halt::Fault)
            }
        }
    }

    /// Goes back, or on, to an offset around which `depth` of the objects and arrays are open that
    /// are open now.
    pub fn go_to(&mut self, at: usize, depth: usize, resume: Resume) {
        self.nesting.leave_to(depth);
        self.at = at;
        self.state = match resume {
            Resume::BeforeValue => State::Value,
            Resume::BehindValue => self.behind_value(),
        };
    }

    /// Opens a container that was read elsewhere; `false` where it would be too deep.
    #[must_use]
    pub fn enter(&mut self, container: Container) -> bool {
        self.nesting.enter(container)
    }

    #[inline(always)]
    fn behind_value(&self) -> State {
        if self.nesting.depth() == 0 {
            State::Done
        } else {
            State::AfterValue
        }
    }

    /// Stands at this offset of the bytes at hand, for whoever lets the scanner go on.
    #[inline(always)]
    fn park(&mut self, input: Input<'_>, at: usize, state: State) {
        self.at = input.base + at;
        self.state = state;
    }

    fn run<S: Sink>(&mut self, input: Input<'_>, sink: &mut S) -> Result<(), Stop> {
        let bytes = input.bytes;
        let mut at = self.at.saturating_sub(input.base);
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
                            state = self.close(input, sink, at)?;
                        }
                        (b' ' | b'\n' | b'\t' | b'\r', _) => {}
                        _ => return Err(self.unexpected(input, here, state)),
                    }
                }
                State::NextKey | State::FirstKey => {
                    at += 1;
                    match byte {
                        b'"' => {
                            self.begin_token(input.base + at);
                            (at, state) = self.resume_token(input, sink, at, State::Key)?;
                        }
                        b' ' | b'\n' | b'\t' | b'\r' => {}
                        b'}' if state == State::FirstKey => state = self.close(input, sink, at)?,
                        _ => return Err(self.unexpected(input, here, state)),
                    }
                }
                State::Colon => {
                    at += 1;
                    match byte {
                        b':' => state = State::Value,
                        b' ' | b'\n' | b'\t' | b'\r' => {}
                        _ => return Err(self.unexpected(input, here, state)),
                    }
                }
                State::Value | State::FirstElement => {
                    if byte <= b' ' && matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                        at += 1;
                        continue;
                    }
                    if byte == b']' && state == State::FirstElement {
                        at += 1;
                        state = self.close(input, sink, at)?;
                        continue;
                    }
                    let start = input.base + at;
                    if sink.begin(input, byte, start, self.nesting.depth()) == Event::Stop {
                        self.park(input, at, State::Value);
                        return Err(Stop::Sink);
                    }
                    at += 1;
                    (at, state) = match byte {
                        b'"' => {
                            self.begin_token(start + 1);
                            self.text(input, sink, at)?
                        }
                        b'{' => {
                            let state = self.open(Container::Object)?;
                            self.first_of(input, sink, at, state)?
                        }
                        b'[' => (at, self.open(Container::Array)?),
                        b't' => self.literal_from(input, sink, at, start, b"rue")?,
                        b'f' => self.literal_from(input, sink, at, start, b"alse")?,
                        b'n' => self.literal_from(input, sink, at, start, b"ull")?,
                        _ => match Number::begin(byte) {
                            Some(number) => {
                                self.token = start;
                                self.number(input, sink, at, number)?
                            }
                            None => return Err(self.unexpected(input, here, state)),
                        },
                    };
                    if state == State::AfterValue {
                        (at, state) = self.follow(input, sink, at)?;
                    }
                }
                State::Key
                | State::Text
                | State::EscapeInKey
                | State::EscapeInText
                | State::Number
                | State::Literal => (at, state) = self.resume_token(input, sink, at, state)?,
                State::Done => {
                    if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                        return Err(self.unexpected(input, here, state));
                    }
                    at += 1;
                }
            }
        }
        self.park(input, at, state);
        Ok(())
    }

    /// Reads what follows a value in compact JSON: closing brackets, a comma, the next key.
    /// Whatever else follows is left to the loop; this is its beaten path.
    #[inline(always)]
    fn follow<S: Sink + ?Sized>(
        &mut self,
        input: Input<'_>,
        sink: &mut S,
        mut at: usize,
    ) -> Result<(usize, State), Stop> {
        loop {
            count(1);
            let Some(&byte) = input.bytes.get(at) else {
                return Ok((at, State::AfterValue));
            };
            let state = match (self.nesting.innermost(), byte) {
                (Some(Container::Object), b',') => {
                    return self.first_of(input, sink, at + 1, State::NextKey);
                }
                (Some(Container::Array), b',') => return Ok((at + 1, State::Value)),
                (Some(Container::Object), b'}') | (Some(Container::Array), b']') => {
                    at += 1;
                    self.close(input, sink, at)?
                }
                _ => return Ok((at, State::AfterValue)),
            };
            if state != State::AfterValue {
                return Ok((at, state));
            }
        }
    }

    /// Reads the key that begins at once where one may begin.
    #[inline(always)]
    fn first_of<S: Sink + ?Sized>(
        &mut self,
        input: Input<'_>,
        sink: &mut S,
        at: usize,
        state: State,
    ) -> Result<(usize, State), Stop> {
        match input.bytes.get(at) {
            Some(b'"') => {
                self.begin_token(input.base + at + 1);
                self.key_text(input, sink, at + 1)
            }
            _ => Ok((at, state)),
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
            self.fault = Some(Fault::TooDeep);
            return Err(Stop::Fault);
        }
        Ok(match container {
            Container::Object => State::FirstKey,
            Container::Array => State::FirstElement,
        })
    }

    /// Leaves the innermost container, whose closing bracket lies before `end`.
    #[inline(always)]
    fn close<S: Sink + ?Sized>(
        &mut self,
        input: Input<'_>,
        sink: &mut S,
        end: usize,
    ) -> Result<State, Stop> {
        let container = self.nesting.innermost().unwrap_or(Container::Array);
        self.nesting.leave();
        let state = self.behind_value();
        let depth = self.nesting.depth();
        if sink.close(input, container, input.base + end, depth) == Event::Stop {
            self.park(input, end, state);
            return Err(Stop::Sink);
        }
        Ok(state)
    }
}
