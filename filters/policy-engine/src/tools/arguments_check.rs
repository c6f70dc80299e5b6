//! The check of a call's arguments while they are read.

use std::sync::Arc;

use json_reader::{Input, Scanner};

use crate::schema::{CheckProgress, Invalid, Schema, Validation};

/// The check of one call's arguments by the first schema that holds for it, in the pass in which
/// the message is read. Give it to [`Policy::decide_checked`](crate::Policy::decide_checked) with
/// the arguments' bytes.
#[derive(Debug)]
pub struct ArgumentsCheck {
    schema: Arc<Schema>,
    validation: Validation,
}

impl ArgumentsCheck {
    pub(super) fn new(schema: Arc<Schema>) -> Self {
        let validation = schema.begin();
        Self { schema, validation }
    }

    /// Lets `scanner`, which stands before the arguments or inside of them, read on in them, and
    /// checks what it reads. Of the arguments, what has been read stays at hand.
    pub fn read_on(&mut self, scanner: &mut Scanner, input: Input<'_>) -> CheckProgress {
        self.schema.read_on(&mut self.validation, scanner, input)
    }

    /// Whether this schema has checked the arguments to their end, or need not.
    pub(super) fn is_done_by(&self, schema: &Arc<Schema>) -> bool {
        Arc::ptr_eq(&self.schema, schema) && self.validation.is_over()
    }

    pub(super) fn into_outcome(self) -> Result<(), Invalid> {
        self.validation.into_outcome()
    }
}
