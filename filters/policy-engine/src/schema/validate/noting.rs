//! The notes on an instance that does not fit, or cannot be read.

use json_reader::Input;

use super::{CheckProgress, FREE_BYTES, Halted, Pass, REPLAYS, Stopped, Validation, found};
use crate::schema::violation::{MOST_VIOLATIONS, Violation};

impl Validation {
    /// Notes that a value does not fit, and shows it.
    pub(super) fn misfit(
        &mut self,
        input: Input<'_>,
        start: usize,
        end: usize,
        expected: impl FnOnce() -> String,
    ) -> Result<(), Halted> {
        self.misfit_found(input, expected, || found::show(input.slice(start, end)))
    }

    #[cold]
    pub(super) fn misfit_found(
        &mut self,
        input: Input<'_>,
        expected: impl FnOnce() -> String,
        found: impl FnOnce() -> String,
    ) -> Result<(), Halted> {
        if self.pass == Pass::Trial {
            self.stopped = Stopped::Misfit;
            return Err(Halted);
        }
        if self.misfits.len() < MOST_VIOLATIONS {
            let found = Some(found()).filter(|found| !found.is_empty());
            self.misfits.push(Violation {
                pointer: self.pointer(input, self.frames.len()),
                expected: expected(),
                found,
            });
        }
        Ok(())
    }

    /// Notes that the value inside of the outermost `frames` is not to be read.
    #[cold]
    pub(super) fn unreadable<T>(
        &mut self,
        input: Input<'_>,
        frames: usize,
        expected: impl Into<String>,
    ) -> Result<T, Halted> {
        self.unreadable = Some(Violation {
            pointer: self.pointer(input, frames),
            expected: expected.into(),
            found: None,
        });
        self.stopped = Stopped::Unreadable;
        self.progress = CheckProgress::Declined;
        Err(Halted)
    }

    /// Takes bytes that are looked at again, or what takes as long, out of the budget of a value
    /// that ends before `end`.
    ///
    /// The budget grows with the bytes before that place, so that it is the same however they are
    /// cut, and whatever follows; inside of a value that is looked at again, with all before the
    /// end of that, which have been read.
    pub(super) fn charge(
        &mut self,
        input: Input<'_>,
        end: usize,
        bytes: usize,
    ) -> Result<(), Halted> {
        self.looked_again = self.looked_again.saturating_add(bytes);
        let outermost = self.replays.first();
        let end = outermost.map_or(end, |outermost| outermost.end().max(end));
        let read = end.saturating_sub(self.start.unwrap_or(end));
        if self.looked_again <= read.saturating_mul(REPLAYS).saturating_add(FREE_BYTES) {
            return Ok(());
        }
        self.unreadable(
            input,
            self.frames.len(),
            "a value that takes fewer alternatives to check",
        )
    }

    /// Takes comparisons out of the budget, each as one byte, where bytes are looked at again: the
    /// first time it is their number that bounds them.
    pub(super) fn charge_again(
        &mut self,
        input: Input<'_>,
        comparisons: usize,
    ) -> Result<(), Halted> {
        match self.pass {
            Pass::First => Ok(()),
            Pass::Again | Pass::Trial => self.charge(input, 0, comparisons),
        }
    }
}
