//! The check of a call's arguments while they are read.

use std::sync::Arc;

use json_reader::{Input, Scanner};

use crate::known_schema::KnownSchema;
use crate::schema::{CheckProgress, Invalid, Validation};

/// The check of one call's arguments by the first schema that holds for it, in the pass in which
/// the message is read. Give it to [`Policy::decide_checked`](crate::Policy::decide_checked) with
/// the arguments' bytes.
///
/// It keeps nothing compiled while it waits for bytes. Where the schema is forgotten meanwhile, the
/// rest is only read, and the arguments are checked as a whole when they are decided on: so a call
/// has its schema compiled twice at most, in however many pieces it comes.
#[derive(Debug)]
pub struct ArgumentsCheck {
    schema: Arc<KnownSchema>,
    validation: Validation,
}

impl ArgumentsCheck {
    pub(crate) fn new(schema: &Arc<KnownSchema>) -> Self {
        Self {
            schema: Arc::clone(schema),
            validation: schema.compiled().schema.begin(),
        }
    }

    /// Lets `scanner`, which stands before the arguments or inside of them, read on in them, and
    /// checks what it reads. Of the arguments, what has been read stays at hand.
    pub fn read_on(&mut self, scanner: &mut Scanner, input: Input<'_>) -> CheckProgress {
        match self.schema.at_hand() {
            Some(compiled) => {
                let schema = &compiled.schema;
                schema.read_on(&mut self.validation, scanner, input)
            }
            None => CheckProgress::Declined,
        }
    }

    /// Whether this schema has checked the arguments to their end, or need not.
    pub(crate) fn is_done_by(&self, schema: &Arc<KnownSchema>) -> bool {
        Arc::ptr_eq(&self.schema, schema) && self.validation.is_over()
    }

    pub(crate) fn into_outcome(self) -> Result<(), Invalid> {
        self.validation.into_outcome()
    }
}
