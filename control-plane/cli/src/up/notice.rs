//! Tells what an event of a program means for the user, and for everything else.

use std::path::Path;

use supervisor::{CRASH_LOOP, Event};
use time::OffsetDateTime;

/// Whether everything has been up once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not yet: what does not stay up now never will, and the user waits.
    ComingUp,
    /// It has: what ends now takes nothing with it. Envoy serves without a control plane, and the
    /// others' tools without one server.
    Up,
}

/// The meaning of one event.
#[derive(Debug, Default)]
pub(crate) struct Notice {
    /// The line that the user is told.
    pub(crate) words: Option<String>,
    /// The program that is back.
    pub(crate) recovered: Option<String>,
    /// The reason why everything has to stop.
    pub(crate) failure: Option<anyhow::Error>,
}

impl Notice {
    /// Reads an event that happened at `at`.
    pub(crate) fn of(event: Event, phase: Phase, at: OffsetDateTime) -> Self {
        let (hour, minute, second) = at.time().as_hms();
        let time = format!("{hour:02}:{minute:02}:{second:02} UTC");
        match event {
            Event::Restarting {
                name,
                how,
                log,
                tail,
                ends: CRASH_LOOP..,
                ..
            } if phase == Phase::ComingUp => Self::failed(&name, &how, &log, &tail),
            Event::Restarting {
                name,
                how,
                log,
                pause,
                ends,
                ..
            } => {
                let again = if ends < CRASH_LOOP {
                    ""
                } else {
                    ", and does not stay up"
                };
                Self {
                    words: Some(format!(
                        "{time}  {name} {how}{again}; it is started again in {:.1} s; log: {}",
                        pause.as_secs_f64(),
                        log.display()
                    )),
                    ..Self::default()
                }
            }
            Event::Recovered { name } => Self {
                words: Some(format!("{time}  {name} is back")),
                recovered: Some(name),
                failure: None,
            },
            Event::GivenUp {
                name,
                how,
                log,
                tail,
            } => Self::failed(&name, &how, &log, &tail),
        }
    }

    fn failed(name: &str, how: &str, log: &Path, tail: &str) -> Self {
        Self {
            failure: Some(anyhow::anyhow!(
                "{name} {how} and does not stay up; the end of `{}`:\n{tail}",
                log.display()
            )),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn restarting(ends: u32) -> Event {
        Event::Restarting {
            name: "control plane".to_owned(),
            how: "ended with status 1".to_owned(),
            log: "/data/logs/control-plane.log".into(),
            tail: "no disk".to_owned(),
            pause: Duration::from_millis(500),
            ends,
        }
    }

    const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    #[test]
    fn it_tells_of_a_restart_in_one_line_with_time_and_log() {
        let notice = Notice::of(restarting(1), Phase::Up, AT);
        assert_eq!(
            notice.words.unwrap(),
            "00:00:00 UTC  control plane ended with status 1; it is started again in 0.5 s; log: \
             /data/logs/control-plane.log"
        );
    }

    #[test]
    fn it_stops_everything_for_a_crash_loop_only_while_it_comes_up() {
        for ends in [1, CRASH_LOOP, CRASH_LOOP + 1, 1_000] {
            let notice = Notice::of(restarting(ends), Phase::Up, AT);
            assert!(notice.failure.is_none(), "{ends}");
            let words = notice.words.unwrap();
            assert_eq!(
                words.contains("does not stay up"),
                ends >= CRASH_LOOP,
                "{words}"
            );
            assert!(!words.contains('\n'), "{words}");
            let failure = Notice::of(restarting(ends), Phase::ComingUp, AT).failure;
            assert_eq!(failure.is_some(), ends >= CRASH_LOOP, "{ends}");
            assert!(failure.is_none_or(|error| error.to_string().contains("no disk")));
        }
    }
}
