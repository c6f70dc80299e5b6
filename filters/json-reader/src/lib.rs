//! JSON's grammar (RFC 8259) over bytes that come in pieces: one pass, no tree, no copy.
//!
//! A [`Scanner`] is given the bytes of one text as they arrive, cut wherever they were cut, and
//! tells a [`Sink`] what it reads: keys, the beginnings of values, scalars, closing brackets. It
//! sees to the syntax, to escapes and surrogates, to UTF-8 and to the depth in that one pass, and
//! never recurses. A token that lies whole in the bytes at hand is passed in one go; one that is
//! cut is read on from where it was. What a sink is told are offsets from the start of the text,
//! and [`Input::slice`] finds their bytes as long as somebody keeps them.
//!
//! A sink may stop the scanner behind any event, and whoever drives it may let another sink go on,
//! or go back to the beginning of a value ([`Scanner::go_to`]) and read that again. So several
//! readers share one pass: the envelope of a message hands its arguments to a validator.
//!
//! [`Skip`] passes a value by its brackets and strings alone, for those who read it later.
//! [`decoded`] resolves escapes, [`code_points`] counts.
//!
//! The crate knows no key, no schema and no protocol, and never panics on what a caller sends.
//!
//! ```
//! use json_reader::{Event, Halt, Input, Scalar, Scanner, Sink};
//!
//! /// Adds up the lengths of all strings.
//! struct Lengths(usize);
//!
//! impl Sink for Lengths {
//!     fn scalar(&mut self, _: Input<'_>, scalar: Scalar, _: usize) -> Event {
//!         self.0 += scalar.text().map_or(0, |text| text.end - text.start);
//!         Event::ReadOn
//!     }
//! }
//!
//! let text = br#"{"a":["one",2,"three"]}"#;
//! let (mut scanner, mut lengths) = (Scanner::new(8), Lengths(0));
//! // The bytes come in two pieces, the first of which ends inside a string.
//! scanner.scan(Input::new(&text[..9], 0), &mut lengths)?;
//! scanner.scan(Input::new(text, 0), &mut lengths)?;
//! scanner.finish(Input::new(text, 0), &mut lengths)?;
//! assert_eq!(lengths.0, 8);
//! # Ok::<(), Halt>(())
//! ```
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod escape;
mod fault;
mod lanes;
mod nesting;
mod number;
mod scanner;
mod sink;
mod skip;
mod text;
mod utf8;

pub use escape::{code_points, decoded};
pub use fault::{Fault, Misplaced, NotJson, Wanted};
pub use nesting::{Container, MAX_DEPTH};
pub use number::is_number;
pub use scanner::{Halt, Resume, Scanner};
pub use sink::{Event, Input, Scalar, ScalarKind, Sink, Text};
pub use skip::{Skip, Skipped};
