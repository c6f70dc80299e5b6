//! The notes on an instance that does not fit, or cannot be read.

use super::super::scan::Syntax;
use super::super::violation::{MOST_VIOLATIONS, Violation};
use super::path::Path;
use super::{Pass, Run, Stop, found};

impl Run<'_> {
    /// Notes that a value does not fit, and shows it.
    pub(super) fn misfit(
        &mut self,
        path: &Path<'_>,
        start: usize,
        end: usize,
        expected: impl FnOnce() -> String,
    ) -> Result<(), Stop> {
        let bytes = self.bytes;
        self.misfit_found(path, expected, || {
            found::show(bytes.get(start..end).unwrap_or_default())
        })
    }

    #[cold]
    pub(super) fn misfit_found(
        &mut self,
        path: &Path<'_>,
        expected: impl FnOnce() -> String,
        found: impl FnOnce() -> String,
    ) -> Result<(), Stop> {
        if self.pass == Pass::Trial {
            return Err(Stop::Misfit);
        }
        if self.misfits.len() < MOST_VIOLATIONS {
            let found = Some(found()).filter(|found| !found.is_empty());
            self.misfits.push(Violation {
                pointer: path.pointer(self.bytes),
                expected: expected(),
                found,
            });
        }
        Ok(())
    }

    #[cold]
    pub(super) fn syntax<T>(&mut self, path: &Path<'_>, syntax: Syntax) -> Result<T, Stop> {
        self.unreadable(path, syntax.to_string())
    }

    #[cold]
    pub(super) fn unreadable<T>(
        &mut self,
        path: &Path<'_>,
        expected: impl Into<String>,
    ) -> Result<T, Stop> {
        self.unreadable = Some(Violation {
            pointer: path.pointer(self.bytes),
            expected: expected.into(),
            found: None,
        });
        Err(Stop::Unreadable)
    }
}
