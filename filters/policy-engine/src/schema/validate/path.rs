//! Where in the instance the run is: a chain of borrowed steps on the stack, written out only when
//! something is wrong.

use crate::schema::keys::KeySpan;
use crate::schema::scan::{StringForm, unescape_beginning};
use crate::schema::violation::{push_segment, shorten_pointer};

/// The steps from the root to a value.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    Root,
    Key {
        of: &'p Path<'p>,
        key: KeySpan,
        form: StringForm,
    },
    Item {
        of: &'p Path<'p>,
        index: u64,
    },
}

impl Path<'_> {
    /// The path as a JSON Pointer.
    pub(super) fn pointer(&self, bytes: &[u8]) -> String {
        let mut steps = Vec::new();
        let mut step = self;
        loop {
            match step {
                Path::Root => break,
                Path::Key { of, .. } | Path::Item { of, .. } => {
                    steps.push(*step);
                    step = of;
                }
            }
        }
        let mut pointer = String::new();
        for step in steps.iter().rev() {
            match step {
                Path::Root => {}
                Path::Key { key, form, .. } => {
                    let raw = bytes.get(key.start..key.end).unwrap_or_default();
                    push_segment(&mut pointer, &unescape_beginning(raw, *form));
                }
                Path::Item { index, .. } => {
                    push_segment(&mut pointer, index.to_string().as_bytes());
                }
            }
        }
        shorten_pointer(&pointer)
    }
}
