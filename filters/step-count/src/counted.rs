//! The counter of each thread, in builds for tests.

use std::cell::{Cell, RefCell};

/// A deed that comes before so many steps at once are counted.
type Pause = (usize, Box<dyn FnOnce()>);

thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
    static PAUSE: RefCell<Option<Pause>> = const { RefCell::new(None) };
}

pub(crate) fn count(steps: usize) {
    let pause = PAUSE.with_borrow_mut(|pause| pause.take_if(|(at, _)| *at <= steps));
    if let Some((_, pause)) = pause {
        pause();
    }
    TAKEN.with(|taken| taken.set(taken.get().saturating_add(steps as u64)));
}

/// How many steps this thread has taken so far.
#[must_use]
pub fn taken_here() -> u64 {
    TAKEN.with(Cell::get)
}

/// Runs a computation, and tells how many steps it took on this thread.
pub fn taken_by<T>(computation: impl FnOnce() -> T) -> (T, u64) {
    let before = taken_here();
    let result = computation();
    (result, taken_here() - before)
}

/// Runs a computation that calls `pause` once: before the first time that it takes at least so many
/// `steps` at once on this thread. A test so learns what others can do in the midst of it.
pub fn paused_at<T>(
    steps: usize,
    pause: impl FnOnce() + 'static,
    computation: impl FnOnce() -> T,
) -> T {
    PAUSE.set(Some((steps, Box::new(pause))));
    let result = computation();
    PAUSE.set(None);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count;

    #[test]
    fn it_counts_the_steps_of_one_computation() {
        count(5);
        let (inner, outer) = taken_by(|| {
            count(2);
            taken_by(|| count(3)).1
        });
        assert_eq!((inner, outer), (3, 5));
        assert_eq!(taken_here(), 10);
    }

    #[test]
    fn it_pauses_once_before_many_steps_at_once() {
        let (seen, taken) = std::sync::mpsc::channel();
        paused_at(
            3,
            move || seen.send(taken_here()).unwrap(),
            || {
                count(2);
                count(2);
                count(3);
                count(4);
            },
        );
        assert_eq!(taken.into_iter().collect::<Vec<_>>(), [4]);
        assert_eq!(taken_here(), 11);
    }
}
