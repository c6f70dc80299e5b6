//! How many calls ran and run, by what was called.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// How many calls ran and run, by what was called: tools, resources and prompts by their names,
/// which are as many as this server has.
#[derive(Debug, Default)]
pub struct CallStatistics {
    counts: Mutex<BTreeMap<Cow<'static, str>, CallCounts>>,
}

/// The calls of one tool, resource or prompt since this server started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CallCounts {
    /// Calls that run at this moment.
    pub running: u64,
    /// Calls that ended well.
    pub ok: u64,
    /// Calls that ended with a failure.
    pub failed: u64,
    /// Calls that were given up before they ended.
    pub given_up: u64,
    /// The time that all that ended took together.
    #[serde(rename = "total_ms", serialize_with = "as_milliseconds")]
    pub took: Duration,
}

fn as_milliseconds<S: serde::Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u128(time.as_millis())
}

/// A call that runs, until this is dropped or [`RunningCall::end`] tells how it ended.
#[derive(Debug)]
pub struct RunningCall<'a> {
    statistics: &'a CallStatistics,
    name: Cow<'static, str>,
    started: Instant,
    was_ok: Option<bool>,
}

impl CallStatistics {
    /// Counts a call of `name` as running.
    pub fn begin(&self, name: impl Into<Cow<'static, str>>) -> RunningCall<'_> {
        let name = name.into();
        self.lock().entry(name.clone()).or_default().running += 1;
        RunningCall {
            statistics: self,
            name,
            started: Instant::now(),
            was_ok: None,
        }
    }

    /// The counts by name.
    pub fn counts(&self) -> BTreeMap<Cow<'static, str>, CallCounts> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Cow<'static, str>, CallCounts>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningCall<'_> {
    /// Counts the call as ended, well or with a failure; gives the time that it took.
    pub fn end(mut self, was_ok: bool) -> Duration {
        self.was_ok = Some(was_ok);
        self.started.elapsed()
    }
}

impl Drop for RunningCall<'_> {
    fn drop(&mut self) {
        let mut counts = self.statistics.lock();
        let counts = counts.entry(std::mem::take(&mut self.name)).or_default();
        counts.running -= 1;
        match self.was_ok {
            Some(true) => counts.ok += 1,
            Some(false) => counts.failed += 1,
            None => counts.given_up += 1,
        }
        counts.took += self.started.elapsed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_each_call_once_however_it_ends() {
        let statistics = CallStatistics::default();
        let running = statistics.begin("a");
        assert_eq!(statistics.counts()["a"].running, 1);
        running.end(true);
        statistics.begin("a").end(false);
        drop(statistics.begin("a"));
        let _runs = statistics.begin("b");
        let counts = statistics.counts();
        let [a, b] = ["a", "b"].map(|name| {
            let counts = counts[name];
            [counts.running, counts.ok, counts.failed, counts.given_up]
        });
        assert_eq!((a, b), ([0, 1, 1, 1], [1, 0, 0, 0]));
    }
}
