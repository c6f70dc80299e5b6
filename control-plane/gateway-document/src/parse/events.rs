//! The parts of a YAML text one after the other, as the library that reads documents meets them,
//! and nothing kept of them: the one place with `unsafe`.
//!
//! The reader of documents takes a whole text in before it looks at any of it. This is the very
//! parser below it, so the two never differ on where a quoted text, a comment or a block ends.

#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use libyaml_rs as sys;

/// A part of a YAML text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// A list or an object begins.
    Opens {
        /// The line on which it begins, from 1.
        line: usize,
        /// The marks that it has.
        marks: Marks,
    },
    /// The list or object that began last ends.
    Closes,
    /// A value that has no parts.
    Scalar {
        /// The line on which it begins, from 1.
        line: usize,
        /// The marks that it has.
        marks: Marks,
        /// How many bytes it has.
        bytes: usize,
    },
    /// The value that an anchor names stands here once more.
    Alias {
        /// The line of it, from 1.
        line: usize,
        /// The name of that anchor.
        name: Box<[u8]>,
    },
}

/// The things that may stand before a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marks {
    /// The anchor that it has.
    pub(super) anchor: Option<Box<[u8]>>,
    /// Whether it has a tag.
    pub(super) is_tagged: bool,
}

/// The parts of a text up to its end, or to where it is no YAML.
pub(super) struct Parts<'t> {
    /// It stays where it is: the library keeps its address.
    parser: *mut sys::yaml_parser_t,
    text: PhantomData<&'t str>,
}

impl<'t> Parts<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let place: Box<MaybeUninit<sys::yaml_parser_t>> = Box::new(MaybeUninit::uninit());
        let parser = Box::into_raw(place).cast();
        // SAFETY: the place is as large as a parser, and stays until `drop`; the text outlives it.
        unsafe {
            assert!(sys::yaml_parser_initialize(parser).ok, "out of memory");
            sys::yaml_parser_set_encoding(parser, sys::YAML_UTF8_ENCODING);
            sys::yaml_parser_set_input_string(parser, text.as_ptr(), text.len() as u64);
        }
        Self {
            parser,
            text: PhantomData,
        }
    }
}

impl Iterator for Parts<'_> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        loop {
            let mut event = MaybeUninit::<sys::yaml_event_t>::uninit();
            // SAFETY: the parser was made in `of`. An event is there only where the call went
            // well; what it points to is copied before it is deleted.
            unsafe {
                if sys::yaml_parser_parse(self.parser, event.as_mut_ptr()).fail {
                    return None;
                }
                let event = event.assume_init_mut();
                let kind = event.type_;
                let part = part_of(event);
                sys::yaml_event_delete(event);
                if part.is_some() {
                    return part;
                }
                // After the end of the stream, or a fault, there is no event any more.
                if matches!(kind, sys::YAML_STREAM_END_EVENT | sys::YAML_NO_EVENT) {
                    return None;
                }
            }
        }
    }
}

impl Drop for Parts<'_> {
    fn drop(&mut self) {
        // SAFETY: both were made in `of`, and nobody else has them.
        unsafe {
            sys::yaml_parser_delete(self.parser);
            drop(Box::from_raw(
                self.parser.cast::<MaybeUninit<sys::yaml_parser_t>>(),
            ));
        }
    }
}

/// The part that an event tells of; none of the ends of documents.
///
/// # Safety
/// The event was made by the library, and is not deleted yet.
unsafe fn part_of(event: &sys::yaml_event_t) -> Option<Part> {
    let line = usize::try_from(event.start_mark.line).unwrap_or(usize::MAX);
    let line = line.saturating_add(1);
    // SAFETY: the kind of the event says which of the data is there.
    unsafe {
        match event.type_ {
            sys::YAML_SEQUENCE_START_EVENT => {
                let start = &event.data.sequence_start;
                let marks = marks_of(start.anchor, start.tag);
                Some(Part::Opens { line, marks })
            }
            sys::YAML_MAPPING_START_EVENT => {
                let start = &event.data.mapping_start;
                let marks = marks_of(start.anchor, start.tag);
                Some(Part::Opens { line, marks })
            }
            sys::YAML_SEQUENCE_END_EVENT | sys::YAML_MAPPING_END_EVENT => Some(Part::Closes),
            sys::YAML_SCALAR_EVENT => {
                let scalar = &event.data.scalar;
                Some(Part::Scalar {
                    line,
                    marks: marks_of(scalar.anchor, scalar.tag),
                    bytes: usize::try_from(scalar.length).unwrap_or(usize::MAX),
                })
            }
            sys::YAML_ALIAS_EVENT => Some(Part::Alias {
                line,
                name: name_at(event.data.alias.anchor).unwrap_or_default(),
            }),
            _ => None,
        }
    }
}

/// The marks of a value, by the addresses of its anchor and of its tag.
///
/// # Safety
/// As for `name_at`.
unsafe fn marks_of(anchor: *const u8, tag: *const u8) -> Marks {
    // SAFETY: as the caller says.
    let anchor = unsafe { name_at(anchor) };
    Marks {
        anchor,
        is_tagged: !tag.is_null(),
    }
}

/// The name at an address, if there is one.
///
/// # Safety
/// The address is none, or that of bytes that end with a zero.
unsafe fn name_at(address: *const u8) -> Option<Box<[u8]>> {
    if address.is_null() {
        return None;
    }
    // SAFETY: as the caller says.
    let name = unsafe { CStr::from_ptr(address.cast::<c_char>()) };
    Some(name.to_bytes().into())
}
