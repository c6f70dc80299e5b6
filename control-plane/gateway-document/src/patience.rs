//! How long something that would only be nice to know is looked for.

/// The steps that a search may still take: names, patterns and sets that it compares.
#[derive(Debug)]
pub(crate) struct Patience(usize);

impl Patience {
    /// A hundred times what a document of ten thousand rules, routes and servers takes, and less
    /// than a second of one thread: only parts that differ in little more than their order come to
    /// its end.
    pub(crate) const USUAL: usize = 10_000_000;

    pub(crate) fn new(steps: usize) -> Self {
        Self(steps)
    }

    /// Takes so many steps, and tells whether there were as many left.
    pub(crate) fn take(&mut self, steps: usize) -> bool {
        step_count::count(steps);
        let left = self.0.checked_sub(steps);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}
