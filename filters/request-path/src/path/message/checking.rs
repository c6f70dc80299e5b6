//! The arguments of a call, checked by its tool's schema in the pass in which they are read.

use json_reader::{Input, Scanner};
use mcp_message::{ArgumentsProgress, ArgumentsReader, EndOfBody, ReadError, ReadProgress};
use policy_engine::{ArgumentsCheck, CheckProgress};

use super::MessageInHand;
use super::judging::CALLER;
use crate::settings::Settings;

/// The engine as the reader of arguments.
struct Checking<'c>(&'c mut ArgumentsCheck);

impl ArgumentsReader for Checking<'_> {
    fn read_on(&mut self, scanner: &mut Scanner, input: Input<'_>) -> ArgumentsProgress {
        match self.0.read_on(scanner, input) {
            CheckProgress::Partial => ArgumentsProgress::Partial,
            CheckProgress::Ended => ArgumentsProgress::Ended,
            CheckProgress::Declined => ArgumentsProgress::Declined,
            CheckProgress::Failed => ArgumentsProgress::Failed,
        }
    }
}

impl MessageInHand {
    /// Reads on to the end of the next member. Where the tool is known before its arguments begin,
    /// they are checked as they are read.
    pub(super) fn read_and_check(
        &mut self,
        settings: &Settings,
        end: EndOfBody,
    ) -> Result<Option<ReadProgress>, ReadError> {
        if self.check.is_none()
            && self.reader.message().arguments().is_none()
            && let Some(tool) = self.tool()
        {
            self.check = settings.policy.begin_check(tool, &CALLER);
        }
        match &mut self.check {
            Some(check) => {
                let mut checking = Checking(check);
                self.reader
                    .push_with(&self.buffered, end, Some(&mut checking))
            }
            None => self.reader.push_to_member(&self.buffered, end),
        }
    }
}
